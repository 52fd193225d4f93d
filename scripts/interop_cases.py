"""A table of calls, each made by both clients: what a server that is not W&B's made of them.

A case returns a note about what came, or raises `Differs` where the server does something else than W&B's. Anything but
these, an `AssertionError` above all, is a fault of the client.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from tiny_server import CONTEXT, END, KEY, MODEL, TOOL_CALL

from wandb_inference import (
    APIError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ModelNotFoundError,
    NotFoundError,
    UnprocessableEntityError,
)
from wandb_inference.types import ChatCompletion

QUESTION = [{"role": "user", "content": "What does the sea do?"}]
ARGUMENTS = {
    "type": "object",
    "properties": {"day": {"type": "integer"}, "place": {"enum": ["sea", "land"]}},
    "required": ["day", "place"],
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": ARGUMENTS}}

E = TypeVar("E", bound=APIStatusError)


class Differs(Exception):
    """The server does something else than W&B's."""


class Bench(NamedTuple):
    """One of the two clients, and its `completion()`."""

    client: Any
    completion: Any
    base_url: str


Case = Callable[[Bench], Awaitable[str]]


async def done(result: Any) -> Any:
    """The result of a call, awaited where it has to be."""
    return await result if inspect.isawaitable(result) else result


async def each(stream: Any) -> AsyncIterator[Any]:
    """The items of either kind of stream."""
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


async def ask(bench: Bench, **params: Any) -> Any:
    """An answer, by default the same one each time."""
    given = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 16, **params}
    return await done(bench.client.chat.completions.create(**given))


async def gather(stream: Any) -> list[Any]:
    """All chunks of a stream."""
    return [chunk async for chunk in each(stream)]


async def refused(call: Awaitable[Any], *expected: type[E]) -> E:
    """The error of a call that must not succeed."""
    try:
        result = await call
    except expected as error:
        return error
    except APIError as error:
        raise Differs(f"{type(error).__name__}: {error}") from error
    raise Differs(f"answered all the same: {str(result)[:60]}...")


async def models(bench: Bench) -> str:
    found = [model async for model in each(await done(bench.client.models.list()))]
    assert [model.id for model in found] == [MODEL]
    assert await done(bench.client.models.retrieve(MODEL)) == found[0]
    extra = sorted(found[0].model_extra or ())
    return f"{found[0].id}; fields beyond W&B's: {', '.join(extra)}"


async def answer(bench: Bench) -> str:
    got = await ask(bench)
    assert got.text
    assert got.choices[0].finish_reason == "length"
    assert got.usage.prompt_tokens + got.usage.completion_tokens == got.usage.total_tokens
    assert got.usage.cached_tokens is not None
    assert ChatCompletion.model_validate(got.model_dump()) == got
    if got.meta.request_id is None:
        raise Differs("no request id; else complete, with usage and cached tokens")
    return str(got.text)


async def stream(bench: Bench) -> str:
    whole = await ask(bench)
    streamed = await ask(bench, stream=True)
    chunks = await gather(streamed)
    assert all(chunk.choices for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == streamed.text == whole.text
    assert chunks[-1].choices[0].finish_reason == "length"
    assert streamed.usage.completion_tokens == 16
    return f"{len(chunks)} chunks, the text of the whole answer, usage without asking"


async def stream_usage(bench: Bench) -> str:
    chunks = await gather(await ask(bench, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 16
    return "usage in a last chunk without choices"


async def stream_left(bench: Bench) -> str:
    streamed = await ask(bench, stream=True, max_tokens=400)
    async for _ in each(streamed):
        break
    await done(streamed.close())
    assert streamed.text is not None
    assert (await ask(bench)).text
    return "the next call works"


async def sampled(bench: Bench) -> str:
    first, second, other = [(await ask(bench, temperature=1.5, seed=seed)).text for seed in (1, 1, 2)]
    if first != second:
        raise Differs("the same seed gives another text")
    assert first != other
    return "the same seed, the same text; another seed, another text"


async def several(bench: Bench) -> str:
    got = await ask(bench, n=2, temperature=1.5, seed=1)
    assert sorted(choice.index for choice in got.choices) == [0, 1]
    assert all(choice.message.content for choice in got.choices)
    chunks = await gather(await ask(bench, n=2, temperature=1.5, seed=1, stream=True))
    assert {chunk.choices[0].index for chunk in chunks} == {0, 1}
    return "two choices, streamed ones interleaved"


async def stop(bench: Bench) -> str:
    words = (await ask(bench)).text.split()
    got = await ask(bench, stop=[words[4]])
    assert words[4] not in got.text
    assert got.choices[0].finish_reason == "stop"
    return f"cut before {words[4]!r}"


async def limits(bench: Bench) -> str:
    for name in ("max_tokens", "max_completion_tokens"):
        got = await ask(bench, **{"max_tokens": None, name: 3})
        assert (got.usage.completion_tokens, got.choices[0].finish_reason) == (3, "length")
    return "max_tokens and max_completion_tokens"


async def logprobs(bench: Bench) -> str:
    got = await ask(bench, logprobs=True, top_logprobs=2, max_tokens=4)
    tokens = got.choices[0].logprobs.content
    assert len(tokens) == 4
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    chunks = await gather(await ask(bench, logprobs=True, top_logprobs=2, max_tokens=4, stream=True))
    streamed = [t for c in chunks if c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    assert [token.token for token in streamed] == [token.token for token in tokens]
    extra = sorted(tokens[0].model_extra or ())
    return f"one entry per token, streamed too; fields beyond W&B's: {', '.join(extra) or 'none'}"


async def tools(bench: Bench) -> str:
    params: dict[str, Any] = {
        "tools": [WEATHER],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "logit_bias": {str(TOOL_CALL): 60, str(END): 80},
        "max_tokens": 200,
    }
    got = await ask(bench, **params)
    (call,) = got.choices[0].message.tool_calls
    assert (call.function.name, set(json.loads(call.function.arguments))) == ("weather", {"day", "place"})
    assert got.choices[0].finish_reason == "tool_calls"
    reply = {"role": "tool", "tool_call_id": call.id, "content": "windy"}
    assert (await ask(bench, messages=[*QUESTION, got.choices[0].message, reply])).text
    chunks = await gather(await ask(bench, **params, stream=True))
    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or ()]
    assert set(json.loads("".join(delta.function.arguments or "" for delta in deltas))) == {"day", "place"}
    return f"a call, its answer given back, a call streamed in {len(deltas)} pieces"


async def formats(bench: Bench) -> str:
    loose = (await ask(bench, response_format={"type": "json_object"}, max_tokens=300)).text
    assert isinstance(json.loads(loose), dict)
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    form = {"type": "json_schema", "json_schema": {"name": "paint", "schema": schema}}
    strict = (await ask(bench, response_format=form, max_tokens=200)).text
    assert json.loads(strict)["colour"] in {"red", "blue"}
    return f"json_object: {loose}; json_schema: {strict}"


async def own_parameters(bench: Bench) -> str:
    got = await ask(
        bench,
        chat_template_kwargs={"enable_thinking": False},
        cache_salt="x",
        reasoning_effort="low",
        return_token_ids=True,
    )
    assert got.text
    if got.prompt_token_ids is None:
        raise Differs("chat_template_kwargs, cache_salt, reasoning_effort pass; return_token_ids is ignored")
    return "all known"


async def parts(bench: Bench) -> str:
    got = await ask(bench, messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION[0]["content"]}]}])
    assert got.text == (await ask(bench)).text
    return "content parts read as text"


async def picture(bench: Bench) -> str:
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    error = await refused(
        ask(bench, messages=[{"role": "user", "content": content}]), BadRequestError, UnprocessableEntityError
    )
    return str(error)


async def litellm_names(bench: Bench) -> str:
    got = await done(
        bench.completion(f"wandb/{MODEL}", QUESTION, api_base=bench.base_url, api_key=KEY, project="", max_tokens=4)
    )
    assert got.text
    return "model, api_base, api_key, project"


async def unknown_model(bench: Bench) -> str:
    return str(await refused(ask(bench, model="no/such-model"), ModelNotFoundError))


async def wrong_type(bench: Bench) -> str:
    return str(await refused(ask(bench, extra_body={"temperature": "hot"}), BadRequestError, UnprocessableEntityError))


async def too_long(bench: Bench) -> str:
    error = await refused(ask(bench, messages=[{"role": "user", "content": "sea " * CONTEXT}]), BadRequestError)
    return f"{error} [code {error.code}, type {error.type}]"


async def wrong_key(bench: Bench) -> str:
    other = bench._replace(client=bench.client.with_options(api_key="another-key"))
    error = await refused(ask(other), AuthenticationError)
    assert "another-key" not in str(error)
    return str(error)


def elsewhere(path: str) -> Case:
    async def case(bench: Bench) -> str:
        base_url = bench.base_url.replace("/v1", path)
        other = bench._replace(client=bench.client.with_options(base_url=base_url))
        return str(await refused(ask(other), NotFoundError))

    return case


CASES: dict[str, Case] = {
    "models": models,
    "answer": answer,
    "stream": stream,
    "usage in the stream": stream_usage,
    "leave a stream": stream_left,
    "seed, temperature": sampled,
    "n=2": several,
    "stop": stop,
    "max tokens": limits,
    "logprobs": logprobs,
    "tools": tools,
    "response_format": formats,
    "W&B's own parameters": own_parameters,
    "content parts": parts,
    "picture for a text model": picture,
    "completion()": litellm_names,
    "unknown model": unknown_model,
    "parameter of a wrong type": wrong_type,
    "prompt too long": too_long,
    "wrong key": wrong_key,
    "wrong path": elsewhere("/v7"),
    "base URL without /v1": elsewhere(""),
}
