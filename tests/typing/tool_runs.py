"""What type checkers must infer of tools and runs with them. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from typing_extensions import assert_type

from wandb_inference import (
    APIError,
    AsyncClient,
    AsyncToolStream,
    Client,
    Tool,
    ToolRoundsExceededError,
    ToolStream,
    tool,
)
from wandb_inference.types import (
    ChatCompletion,
    CompletionUsage,
    ToolCall,
    ToolCompletion,
    ToolRequest,
    ToolStep,
)

client = Client()
async_client = AsyncClient()
messages = [{"role": "user", "content": "Hello"}]


@tool
def get_weather(city: str, days: int = 1) -> str:
    return city


@tool(name="later", strict=True)
async def get_later(city: str) -> int:
    return 1


def plain(city: str) -> str:
    return city


assert_type(get_weather("Oslo", days=2), str)
assert_type(get_weather.name, str)
assert_type(get_weather.parse("{}"), dict[str, Any])
later: Coroutine[Any, Any, int] = get_later("Oslo")
get_weather(7)  # type: ignore[arg-type]
tool(7)  # type: ignore[call-overload]
made: Tool[..., str] = tool(plain)

answer = client.chat.completions.run_tools(model="m", messages=messages, tools=[plain, get_weather], temperature=0)
assert_type(answer, ToolCompletion)
assert_type(answer.steps, tuple[ToolStep, ...])
assert_type(answer.rounds, tuple[ChatCompletion, ...])
assert_type(answer.pending, tuple[ToolCall, ...])
assert_type(answer.messages, list[dict[str, Any]])
assert_type(answer.usage, CompletionUsage | None)
whole: ChatCompletion = answer
mapping = {"type": "function", "function": {"name": "f"}}
client.chat.completions.run_tools(model="m", messages=answer.messages, tools=[mapping, plain, get_weather])
client.chat.completions.create(model="m", messages=messages, tools=[mapping, get_weather], tool_choice="auto")


def approve(request: ToolRequest) -> bool | str:
    return request.name != "delete"


async def approve_later(request: ToolRequest) -> bool:
    return True


def on_step(step: ToolStep) -> None:
    assert_type(step.error, str | None)
    assert_type(step.arguments, dict[str, Any] | None)


with client.chat.completions.run_tools(
    model="m", messages=messages, tools=[plain], stream=True, approve=approve, on_step=on_step, on_error="raise"
) as stream:
    assert_type(stream, ToolStream)
    for event in stream:
        if event.type == "content.delta":
            assert_type(event.delta, str)
        elif event.type == "tool.result":
            assert_type(event.step, ToolStep)
    assert_type(stream.get_final_completion(), ToolCompletion)
    assert_type(list(stream.text_stream), list[str])


def by_flag(flag: bool) -> None:
    either = client.chat.completions.run_tools(model="m", messages=messages, tools=[plain], stream=flag)
    assert_type(either, ToolCompletion | ToolStream)


async def main() -> None:
    answer = await async_client.chat.completions.run_tools(
        model="m", messages=messages, tools=[plain, get_later], approve=approve_later
    )
    assert_type(answer, ToolCompletion)
    async with async_client.chat.completions.run_tools(
        model="m", messages=messages, tools=[get_later], stream=True
    ) as stream:
        assert_type(stream, AsyncToolStream)
        async for event in stream:
            if event.type == "tool.result":
                assert_type(event.step, ToolStep)
        assert_type(await stream.get_final_completion(), ToolCompletion)


client.chat.completions.run_tools(model="m", messages=messages)  # type: ignore[call-overload]
client.chat.completions.run_tools(model="m", messages=messages, tools=[plain], max_rounds="3")  # type: ignore[call-overload]
client.chat.completions.run_tools(model="m", messages=messages, tools=[plain], on_error="ask")  # type: ignore[call-overload]
client.chat.completions.run_tools(model="m", messages=messages, tools=[plain], approve=approve_later)  # type: ignore[arg-type]

try:
    pass
except ToolRoundsExceededError as error:
    assert_type(error.usage, CompletionUsage | None)
except APIError as error:
    assert_type(error.tool_run, ToolCompletion | None)
