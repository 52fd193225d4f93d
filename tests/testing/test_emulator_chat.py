"""What the emulator answers when nothing is scripted."""

from __future__ import annotations

import json

import pytest

from wandb_inference.catalogue import MODELS
from wandb_inference.testing import Emulator

from .asking import PLAIN, SEEING, THINKING, ask, choice, chunks, content, http, joined, request

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
TOOLS = [WEATHER, CLOCK]


def test_the_same_request_has_the_same_answer(either):
    """Two emulators of one seed agree, in process and on a port."""
    assert content(either) == content(Emulator()) != ""


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"temperature": 0.7}, {"model": SEEING}, {"messages": [{"role": "user", "content": "Bye"}]}],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_text(emulator, change):
    """Seed, temperature, model and messages each change the text, to one that is the same every time."""
    assert content(emulator, **change) != content(emulator)
    assert content(emulator, **change) == content(emulator, **change)


def test_another_emulator_seed(emulator):
    """The emulator's own seed changes the text."""
    assert content(Emulator(seed=1)) != content(emulator)


def test_temperature_zero_is_none(emulator):
    """A temperature of 0 is the same as none."""
    assert content(emulator, temperature=0) == content(emulator)


def test_reads_like_english(emulator):
    """Sentences begin with a capital, end with a full stop, and say `an` where it belongs."""
    texts = [content(emulator, f"Question {number}") for number in range(50)]

    assert len(set(texts)) == 50
    for text in texts:
        assert text[0].isupper()
        assert text.endswith(".")
        assert " a early" not in text


def test_max_tokens(emulator):
    """A limit cuts the text, and says so."""
    answer = ask(emulator, max_tokens=3).json()

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3
    assert content(emulator).startswith(answer["choices"][0]["message"]["content"])
    assert choice(emulator, max_completion_tokens=3) == answer["choices"][0]


def test_a_limit_that_is_not_reached(emulator):
    """A limit that is high enough changes nothing."""
    assert choice(emulator, max_tokens=5000) == choice(emulator)
    assert choice(emulator)["finish_reason"] == "stop"


@pytest.mark.parametrize("many", [False, True])
def test_stop(emulator, many):
    """The text ends before the first stop sequence that occurs, and the finish reason is `stop`."""
    whole = content(emulator)
    word = whole.split()[4]
    stopped = choice(emulator, stop=["never", word, "nowhere"] if many else word)

    assert stopped["message"]["content"] == whole[: whole.index(word)]
    assert stopped["finish_reason"] == "stop"
    assert content(emulator, stop="nowhere") == whole


def test_n(emulator):
    """`n` gives so many different choices, numbered, streamed side by side."""
    choices = ask(emulator, n=3).json()["choices"]
    streamed = chunks(emulator, n=3)

    assert [choice["index"] for choice in choices] == [0, 1, 2]
    texts = [choice["message"]["content"] for choice in choices]
    assert len(set(texts)) == 3
    assert texts == [joined(streamed, "content", index) for index in range(3)]
    assert [chunk["choices"][0]["index"] for chunk in streamed[:6]] == [0, 1, 2, 0, 1, 2]


def test_long_answers(emulator):
    """`min_tokens` and `ignore_eos` make answers as long as a benchmark wants them."""
    assert ask(emulator, min_tokens=500).json()["usage"]["completion_tokens"] >= 500
    assert ask(emulator, ignore_eos=True, max_tokens=321).json()["usage"]["completion_tokens"] == 321
    assert content(emulator, ignore_eos=True) == content(emulator)


def test_a_stream_adds_up_to_the_whole_answer(either):
    """A stream has the text, finish reason and usage that the whole answer has."""
    whole = ask(either).json()
    streamed = chunks(either, stream_options={"include_usage": True})

    assert joined(streamed, "content") == whole["choices"][0]["message"]["content"]
    assert streamed[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert streamed[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert streamed[-1]["choices"] == []
    assert streamed[-1]["usage"] == whole["usage"]
    assert len(streamed) == whole["usage"]["completion_tokens"] + 3
    assert {(chunk["object"], chunk["model"]) for chunk in streamed} == {("chat.completion.chunk", PLAIN)}
    assert len({chunk["id"] for chunk in streamed}) == 1


def test_a_stream_without_usage(emulator):
    """Usage comes only where it was asked for."""
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks(emulator))


def test_a_stream_begins_with_a_comment(emulator):
    """The first thing on a stream is a keep-alive comment."""
    answer = ask(emulator, stream=True)

    assert answer.text.startswith(": keep-alive\n\ndata: ")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_usage_adds_up(emulator):
    """The total is the sum of both sides, and a longer prompt costs more."""
    usage = ask(emulator, "Hello").json()["usage"]
    longer = ask(emulator, "Hello, how are you today?").json()["usage"]

    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert longer["prompt_tokens"] > usage["prompt_tokens"]


def test_every_answer_has_its_own_ids(emulator):
    """Completion and request ids differ from answer to answer, and from run to run they don't."""
    answers = [ask(emulator), ask(emulator), ask(Emulator())]

    assert len({answer.json()["id"] for answer in answers}) == 2
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    assert answers[0].content == answers[2].content


def test_cached_tokens(emulator):
    """A prefix that was sent before is cached in blocks of 16 tokens, for the same model and salt only."""

    def cached(text, **body):
        return ask(emulator, text, **body).json()["usage"]["prompt_tokens_details"]["cached_tokens"]

    prompt = "one two three four five six seven " * 10
    assert cached(prompt) == 0
    assert cached(prompt + "and then") == 64
    assert cached(prompt, cache_salt="other") == 0
    assert cached(prompt, model=SEEING) == 0
    assert cached("short") == cached("short") == 0


def test_the_cache_is_bounded(emulator, monkeypatch):
    """A full cache starts again."""
    monkeypatch.setattr("wandb_inference.testing._tokens._MOST_BLOCKS", 3)
    prompt = "one two three four five six seven " * 10

    for expected in (0, 0):
        assert ask(emulator, prompt).json()["usage"]["prompt_tokens_details"]["cached_tokens"] == expected


def test_images_count_as_tokens(emulator):
    """A picture costs tokens, a text part as much as a plain text."""
    text = {"type": "text", "text": "Hello"}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

    def prompt_tokens(content):
        messages = [{"role": "user", "content": content}]
        return ask(emulator, model=SEEING, messages=messages).json()["usage"]["prompt_tokens"]

    assert prompt_tokens([text, picture]) == prompt_tokens([text]) + 85 == prompt_tokens("Hello") + 85


@pytest.mark.parametrize(
    ("model", "kwargs", "thinks"),
    [
        (THINKING, {}, True),
        (THINKING, {"enable_thinking": False}, True),
        ("zai-org/GLM-5.2", {}, True),
        ("zai-org/GLM-5.2", {"enable_thinking": False}, False),
        (SEEING, {}, False),
        (SEEING, {"enable_thinking": True}, True),
        (PLAIN, {"enable_thinking": True}, False),
        ("MiniMaxAI/MiniMax-M3", {}, False),
        ("MiniMaxAI/MiniMax-M3", {"enable_thinking": True}, True),
    ],
)
def test_who_thinks(emulator, model, kwargs, thinks):
    """Models think as the catalogue says, and as far as they can be told."""
    answer = ask(emulator, model=model, chat_template_kwargs=kwargs).json()

    assert (answer["choices"][0]["message"]["reasoning"] is not None) is thinks
    assert (answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0) is thinks
    assert answer["choices"][0]["message"]["content"]


def test_an_adaptive_model_decides(emulator):
    """An adaptive model thinks where there is something to think about."""
    question = "How many harbours are there between the first lighthouse and the last?"

    assert choice(emulator, question, model="MiniMaxAI/MiniMax-M3")["message"]["reasoning"]


def test_thinking_comes_first(emulator):
    """On a stream the thinking comes before the text, and adds up to the same."""
    streamed = chunks(emulator, model=THINKING)
    kinds = [next(iter(chunk["choices"][0]["delta"]), "end") for chunk in streamed[1:]]
    whole = choice(emulator, model=THINKING)["message"]

    assert kinds == sorted(kinds, key=["reasoning", "content", "end"].index)
    assert joined(streamed, "reasoning") == whole["reasoning"]
    assert joined(streamed, "content") == whole["content"]


def test_thinking_uses_up_the_limit(emulator):
    """Thinking counts against the limit, so that nothing may be left for the text."""
    cut = choice(emulator, model=THINKING, max_tokens=5)

    assert cut["finish_reason"] == "length"
    assert cut["message"]["content"] is None
    assert cut["message"]["reasoning"]


def test_reasoning_effort(emulator):
    """More effort is more thinking."""
    low, high = (
        ask(emulator, model=THINKING, reasoning_effort=effort).json()["usage"]["completion_tokens_details"]
        for effort in ("low", "high")
    )

    assert low["reasoning_tokens"] < high["reasoning_tokens"]


def test_the_older_reasoning_field():
    """The emulator can use the field of older servers."""
    emulator = Emulator(reasoning_field="reasoning_content")

    assert choice(emulator, model=THINKING)["message"]["reasoning_content"]
    assert joined(chunks(emulator, model=THINKING), "reasoning_content")


def test_logprobs(emulator):
    """Each token has its log probability, bytes and alternatives, best first."""
    entries = choice(emulator, logprobs=True, top_logprobs=3)["logprobs"]["content"]
    streamed = [chunk["choices"][0]["logprobs"] for chunk in chunks(emulator, logprobs=True, top_logprobs=3)]

    assert "".join(entry["token"] for entry in entries) == content(emulator)
    assert [entry for logprobs in streamed if logprobs for entry in logprobs["content"]] == entries
    for entry in entries:
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert 1 <= len(entry["top_logprobs"]) <= 3
        assert entry["top_logprobs"][0]["logprob"] == entry["logprob"] < 0
    assert choice(emulator, logprobs=True)["logprobs"]["content"][0]["top_logprobs"] == []
    assert choice(emulator)["logprobs"] is None


def test_token_ids(emulator):
    """Token ids come on request, one per token, the prompt's as well; a stream gives the same ones."""
    answer = ask(emulator, return_token_ids=True).json()
    streamed = chunks(emulator, return_token_ids=True)

    assert len(answer["prompt_token_ids"]) == answer["usage"]["prompt_tokens"]
    assert len(answer["choices"][0]["token_ids"]) == answer["usage"]["completion_tokens"]
    assert streamed[0]["prompt_token_ids"] == answer["prompt_token_ids"]
    assert [id for chunk in streamed for id in chunk["choices"][0]["token_ids"]] == answer["choices"][0]["token_ids"]


def test_a_tool_that_is_mentioned_is_called(emulator):
    """The model calls what the user names, with arguments that fit."""
    called = choice(emulator, "What does get_weather say?", tools=TOOLS)
    (call,) = called["message"]["tool_calls"]

    assert called["finish_reason"] == "tool_calls"
    assert called["message"]["content"] is None
    assert call["type"] == "function"
    assert call["function"]["name"] == "get_weather"
    assert isinstance(json.loads(call["function"]["arguments"])["city"], str)


def test_tool_calls_on_a_stream(emulator):
    """A call's id and name come first, its arguments in fragments."""
    streamed = chunks(emulator, "Ask the clock and get weather", tools=TOOLS)
    deltas = [call for chunk in streamed for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    opened = [delta for delta in deltas if "id" in delta]

    assert [(delta["index"], delta["function"]["name"]) for delta in opened] == [(0, "get_weather"), (1, "clock")]
    assert len({delta["id"] for delta in opened}) == 2
    arguments = [delta["function"]["arguments"] for delta in deltas if delta["index"] == 0]
    assert len(arguments) > 3
    assert "city" in json.loads("".join(arguments))
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"tool_choice": "auto"}, []),
        ({"tool_choice": "required"}, ["get_weather"]),
        ({"tool_choice": "required", "messages": [{"role": "system", "content": "Go"}]}, ["get_weather"]),
        ({"tool_choice": {"type": "function", "function": {"name": "clock"}}}, ["clock"]),
    ],
)
def test_tool_choice(emulator, options, names):
    """`tool_choice` decides where the user names no tool."""
    calls = choice(emulator, tools=TOOLS, **options)["message"].get("tool_calls", [])

    assert [call["function"]["name"] for call in calls] == names


def test_tool_choice_none(emulator):
    """`none` forbids what the user names."""
    assert "tool_calls" not in choice(emulator, "Ask the clock", tools=TOOLS, tool_choice="none")["message"]


def test_one_call_at_a_time(emulator):
    """Without parallel calls only the first tool is called."""
    calls = choice(emulator, "clock, get_weather", tools=TOOLS, parallel_tool_calls=False)["message"]["tool_calls"]

    assert len(calls) == 1


def test_after_a_tool_has_answered(emulator):
    """The model answers in text once a tool has, and tells what it said; its words count as prompt."""
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Ask the clock"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
    ]

    assert content(emulator, messages=messages, tools=TOOLS).startswith("The tool says noon. ")


@pytest.mark.parametrize(
    ("called", "next_one"),
    [
        ([], "get_weather"),
        (["get_weather"], "clock"),
        (["clock"], "get_weather"),
        (["get_weather", "clock"], "get_weather"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value) or "none",
)
def test_required_goes_on_to_the_next_tool(emulator, called, next_one):
    """With `required` the model calls what it has not called since the user spoke, and then the first again."""
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello."}]
    messages += [{"role": "user", "content": "Go on"}]
    for name in called:
        call = {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": name, "content": "noon"},
        ]

    calls = choice(emulator, messages=messages, tools=TOOLS, tool_choice="required")["message"]["tool_calls"]

    assert [call["function"]["name"] for call in calls] == [next_one]


def test_json_mode(emulator):
    """JSON mode gives an object."""
    assert "answer" in json.loads(content(emulator, response_format={"type": "json_object"}))
    assert content(emulator, response_format={"type": "text"}) == content(emulator)


def test_json_schema(emulator):
    """A schema gives a value that is valid under it."""
    schema = {"type": "object", "properties": {"prime": {"type": "integer", "minimum": 100}}, "required": ["prime"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}

    assert json.loads(content(emulator, response_format=form))["prime"] >= 100


def test_a_limit_cuts_json_too(emulator):
    """JSON is cut where the limit says, and is none then."""
    cut = choice(emulator, response_format={"type": "json_object"}, max_tokens=2)

    assert cut["finish_reason"] == "length"
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(cut["message"]["content"])


@pytest.mark.parametrize(
    "model",
    ["Llama-3.1-70B-Instruct", "Mistral-7B-Instruct-v0.1", "wandb-artifact:///team/project/name:v1"],
)
def test_models_beyond_the_catalogue(emulator, model):
    """Short names of LiteLLM's page and LoRA ids answer, under the id that was asked for."""
    assert ask(emulator, model=model).json()["model"] == model


def test_the_list_of_models(emulator):
    """The list holds what is alive in the catalogue, by GET and by POST."""
    with http(emulator) as client:
        listed, posted = client.get("/models").json(), client.post("/models").json()

    assert listed == posted
    assert listed["object"] == "list"
    living = [model.id for model in MODELS.values() if model.lifecycle != "retired"]
    assert [model["id"] for model in listed["data"]] == living


def test_one_model(emulator):
    """A model is found by its id, slash included."""
    with http(emulator) as client:
        assert client.get(f"/models/{PLAIN}").json()["max_model_len"] == 131_072
        assert client.get("/models/wandb-artifact:///t/p/n:v1").json()["object"] == "model"
        assert client.get("/models/meta-llama/none").status_code == 404


def test_models_of_ones_own():
    """An emulator can serve other models instead."""
    emulator = Emulator(models=["custom-model"])

    with http(emulator) as client:
        assert [model["id"] for model in client.get("/models").json()["data"]] == ["custom-model"]
    assert ask(emulator, model="custom-model").status_code == 200
    assert ask(emulator, model=PLAIN).status_code == 404
    assert ask(emulator, model="Llama-3.1-8B-Instruct").status_code == 404


def test_lone_surrogates(emulator):
    """Text that has no UTF-8 form is answered like any other."""
    with http(emulator) as client:
        body = json.dumps({**request(), "messages": [{"role": "user", "content": "\udc80"}]})
        answer = client.post("/chat/completions", content=body.encode())

    assert answer.status_code == 200
