"""What the catalogue refuses before anything is sent: models that are gone, and chats that can't fit their window."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each
from pydantic import BaseModel

from wandb_inference import (
    AsyncClient,
    Client,
    ConfigurationError,
    InvalidRequestError,
    ModelNotFoundError,
    ParseError,
    acompletion,
    completion,
)
from wandb_inference._core import served
from wandb_inference.catalogue import MODELS, ModelInfo
from wandb_inference.testing import Emulator, Reply

GONE = "meta-llama/Llama-3.1-70B-Instruct"
NEXT = "meta-llama/Llama-3.3-70B-Instruct"
LONG = [{"role": "user", "content": "word " * 131_074}]


@pytest.fixture
def service(emulator: Emulator, kind: Any) -> Any:
    """Makes clients of the service's own host, which end at the emulator."""

    def service(**settings: Any) -> Any:
        http = httpx.AsyncClient if kind is AsyncClient else httpx.Client
        own = {"api_key": KEY, "project": PROJECT, "max_retries": 0}
        return kind(**{**own, "http_client": http(transport=emulator.transport()), **settings})

    return service


class Refusal:
    """A model that the service has no longer, and what is said of it."""

    def __init__(self, model: str, says: str, successor: str | None = None, suggestions: tuple[str, ...] = ()) -> None:
        self.model = model
        self.says = says
        self.successor = successor
        self.suggestions = suggestions


REFUSALS = [
    Refusal(GONE, f"{GONE} is retired since 2026-10-05 (table of 2026-10-07); nothing was sent. Use {NEXT}.", NEXT),
    Refusal(f"wandb/{GONE}", f"{GONE} is retired", NEXT),
    Refusal("Llama-3.1-70B-Instruct", f"{GONE} is retired", NEXT),
    Refusal("wandb/Llama-3.1-70B-Instruct", f"{GONE} is retired", NEXT),
    Refusal(GONE.lower(), f"{GONE} is retired", NEXT),
    Refusal("zai-org/GLM-5.1", "zai-org/GLM-5.1 is retired (table", None, ("zai-org/GLM-5.2", "zai-org/GLM-5.3")),
    Refusal("microsoft/Phi-4-mini-instruct", "is retired since 2026-07-20"),
    Refusal(
        "wandb/Mistral-7B-Instruct-v0.1",
        "the service has no Mistral-7B-Instruct-v0.1 (table of 2026-10-07); nothing was sent. The nearest of those it "
        f"has: {MODEL}, ibm-granite/granite-4.2-8b.",
        None,
        (MODEL, "ibm-granite/granite-4.2-8b"),
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.model)
async def test_gone(emulator: Emulator, service: Any, refusal: Refusal) -> None:
    """A model that the service has no longer is told before anything is sent, with what to use in its place."""
    with pytest.raises(ModelNotFoundError) as caught:
        await ask(service(), model=refusal.model)

    error = caught.value
    assert emulator.requests == []
    assert refusal.says in str(error)
    assert str(error).startswith("404: ")
    assert str(error).endswith("If the service has it after all, give check_model=False.")
    assert error.successor == refusal.successor
    assert set(refusal.suggestions) <= set(error.suggestions)
    assert all(MODELS[id].lifecycle != "retired" for id in error.suggestions)
    assert (error.status_code, error.request_id, error.attempts, error.meta, error.as_curl()) == (
        404,
        None,
        (),
        None,
        None,
    )
    assert pickle.loads(pickle.dumps(error)).successor == error.successor


def test_nothing_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is near, the list is what remains."""
    monkeypatch.setattr(served, "known", lambda model: ModelInfo(model, lifecycle="retired"))

    with pytest.raises(ModelNotFoundError, match=r"zzzz is retired .*`client\.models\.list\(\)` shows what there is"):
        Client(api_key=KEY, project=PROJECT).chat.completions.create(model="zzzz", messages=MESSAGES)


async def test_gone_elsewhere(emulator: Emulator, client: Any) -> None:
    """Another server may have it: there it is asked for, and a 404 leads on as well."""
    with pytest.raises(ModelNotFoundError) as caught:
        await ask(client, model=GONE)

    assert emulator.requests[0].model == GONE
    assert (caught.value.successor, caught.value.request_id is None) == (NEXT, False)


async def test_sent_all_the_same(emulator: Emulator, service: Any) -> None:
    """The table can be out of date: a client or a call can do without that check."""
    client = service(check_model=False)
    for ready, params in ((client, {}), (service(), {"check_model": False}), (client, {"check_model": None})):
        with pytest.raises(ModelNotFoundError, match="The requested resource was not found"):
            await ask(ready, model=GONE, **params)
    with pytest.raises(ModelNotFoundError, match="nothing was sent"):
        await ask(client.with_options(check_model=True), model=GONE)
    with pytest.raises(ModelNotFoundError, match="nothing was sent"):
        await ask(client, model=GONE, check_model=True)

    assert [request.model for request in emulator.requests] == [GONE] * 3
    assert "check_model" not in emulator.requests[0].body


async def test_unknown_models_are_sent(emulator: Emulator, service: Any) -> None:
    """A model that the table does not know is the service's to judge, case included; its error names the nearest."""
    for model, near in (("openai/GPT-OSS-120B", "openai/gpt-oss-120b"), ("openai/gpt-oss-120", "openai/gpt-oss-120b")):
        with pytest.raises(ModelNotFoundError) as caught:
            await ask(service(), model=model)
        assert near in str(caught.value)
        assert near in caught.value.suggestions

    assert [request.model for request in emulator.requests] == ["openai/GPT-OSS-120B", "openai/gpt-oss-120"]


@pytest.mark.parametrize("model", ["Llama-3.1-8B-Instruct", "wandb/Llama-3.1-8B-Instruct", MODEL])
async def test_the_first_of_the_short_names(emulator: Emulator, service: Any, model: str) -> None:
    """The short name of a model that the service still has is sent as its id."""
    assert (await ask(service(), model=model)).text
    assert emulator.requests[0].model == MODEL


async def test_completion() -> None:
    """What LiteLLM's page has is told without any connection, key or not."""
    with pytest.raises(ModelNotFoundError, match=f"Use {NEXT}"):
        completion(model="wandb/Llama-3.1-70B-Instruct", messages=MESSAGES)
    with pytest.raises(ModelNotFoundError, match=MODEL):
        await acompletion(model="wandb/Mistral-7B-Instruct-v0.1", messages=MESSAGES)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (
            {"deprecated_on": "2026-11-01", "retired_on": "2026-12-01", "successor": NEXT},
            f"{MODEL} is deprecated since 2026-11-01, and to be retired on 2026-12-01 (table of 2026-10-07): "
            f"use {NEXT}.",
        ),
        ({}, f"{MODEL} is deprecated, and will be retired (table of 2026-10-07)."),
    ],
)
@pytest.mark.filterwarnings("always")
async def test_deprecated(
    service: Any, monkeypatch: pytest.MonkeyPatch, recwarn: Any, known: dict[str, str], says: str
) -> None:
    """A deprecated model answers, and is warned of once for a client and its clones, with the day."""
    info = MODELS[MODEL]._replace(lifecycle="deprecated", **known)
    monkeypatch.setattr(served, "known", lambda model: info)
    client = service()

    for ready in (client, client, client.with_options(timeout=5)):
        assert (await ask(ready)).text

    (warning,) = recwarn
    assert str(warning.message) == says
    assert warning.filename == __file__ or warning.filename.endswith("conftest.py")
    assert (await ask(service(check_model=False))).text
    assert len(recwarn) == 1


async def test_deprecated_elsewhere(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service is about to retire is no matter for another server."""
    monkeypatch.setattr(served, "known", lambda model: MODELS[MODEL]._replace(lifecycle="deprecated"))

    assert (await ask(client)).text


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"messages": LONG}, "the messages have at least 131,073 tokens"),
        ({"max_tokens": 131_073}, "max_tokens asks for 131,073 tokens"),
        ({"max_completion_tokens": 10**9}, "max_completion_tokens asks for 1,000,000,000 tokens"),
        ({"extra_body": {"max_tokens": 131_073}}, "max_tokens asks for 131,073 tokens"),
        ({"messages": LONG, "stream": True}, "at least 131,073 tokens"),
        ({"messages": LONG, "final_only": True}, "at least 131,073 tokens"),
        ({"max_tokens": 131_073, "tools": [{"type": "function", "function": {"name": "f"}}]}, "asks for 131,073"),
    ],
)
async def test_too_long(emulator: Emulator, client: Any, call: dict[str, Any], says: str) -> None:
    """A chat that can't fit is refused before it is sent, with the numbers."""
    with pytest.raises(InvalidRequestError) as caught:
        await ask(client, **call)

    assert emulator.requests == []
    assert says in str(caught.value)
    assert caught.value.errors[0].value["window"] == 131_072
    assert "check_context=False" in str(caught.value)


async def test_what_fits_is_sent(client: Any, emulator: Emulator) -> None:
    """A prompt of many bytes and few words is sent, and so are pictures and parts of text."""
    parts = [{"type": "text", "text": "word " * 100_000}, {"type": "text", "text": "x" * 200_000}]

    assert (await ask(client, messages=[{"role": "user", "content": parts}], max_tokens=5)).text
    assert len(emulator.requests) == 1


async def test_without_the_check(emulator: Emulator, make: Any) -> None:
    """A client or a call can do without it: then the server judges."""
    client = make(check_context=False)
    for ready, params in ((client, {}), (make(), {"check_context": False}), (client, {"check_context": None})):
        with pytest.raises(Exception, match="400"):
            await ask(ready, messages=LONG, max_tokens=5, **params)
    with pytest.raises(InvalidRequestError, match="can't fit"):
        await ask(client.with_options(check_context=True), messages=LONG)

    assert len(emulator.requests) == 3
    assert "check_context" not in emulator.requests[0].body


async def test_streams_of_events(client: Any, emulator: Emulator) -> None:
    """The check holds for every way to chat."""
    with pytest.raises(InvalidRequestError, match="can't fit"):
        [event async for event in each(await opened(client, messages=LONG))]
    with pytest.raises(InvalidRequestError, match="can't fit"):
        await done(client.chat.completions.run_tools(model=MODEL, messages=LONG, tools=[len_of]))

    assert emulator.requests == []


def len_of(text: str) -> int:
    """How long a text is."""
    return len(text)


async def opened(client: Any, **params: Any) -> Any:
    """A stream of events, entered."""
    stream = client.chat.completions.stream(model=MODEL, **params)
    return stream.__enter__() if hasattr(stream, "__enter__") else await stream.__aenter__()


class Number(BaseModel):
    """A number."""

    number: int


async def test_a_repair_that_does_not_fit(client: Any, emulator: Emulator) -> None:
    """An answer that was paid for is not lost where its repair can't be sent."""
    emulator.reply(Reply("no number " * 40_000))
    messages = [{"role": "user", "content": "word " * 70_000}]

    with pytest.raises(ParseError) as caught:
        await done(
            client.chat.completions.parse(
                model=MODEL, messages=messages, response_format=Number, max_repairs=1, max_tokens=60_000
            )
        )

    assert len(emulator.requests) == 1
    assert caught.value.completion.text.startswith("no number")
    assert "The repair failed: The request can't fit" in str(caught.value)
    assert isinstance(caught.value.__cause__, InvalidRequestError)


async def test_conversations(client: Any, emulator: Emulator) -> None:
    """A conversation leaves out old turns first; what is too long by itself is refused and leaves no trace."""
    chat = client.chat.conversation(model=MODEL, messages=[*LONG, {"role": "assistant", "content": "Long."}])
    assert (await done(chat.say("Hello"))).text
    assert len(emulator.requests[0].messages) == 1

    with pytest.raises(InvalidRequestError, match="can't fit"):
        await done(chat.say(LONG[0]["content"]))
    assert len(chat.messages) == 2
    assert len(emulator.requests) == 1


@pytest.mark.parametrize(("window", "sent"), [(1_000_000, 1), (131_072, 0), (None, 0)])
async def test_conversations_in_wider_windows(client: Any, emulator: Emulator, window: int | None, sent: int) -> None:
    """Who says that a model takes more here is believed."""
    emulator.reply("Fine.", times=None)
    chat = client.chat.conversation(model=MODEL, window=window)

    if sent:
        assert (await done(chat.say(LONG[0]["content"]))).text == "Fine."
    else:
        with pytest.raises(InvalidRequestError, match="can't fit"):
            await done(chat.say(LONG[0]["content"]))

    assert len(emulator.requests) == sent


@pytest.mark.parametrize("name", ["check_model", "check_context"])
@pytest.mark.parametrize("value", ["no", 0, 1, []])
async def test_wrong_switches(emulator: Emulator, make: Any, kind: Any, name: str, value: Any) -> None:
    """A switch is True or False, for a client and for a call."""
    with pytest.raises(ConfigurationError, match=f"{name} is"):
        kind(**{name: value})
    with pytest.raises(ConfigurationError, match=f"{name} is"):
        make().with_options(**{name: value})
    with pytest.raises(InvalidRequestError, match=f"{name} is .*, expected True or False"):
        await ask(make(), **{name: value})
    assert emulator.requests == []


def test_shown(kind: Any) -> None:
    """A client that checks less says so."""
    assert "check" not in repr(kind())
    assert repr(kind(check_model=False, check_context=False)).endswith(", check_model=False, check_context=False)")


def test_pickled() -> None:
    """A client that checks less does so where it is loaded."""
    client = pickle.loads(pickle.dumps(Client(project=PROJECT, check_model=False)))

    assert "check_model=False" in repr(client)
