"""What type checkers must accept, infer and refuse. Checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any, Literal

import httpx
from PIL import Image
from pydantic import BaseModel
from typing_extensions import assert_type

from wandb_inference import (
    APIError,
    AsyncChatStream,
    AsyncClient,
    AsyncConversation,
    AsyncStream,
    ChatStream,
    Client,
    Conversation,
    Network,
    RateLimitError,
    Stream,
    acompletion,
    completion,
    image,
    lora,
)
from wandb_inference.exceptions import AttemptRecord, InvalidRequestError, RequestProblem
from wandb_inference.types import (
    AttemptEvent,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatEvent,
    ChoiceLogprobs,
    CompletionUsage,
    Concurrency,
    DoneEvent,
    ImagePartParam,
    Message,
    MessageParam,
    Meta,
    Model,
    ParsedChatCompletion,
    RateLimit,
    SendEvent,
    SystemMessage,
    ToolCall,
    UserMessage,
)

client = Client(api_key="...", project="team/project", timeout=(5, 60), http_client=httpx.Client())
async_client = AsyncClient(api_key="...", project="team/project", http_client=httpx.AsyncClient())

network = Network(verify="ca.pem", cert=("a.pem", "a.key"), proxy="http://p:1", http2=True, keepalive_expiry=None)
Client(network=network)
AsyncClient(network=Network(verify=Path("ca.pem"), uds=Path("/a"), http_parser="h11"))
Network(verify=3)  # type: ignore[arg-type]
Network(http_parser="fast")  # type: ignore[arg-type]
Network(False)  # type: ignore[call-arg]

# --- Messages: a variable of any of these types will do -------------------------------------------------------------

role: Literal["user", "assistant"] = "user"
dicts = [{"role": role, "content": "Hello"}]
texts: list[dict[str, str]] = [{"role": "user", "content": "Hello"}]
anything: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
models: list[Message] = [SystemMessage(content="Be short."), UserMessage(content="Hello")]
mixed: list[MessageParam] = [SystemMessage(content="Be short."), {"role": "user", "content": "Hello"}]

answer = client.chat.completions.create(model="m", messages=texts)
assert_type(answer, ChatCompletion)
assert_type(answer.choices[0].message, ChatCompletionMessage)
assert_type(answer.text, str)
assert_type(answer.reasoning, str | None)
assert_type(answer.usage, CompletionUsage | None)
assert_type(answer.meta, Meta | None)
if answer.meta is not None:
    assert_type(answer.meta.route, Literal["direct", "proxy", "httpx", "http_client"])
client.chat.completions.create(model="m", messages=dicts)
client.chat.completions.create(model="m", messages=anything)
client.chat.completions.create(model="m", messages=models)
client.chat.completions.create(model="m", messages=mixed)
client.chat.completions.create(model="m", messages=(message for message in mixed))
client.chat.completions.create(model="m", messages=[*mixed, answer.choices[0].message, UserMessage(content="And?")])

# --- Streams: `stream` decides the type ------------------------------------------------------------------------------

stream = client.chat.completions.create(model="m", messages=texts, stream=True)
assert_type(stream, Stream[ChatCompletionChunk])
for chunk in stream:
    assert_type(chunk, ChatCompletionChunk)
    assert_type(chunk.choices[0].delta.content, str | None)
with stream as entered:
    assert_type(entered, Stream[ChatCompletionChunk])

assert_type(client.chat.completions.create(model="m", messages=texts, stream=False), ChatCompletion)


def by_flag(flag: bool) -> None:
    either = client.chat.completions.create(model="m", messages=texts, stream=flag)
    assert_type(either, ChatCompletion | Stream[ChatCompletionChunk])


# --- Events: `type` narrows ------------------------------------------------------------------------------------------

assert_type(client.chat.completions.create(model="m", messages=texts, final_only=True), ChatCompletion)
client.chat.completions.create(model="m", messages=texts, stream=True, final_only=True)  # type: ignore[call-overload]
assert_type(completion("m", texts, final_only=True), ChatCompletion)

with client.chat.completions.stream(model="m", messages=texts, temperature=0.7) as happening:
    assert_type(happening, ChatStream[None])
    for event in happening:
        assert_type(event.index, int)
        assert_type(event.chunk, ChatCompletionChunk)
        if event.type == "content.delta" or event.type == "reasoning.delta" or event.type == "refusal.delta":
            assert_type(event.delta, str)
        elif event.type == "content.done":
            assert_type(event.text, str)
            assert_type(event.parsed, None)
        elif event.type == "tool_call.delta":
            assert_type((event.delta, event.id, event.name, event.call_index), tuple[str, str, str, int])
        elif event.type == "tool_call.done":
            assert_type(event.tool_call, ToolCall)
        elif event.type == "logprobs":
            assert_type(event.logprobs, ChoiceLogprobs)
        elif event.type == "usage":
            assert_type(event.usage, CompletionUsage)
        elif event.type == "finish":
            reason: str = event.finish_reason
        else:
            assert_type(event.text, str)
    for text in happening.text_stream:
        assert_type(text, str)
    assert_type(happening.until_done(), ChatStream[None])
    assert_type(happening.get_final_completion(), ChatCompletion)
    assert_type(happening.snapshot, ChatCompletion)
client.chat.completions.stream(model="m", messages=texts, stream=True)  # type: ignore[call-overload]


def shown(event: ChatEvent) -> str:
    return event.type


async def main() -> None:
    assert_type(await async_client.chat.completions.create(model="m", messages=texts), ChatCompletion)
    pieces = await async_client.chat.completions.create(model="m", messages=texts, stream=True)
    assert_type(pieces, AsyncStream[ChatCompletionChunk])
    async for piece in pieces:
        assert_type(piece, ChatCompletionChunk)
    task = asyncio.create_task(async_client.chat.completions.create(model="m", messages=texts))
    assert_type(await task, ChatCompletion)
    assert_type(await acompletion("m", texts), ChatCompletion)
    assert_type(await acompletion("m", texts, final_only=True), ChatCompletion)
    async with async_client.chat.completions.stream(model="m", messages=texts) as happening:
        assert_type(happening, AsyncChatStream[None])
        async for event in happening:
            shown(event)
            if event.type == "content.delta":
                assert_type(event.delta, str)
        async for text in happening.text_stream:
            assert_type(text, str)
        assert_type(await happening.until_done(), AsyncChatStream[None])
        assert_type(await happening.get_final_completion(), ChatCompletion)
    assert_type(await acompletion("m", texts, stream=True), AsyncStream[ChatCompletionChunk])
    assert_type([model.id for model in await async_client.models.list()], list[str])
    async with async_client as entered:
        assert_type(entered, AsyncClient)


# --- Conversations ---------------------------------------------------------------------------------------------------

chat = client.chat.conversation(model="m", system="Be short.", messages=mixed, window=8_000, temperature=0.5)
assert_type(chat, Conversation)
assert_type(chat.say("Hello"), ChatCompletion)
assert_type(chat.say("Hello", stream=True, max_tokens=5), Stream[ChatCompletionChunk])
chat.say(["Look:", {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])
chat.say([{"role": "tool", "tool_call_id": "a", "content": "1"}])
chat.say(UserMessage(content="Hello"))
chat.say()
assert_type(chat.say("Hello", final_only=True), ChatCompletion)
chat.say("Hello", final_only="yes")  # type: ignore[call-overload]
chat.say(5)  # type: ignore[call-overload]
chat.say("Hello", temprature=0.7)  # type: ignore[call-overload]
assert_type(chat.fork(), Conversation)
assert_type(chat.trim(max_tokens=100), list[Any])
assert_type(chat.last, ChatCompletion | None)
chat.messages.append(answer.choices[0].message)
chat.messages[0]["content"] = "Be long."
chat.save(Path("a.json"))
assert_type(client.chat.load_conversation("a.json", seed=1), Conversation)
assert_type(client.chat.load_conversation("a.json", final_only=True), Conversation)
assert_type(client.chat.conversation(model="m", final_only=True), Conversation)
client.chat.conversation(system="Be short.")  # type: ignore[call-arg]


async def talk(flag: bool) -> None:
    chat = async_client.chat.conversation(model="m")
    assert_type(chat, AsyncConversation)
    assert_type(await chat.say("Hello"), ChatCompletion)
    assert_type(await chat.say("Hello", final_only=True), ChatCompletion)
    assert_type(await chat.say("Hello", stream=True), AsyncStream[ChatCompletionChunk])
    assert_type(await chat.say("Hello", stream=flag), ChatCompletion | AsyncStream[ChatCompletionChunk])
    assert_type(chat.fork(), AsyncConversation)
    assert_type(async_client.chat.load_conversation(Path("a.json")), AsyncConversation)


# --- Parameters ------------------------------------------------------------------------------------------------------

client.chat.completions.create(
    model="m",
    messages=texts,
    temperature=0.7,
    max_tokens=None,
    stop=("\n",),
    tools=[{"type": "function", "function": {"name": "f"}}],
    response_format={"type": "json_object"},
    chat_template_kwargs={"enable_thinking": False},
    reasoning_effort="low",
    thinking=False,
    keep_reasoning=None,
    extra_body={"top_k": 20},
    extra_headers={"X-Trace": "1"},
    timeout=3,
    deadline=None,
    max_retries=0,
    project="team/other",
)
client.chat.completions.create(model="m", messages=texts, temperature="hot")  # type: ignore[call-overload]
client.chat.completions.create(model="m", messages=texts, temprature=0.7)  # type: ignore[call-overload]
client.chat.completions.create(model="m", messages=[1])  # type: ignore[list-item]
client.chat.completions.create(model="m")  # type: ignore[call-overload]
Client(api_base="https://example.com/v1")  # type: ignore[arg-type]
Client(http_client=httpx.AsyncClient())  # type: ignore[arg-type]

# --- Thinking, pictures, adapters -------------------------------------------------------------------------------------

client.chat.completions.create(model="m", messages=texts, thinking={"type": "enabled"})  # type: ignore[call-overload]
client.chat.completions.create(model="m", messages=texts, keep_reasoning="no")  # type: ignore[call-overload]
completion("m", texts, thinking=True)
picture = image("https://example.com/cat.jpg", detail="low", longest_edge=None)
assert_type(picture, ImagePartParam)
assert_type(picture["image_url"]["url"], str)
for source in (
    Path("cat.png"),
    b"",
    bytearray(),
    memoryview(b""),
    io.BytesIO(),
    Image.new("L", (1, 1)),
):
    image(source)
with Path("x").open("rb") as binary, Path("x").open() as lines:
    image(binary)
    image(lines)  # type: ignore[arg-type]
image(7)  # type: ignore[arg-type]
image(b"", detail="fine")  # type: ignore[arg-type]
looking = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]
client.chat.completions.create(model="m", messages=looking)
client.chat.completions.create(model="m", messages=[UserMessage.model_validate({"content": [picture]})])
client.chat.completions.create(model="m", messages=[{"role": "user", "content": [picture]}, *texts])
assert_type(lora("team/project/name:v3"), str)
lora(3)  # type: ignore[arg-type]

# --- completion(), with LiteLLM's names ------------------------------------------------------------------------------

assert_type(completion("wandb/m", texts, api_key="...", project="team/project"), ChatCompletion)
assert_type(completion(model="wandb/m", messages=texts, api_base="...", stream=True), Stream[ChatCompletionChunk])

# --- The rest --------------------------------------------------------------------------------------------------------

assert_type(list(client.models.list()), list[Model])
assert_type(client.models.retrieve("m"), Model)
assert_type(client.with_options(timeout=3, project="team/other"), Client)
assert_type(client.with_options(adaptive_concurrency=True).concurrency, dict[str, Concurrency])
assert_type(client.base_url, str)
assert_type(client.project, str | None)
assert_type(client.models.list().meta, Meta | None)
with client as same:
    assert_type(same, Client)

try:
    pass
except RateLimitError as error:
    assert_type(error.retry_after, float | None)
    assert_type(error.attempts, tuple[AttemptRecord, ...])
except InvalidRequestError as error:
    assert_type(error.errors, tuple[RequestProblem, ...])
except APIError as error:
    assert_type(error.partial, ChatCompletion | None)
    assert_type(error.as_curl(), str | None)
    if error.meta is not None:
        assert_type(error.meta.status, int | None)
        assert_type(error.meta.rate_limit, RateLimit | None)
    assert_type(error.text, str | None)


def before_send(event: SendEvent) -> None:
    assert_type(event.body, bytes | None)


async def on_attempt(event: AttemptEvent) -> None:
    assert_type(event.record, AttemptRecord)


def on_done(event: DoneEvent) -> None:
    assert_type(event.usage, CompletionUsage | None)


client.with_options(before_send=before_send, on_attempt=None, on_done=on_done)
AsyncClient(before_send=before_send, on_attempt=on_attempt, on_done=None)
Client(on_done=before_send)  # type: ignore[arg-type]


class Point(BaseModel):
    x: int


with client.chat.completions.stream(model="m", messages=texts, response_format=Point) as typed:
    assert_type(typed, ChatStream[Point])
    for told in typed:
        if told.type == "content.done":
            assert_type(told.parsed, Point | None)
        shown(told)
    assert_type(typed.get_final_completion(), ParsedChatCompletion[Point])
    assert_type(typed.get_final_completion().parsed, Point)
