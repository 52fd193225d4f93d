"""Mistakes that new users make, and what they are told: before anything is sent, where that is possible."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

import wandb_inference
from wandb_inference import (
    APIConnectionError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    UnprocessableEntityError,
    completion,
)
from wandb_inference.testing import Emulator

KEY = "0123456789abcdef0123456789abcdef01234567"
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One emulator for all mistakes, which knows its key and its project."""
    with Emulator(api_key=KEY, project="team/project") as emulator:
        yield emulator


class Mistake(NamedTuple):
    """One wrong thing, and what the message must say."""

    name: str
    says: tuple[str, ...]
    error: type[Exception]
    settings: dict[str, Any] = {}
    call: dict[str, Any] = {}
    requests: int = 0


def tool_call(arguments: object) -> list[dict[str, Any]]:
    """A history with a tool call."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}]


MISTAKES = [
    Mistake(
        "no key", ("no API key", "api_key=", "WANDB_API_KEY", "wandb login"), ConfigurationError, {"api_key": None}
    ),
    Mistake("an empty key", ("api_key is empty",), ConfigurationError, {"api_key": ""}),
    Mistake(
        "a wrong key",
        ("401", "argument", "wandb.ai/settings", "team/project"),
        AuthenticationError,
        {"api_key": "f" * 40},
        requests=1,
    ),
    Mistake("a key with a line break", ("line break",), ConfigurationError, {"api_key": f"{KEY[:20]}\n{KEY[20:]}"}),
    Mistake("Bearer and key", ("Bearer", "key alone"), ConfigurationError, {"api_key": f"Bearer {KEY}"}),
    Mistake("a key that is no text", ("bytes", "string"), ConfigurationError, {"api_key": KEY.encode()}),
    Mistake("no project", ("no project", "WANDB_PROJECT", "team/project"), ConfigurationError, {"project": None}),
    Mistake("a project without its team", ("names no team", "team/chat"), ConfigurationError, {"project": "chat"}),
    Mistake(
        "a project that does not exist", ("401", "team/typo"), AuthenticationError, {"project": "team/typo"}, {}, 1
    ),
    Mistake(
        "a project's page as project",
        ("team/project",),
        ConfigurationError,
        {"project": "https://wandb.ai/team/project"},
    ),
    Mistake(
        "the website as base URL",
        ("wandb.ai", "https://api.inference.wandb.ai/v1"),
        ConfigurationError,
        {"base_url": "https://wandb.ai"},
    ),
    Mistake(
        "W&B's other API as base URL",
        ("api.wandb.ai", "https://api.inference.wandb.ai/v1"),
        ConfigurationError,
        {"base_url": "https://api.wandb.ai/api/v1"},
    ),
    Mistake("a base URL without scheme", ("https://",), ConfigurationError, {"base_url": "api.inference.wandb.ai/v1"}),
    Mistake(
        "an endpoint as base URL",
        ("/chat/completions", "https://api.inference.wandb.ai/v1"),
        ConfigurationError,
        {"base_url": "https://api.inference.wandb.ai/v1/chat/completions"},
    ),
    Mistake("a base URL without /v1", ("404", "/v1"), NotFoundError, {"base_url": "without /v1"}, requests=1),
    Mistake(
        "a server that does not run",
        ("127.0.0.1:9", "refused", "base URL"),
        APIConnectionError,
        {"base_url": "http://127.0.0.1:9/v1", "max_retries": 0},
    ),
    Mistake(
        "a host that does not exist",
        ("nowhere.invalid", "resolved"),
        APIConnectionError,
        {"base_url": "http://nowhere.invalid/v1", "max_retries": 0},
    ),
    Mistake("LiteLLM's name for the base URL", ("api_base", "base_url"), TypeError, {"api_base": "http://x/v1"}),
    Mistake("LiteLLM's name for the retries", ("num_retries", "max_retries"), TypeError, {"num_retries": 3}),
    Mistake("a timeout of zero", ("timeout is 0", "None"), ConfigurationError, {"timeout": 0}),
    Mistake(
        "the other world's HTTP client",
        ("http_client",),
        ConfigurationError,
        {"http_client": "other"},
    ),
    Mistake(
        "a misspelt model",
        ("404", "Did you mean meta-llama/Llama-3.1-8B-Instruct"),
        ModelNotFoundError,
        call={"model": "meta-llama/Lama-3.1-8B-Instruct"},
        requests=1,
    ),
    Mistake(
        "a model in the wrong case",
        ("404", "Write meta-llama/Llama-3.1-8B-Instruct", "case"),
        ModelNotFoundError,
        call={"model": MODEL.lower()},
        requests=1,
    ),
    Mistake(
        "a retired model",
        ("404", "retired", "meta-llama/Llama-3.3-70B-Instruct"),
        ModelNotFoundError,
        call={"model": "meta-llama/Llama-3.1-70B-Instruct"},
        requests=1,
    ),
    Mistake(
        "a model without its provider",
        ("404", "Did you mean openai/gpt-oss-20b"),
        ModelNotFoundError,
        call={"model": "gpt-oss-20b"},
        requests=1,
    ),
    Mistake("no model", ("model is empty",), InvalidRequestError, call={"model": ""}),
    Mistake(
        "two slashes in a LoRA",
        ("wandb-artifact:///team/project/name:version",),
        InvalidRequestError,
        call={"model": "wandb-artifact://team/project/name:v1"},
    ),
    Mistake(
        "messages as text",
        ("messages is 'Hello'", "a list of messages", '[{"role": "user", "content": "..."}]'),
        InvalidRequestError,
        call={"messages": "Hello"},
    ),
    Mistake("one message without a list", ("a list of messages",), InvalidRequestError, call={"messages": MESSAGES[0]}),
    Mistake("no messages", ("messages is []", "at least one"), InvalidRequestError, call={"messages": []}),
    Mistake(
        "a wrong role",
        ("messages[0].role is 'human'", "user"),
        InvalidRequestError,
        call={"messages": [{"role": "human", "content": "Hello"}]},
    ),
    Mistake(
        "a number as content",
        ("messages[0].content is 5", "text"),
        InvalidRequestError,
        call={"messages": [{"role": "user", "content": 5}]},
    ),
    Mistake(
        "a message without content",
        ("messages[0].content is missing",),
        InvalidRequestError,
        call={"messages": [{"role": "user", "text": "Hello"}]},
    ),
    Mistake(
        "tool arguments that are no text",
        ("messages[0].tool_calls[0].function.arguments is {'a': 1}", "json.dumps"),
        InvalidRequestError,
        call={"messages": tool_call({"a": 1})},
    ),
    Mistake("a hot temperature", ("temperature is 'hot'", "number"), InvalidRequestError, call={"temperature": "hot"}),
    Mistake("no tokens", ("max_tokens is 0", "at least 1"), InvalidRequestError, call={"max_tokens": 0}),
    Mistake("stream as text", ("stream is 'yes'", "True or False"), InvalidRequestError, call={"stream": "yes"}),
    Mistake("a misspelt keyword", ("'temprature'", "'temperature'"), TypeError, call={"temprature": 0.5}),
    Mistake("a keyword of vLLM", ("'top_k'", "extra_body"), TypeError, call={"top_k": 5}),
    Mistake(
        "a model class as response format",
        ("response_format", "a mapping"),
        InvalidRequestError,
        call={"response_format": dict},
    ),
    Mistake(
        "a header with a line break",
        ("extra_headers['X-Name']", "one line"),
        InvalidRequestError,
        call={"extra_headers": {"X-Name": "a\r\nX-Evil: b"}},
    ),
    Mistake("a set of objects", ("object", "JSON"), InvalidRequestError, call={"metadata": {"a": object()}}),
    Mistake(
        "a parameter the model does not take",
        ("422", "leave out"),
        UnprocessableEntityError,
        call={"extra_body": {"logprobs": "yes"}},
        requests=1,
    ),
]


@pytest.mark.parametrize("kind", [Client, AsyncClient], ids=["sync", "async"])
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake(mistake: Mistake, kind: type[Client] | type[AsyncClient], emulator: Emulator) -> None:
    """Each ends in a message that tells what to do, and nothing is sent in vain."""
    before = len(emulator.requests)
    settings = {"api_key": KEY, "project": "team/project", "base_url": emulator.base_url, **mistake.settings}
    if settings["base_url"] == "without /v1":
        settings["base_url"] = emulator.base_url.removesuffix("/v1")
    if settings.get("http_client") == "other":
        settings["http_client"] = httpx.AsyncClient() if kind is Client else httpx.Client()
    call = {"model": MODEL, "messages": MESSAGES, **mistake.call}

    with pytest.raises(mistake.error) as caught:
        if kind is Client:
            with Client(**settings) as client:
                client.chat.completions.create(**call)
        else:
            asyncio.run(ask(settings, call))

    assert [words for words in mistake.says if words not in str(caught.value)] == []
    assert len(emulator.requests) - before == mistake.requests
    assert KEY not in str(caught.value)


async def ask(settings: dict[str, Any], call: dict[str, Any]) -> None:
    """One call of an async client."""
    async with AsyncClient(**settings) as client:
        await client.chat.completions.create(**call)


def test_there_are_thirty() -> None:
    """The table holds at least thirty mistakes, each once."""
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 30


def test_closed_client(emulator: Emulator) -> None:
    """A closed client says that it is."""
    client = Client(api_key=KEY, project="team/project", base_url=emulator.base_url)
    client.close()

    with pytest.raises(ConfigurationError, match=r"closed.*Make a new one"):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_forgotten_await(emulator: Emulator) -> None:
    """An async call used without `await` says that it needs one."""
    async with AsyncClient(api_key=KEY, project="team/project", base_url=emulator.base_url) as client:
        answer: Any = client.chat.completions.create(model=MODEL, messages=MESSAGES)
        with pytest.raises(AttributeError, match=r"needs `await`"):
            _ = answer.choices
        with pytest.raises(TypeError, match="'NotAwaited' object is not iterable"):
            for _ in answer:
                pass
        answer.close()


def test_wrong_kind_of_with() -> None:
    """`async with Client()` and `with AsyncClient()` name the class that fits."""
    with pytest.raises(TypeError, match="needs Client"), AsyncClient():  # type: ignore[attr-defined]
        pass

    async def enter() -> None:
        async with Client():
            pass

    with pytest.raises(TypeError, match="needs AsyncClient"):
        asyncio.run(enter())


def test_base_url_in_completion() -> None:
    """`completion()` has LiteLLM's name for the base URL, and says so."""
    unknown: Any = {"base_url": "http://x/v1"}
    with pytest.raises(TypeError, match="'base_url'; did you mean 'api_base'"):
        completion(MODEL, MESSAGES, **unknown)


def test_misspelt_name() -> None:
    """A name that the package does not have is an error, not a silent `None`."""
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = wandb_inference.Klient  # type: ignore[attr-defined]
