"""Runs with tools, blocking and async: the loop of calls and answers on the emulator."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

import anyio
import pytest
from conftest import MESSAGES, MODEL, ask, done
from pydantic import AfterValidator, BaseModel

from wandb_inference import (
    APITimeoutError,
    BadRequestError,
    Client,
    ToolRoundsExceededError,
    tool,
)
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import ToolRequest, ToolStep

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


class Forecast(BaseModel):
    city: str
    celsius: int


def get_weather(city: str) -> Forecast:
    """Says the weather.

    Args:
        city: The city's name.
    """
    return Forecast(city=city, celsius=3)


def fail(city: str) -> str:
    """Fails."""
    raise LookupError(f"no weather in {city}")


async def run(client: Any, *tools: Any, **options: Any) -> Any:
    """A run of either kind of client."""
    given = {"model": MODEL, "messages": MESSAGES, "tools": tools, **options}
    return await done(client.chat.completions.run_tools(**given))


def called(emulator: Emulator, *calls: tuple[str, Any], text: str | None = "Cold.") -> None:
    """Scripts an answer that calls, and the answer to that."""
    emulator.reply(tool_calls=calls)
    if text is not None:
        emulator.reply(text)


def waits_in(client: Any, function: Callable[..., Any]) -> Any:
    """The function, async for the async client."""
    if isinstance(client, Client):
        return function

    @functools.wraps(function)
    async def waiting(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return waiting


async def test_a_call(client: Any, emulator: Emulator) -> None:
    """The model calls, the function answers, and the model answers."""
    called(emulator, ("get_weather", {"city": "Oslo"}), text="It is 3 degrees.")

    answer = await run(client, get_weather)

    assert answer.text == "It is 3 degrees."
    assert [(step.name, step.arguments, step.result) for step in answer.steps] == [
        ("get_weather", {"city": "Oslo"}, Forecast(city="Oslo", celsius=3))
    ]
    assert answer.usage.total_tokens == sum(completion.usage.total_tokens for completion in answer.rounds)
    assert answer.meta.request_id == answer.rounds[1].meta.request_id
    first, second = emulator.requests
    assert first.body["tools"] == [tool(get_weather).as_param()]
    assert second.messages[-1]["content"] == '{"city":"Oslo","celsius":3}'
    assert second.messages[-1]["tool_call_id"] == second.messages[-2]["tool_calls"][0]["id"]
    assert answer.messages == [*second.messages, {"role": "assistant", "content": "It is 3 degrees."}]


async def test_unscripted(client: Any) -> None:
    """The emulator calls what the user mentions, with arguments that fit, and repeats what it is told."""
    messages = [{"role": "user", "content": "What does get_weather say?"}]

    answer = await run(client, get_weather, messages=messages)

    assert answer.text.startswith('The tool says {"city":"')


async def test_going_on(client: Any, emulator: Emulator) -> None:
    """The history of a run can be gone on with."""
    called(emulator, ("get_weather", {"city": "Oslo"}))
    answer = await run(client, get_weather)

    await ask(client, messages=[*answer.messages, {"role": "user", "content": "And now?"}], tools=[tool(get_weather)])

    assert [message["role"] for message in emulator.requests[-1].messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


async def test_parallel_calls(client: Any, emulator: Emulator) -> None:
    """Calls of one answer run at the same time; results are told in order, steps as they come."""
    met = threading.Barrier(2, timeout=5)
    seen: list[str] = []

    def meet(name: str, seconds: float) -> str:
        met.wait()
        time.sleep(seconds)
        return name

    called(emulator, ("meet", {"name": "a", "seconds": 0.05}), ("meet", {"name": "b", "seconds": 0}))

    answer = await run(client, meet, on_step=lambda step: seen.append(step.result))

    assert seen == ["b", "a"]
    assert [step.result for step in answer.steps] == ["a", "b"]
    assert [message["content"] for message in emulator.requests[1].messages[-2:]] == ["a", "b"]
    assert 0.05 <= answer.steps[0].seconds < 5


async def test_one_after_another(client: Any, emulator: Emulator) -> None:
    """With `parallel=False` they run in order, those of the blocking client in the caller's thread."""
    seen: list[Any] = []

    def note(name: str) -> None:
        seen.append((name, threading.current_thread() is threading.main_thread()))

    called(emulator, ("note", {"name": "a"}), ("note", {"name": "b"}))
    await run(client, note, parallel=False)
    called(emulator, ("note", {"name": "c"}))
    await run(client, note)

    here = isinstance(client, Client)
    assert seen == [("a", here), ("b", here), ("c", here)]


async def test_context(client: Any, emulator: Emulator) -> None:
    """Functions see the caller's context variables, in threads too, and keep what they set to themselves."""
    NAME.set("Ada")

    def whoami(city: str) -> str:
        was = NAME.get()
        NAME.set("Bob")
        return was

    called(emulator, ("whoami", {"city": "a"}), ("whoami", {"city": "b"}))
    answer = await run(client, whoami)

    assert [step.result for step in answer.steps] == ["Ada", "Ada"]
    assert NAME.get() == "Ada"


async def test_async_functions(client: Any, emulator: Emulator) -> None:
    """The async client awaits what is async, behind a plain function too; the blocking one tells what it can't."""

    async def later(city: str) -> str:
        await asyncio.sleep(0)
        return f"{city} later"

    def promise(city: str) -> Any:
        return later(city)

    called(emulator, ("promise", {"city": "Oslo"}))
    answer = await run(client, promise)

    if isinstance(client, Client):
        assert "the tool 'promise' returned something to be awaited" in answer.steps[0].error
    else:
        called(emulator, ("later", {"city": "Oslo"}), ("promise", {"city": "Rome"}))
        both = await run(client, later, promise)
        assert [step.result for step in (*answer.steps, *both.steps)] == ["Oslo later", "Oslo later", "Rome later"]


async def test_methods(client: Any, emulator: Emulator) -> None:
    """Methods of an object are functions like others, made tools or not."""

    class Station:
        def __init__(self, celsius: int) -> None:
            self.celsius = celsius

        def plain(self, city: str) -> str:
            return f"{city} {self.celsius}"

        @tool
        def decorated(self, city: str) -> str:
            return f"{city} {self.celsius}"

    station = Station(4)
    called(emulator, ("plain", {"city": "Oslo"}), ("decorated", {"city": "Rome"}))

    answer = await run(client, station.plain, station.decorated)

    assert [step.content for step in answer.steps] == ["Oslo 4", "Rome 4"]


async def test_mistakes_go_back(client: Any, emulator: Emulator) -> None:
    """A tool that does not exist, arguments that don't fit or are no JSON: the model is told, and tries again."""
    steps: list[ToolStep] = []
    emulator.reply(
        tool_calls=[("get_wether", {"city": "Oslo"}), ("get_weather", {"town": "Oslo"}), ("get_weather", '{"city":')]
    )
    called(emulator, ("get_weather", {"city": "Oslo"}))

    answer = await run(client, get_weather, on_step=waits_in(client, steps.append))

    assert [step.outcome for step in answer.steps] == ["unknown", "invalid", "invalid", "answered"]
    assert steps == list(answer.steps)
    unknown, unfit, malformed = (message["content"] for message in emulator.requests[1].messages[-3:])
    assert "Did you mean 'get_weather'? The tools are: get_weather." in unknown
    assert "city: Field required; town: Extra inputs are not permitted" in unfit
    assert '"required": ["city"]' in unfit
    assert 'You wrote: {"city":' in malformed
    calls = emulator.requests[1].messages[-4]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"city":"Oslo"}', '{"town":"Oslo"}', "{}"]


async def test_errors_are_told(client: Any, emulator: Emulator) -> None:
    """What a function raises is told by type and message; where it was raised stays here."""
    called(emulator, ("fail", {"city": "Oslo"}))

    answer = await run(client, waits_in(client, fail))

    assert emulator.requests[1].messages[-1]["content"] == "Error: LookupError: no weather in Oslo"
    assert answer.text == "Cold."
    assert "raise LookupError" in answer.steps[0].traceback


@pytest.mark.parametrize("calls", [1, 2])
async def test_errors_are_raised(client: Any, emulator: Emulator, calls: int) -> None:
    """Or it is raised as it is, with the run so far."""
    called(emulator, *[("fail", {"city": f"city {place}"}) for place in range(calls)], text=None)

    with pytest.raises(LookupError, match="no weather in city 0") as caught:
        await run(client, fail, on_error="raise")

    made: Any = caught.value
    assert len(made.tool_run.steps) == calls
    assert made.tool_run.usage.total_tokens > 0
    assert len(emulator.requests) == 1


async def test_results_without_a_form(client: Any, emulator: Emulator) -> None:
    """A result that has no form in JSON is the tool's error, and says what to return."""

    def odd(city: str) -> object:
        return object()

    called(emulator, ("odd", {"city": "Oslo"}))
    answer = await run(client, odd)

    assert answer.steps[0].error.startswith("TypeError: the tool 'odd' returned a object that has no form in JSON")


async def test_content_parts(client: Any, emulator: Emulator) -> None:
    """A function can answer with content parts."""
    parts = [{"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]

    def look(city: str) -> list[dict[str, Any]]:
        return parts

    called(emulator, ("look", {"city": "Oslo"}))
    await run(client, look)

    assert emulator.requests[1].messages[-1]["content"] == parts


async def test_approval(client: Any, emulator: Emulator) -> None:
    """Each call is asked for before any is made; a refusal is told with its reason."""
    asked: list[ToolRequest] = []
    made: list[str] = []

    def delete(path: str) -> None:
        made.append(path)

    def approve(request: ToolRequest) -> bool | str:
        asked.append(request)
        assert made == []
        return {"a": True, "b": False, "c": "Not that one."}[request.arguments["path"]]

    called(emulator, *[("delete", {"path": path}) for path in "abc"])
    answer = await run(client, delete, approve=waits_in(client, approve))

    assert made == ["a"]
    assert [(request.name, request.round) for request in asked] == [("delete", 1)] * 3
    assert [(step.outcome, step.content) for step in answer.steps] == [
        ("answered", "null"),
        ("denied", "Error: This call was not approved."),
        ("denied", "Error: This call was not approved: Not that one."),
    ]


async def test_approval_that_says_nothing(client: Any, emulator: Emulator) -> None:
    """A callback that returns nothing allows nothing, and ends the run."""
    called(emulator, ("get_weather", {"city": "Oslo"}), text=None)

    with pytest.raises(TypeError, match="approve returned None") as caught:
        await run(client, get_weather, approve=lambda request: None)

    made: Any = caught.value
    assert made.tool_run.steps == ()


@pytest.mark.parametrize("calls", [1, 3])
async def test_callbacks_that_raise(client: Any, emulator: Emulator, calls: int) -> None:
    """What `on_step` raises ends the run, as it is, with what was over."""
    called(emulator, *[("get_weather", {"city": "Oslo"})] * calls, text=None)

    def stop(step: ToolStep) -> None:
        raise StopAsyncIteration("enough")

    with pytest.raises(StopAsyncIteration, match="enough") as caught:
        await run(client, get_weather, on_step=stop)

    made: Any = caught.value
    assert 1 <= len(made.tool_run.steps) <= calls


async def test_max_rounds(client: Any, emulator: Emulator) -> None:
    """A model that calls for ever is stopped; what was paid for can be gone on with."""
    emulator.reply(tool_calls=[("get_weather", {"city": "Oslo"})], times=2)

    with pytest.raises(ToolRoundsExceededError, match="after 2 rounds") as caught:
        await run(client, get_weather, max_rounds=2)

    assert len(emulator.requests) == 2
    emulator.reply("Cold.")
    assert (await run(client, get_weather, messages=caught.value.tool_run.messages)).text == "Cold."  # type: ignore[union-attr]


async def test_tool_choice(client: Any, emulator: Emulator) -> None:
    """A forced call is forced once: the emulator, as the service, would go on calling."""
    answer = await run(client, get_weather, tool_choice="required")

    assert [request.body.get("tool_choice") for request in emulator.requests] == ["required", None]
    assert len(answer.steps) == 1


async def test_tools_of_the_caller(client: Any, emulator: Emulator) -> None:
    """The run ends where a tool is called that was given as a mapping; the caller answers and goes on."""
    mine = {"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}
    called(emulator, ("get_weather", {"city": "Oslo"}), ("mine", {}), text=None)

    answer = await run(client, get_weather, mine)

    (call,) = answer.pending
    assert (call.function.name, len(answer.steps), answer.text) == ("mine", 1, "")
    emulator.reply("Done.")
    history = [*answer.messages, {"role": "tool", "tool_call_id": call.id, "content": "7"}]
    assert (await run(client, get_weather, mine, messages=history)).text == "Done."


async def test_the_model_fails(client: Any, emulator: Emulator) -> None:
    """An error of a later request has the rounds before it; one of the first has none."""
    called(emulator, ("get_weather", {"city": "Oslo"}), text=None)
    emulator.reply(status=400)

    with pytest.raises(BadRequestError) as caught:
        await run(client, get_weather)

    assert caught.value.tool_run is not None
    assert [step.result for step in caught.value.tool_run.steps] == [Forecast(city="Oslo", celsius=3)]
    emulator.fault(Fault.status(400))
    with pytest.raises(BadRequestError) as caught:
        await run(client, get_weather)
    assert caught.value.tool_run is None


@pytest.mark.parametrize("on_error", ["tell", "raise"])
async def test_a_validator_that_fails(on_error: str, client: Any, emulator: Emulator) -> None:
    """A validator that raises what it should not does not end the run, unless errors are to be raised."""

    def validate(city: str) -> str:
        raise LookupError(city)

    @tool
    def visit(city: Annotated[str, AfterValidator(validate)]) -> str:
        return city

    called(emulator, ("visit", {"city": "Oslo"}), text="Sorry.")
    if on_error == "raise":
        with pytest.raises(LookupError, match=r"^Oslo$"):
            await run(client, visit, on_error=on_error)
    else:
        answer = await run(client, visit, on_error=on_error)
        assert answer.text == "Sorry."
        assert answer.steps[0].error.startswith("the arguments of 'visit' could not be checked: LookupError: Oslo.")


async def test_deadline(client: Any, emulator: Emulator) -> None:
    """The deadline is the whole run's: a second answer gets what the functions have left."""
    emulator.reply(tool_calls=[("slow", {"city": "Oslo"})])
    emulator.reply("Late.", delay=5)

    def slow(city: str) -> None:
        time.sleep(0.05)

    began = time.monotonic()
    with pytest.raises(APITimeoutError) as caught:
        await run(client, slow, deadline=0.3)

    assert caught.value.clock == "deadline"
    assert str(caught.value).startswith("the deadline of 0.3 seconds for the whole run is over. Give a longer")
    assert caught.value.args == (caught.value.message,)
    assert time.monotonic() - began < 2
    assert len(caught.value.tool_run.steps) == 1  # type: ignore[union-attr]


async def test_deadline_of_something_else(client: Any, emulator: Emulator) -> None:
    """A deadline that passed in a function of the caller's keeps its own words."""
    called(emulator, ("get_weather", {"city": "Oslo"}), text=None)

    def look(step: ToolStep) -> None:
        raise APITimeoutError("mine", clock="deadline")

    with pytest.raises(APITimeoutError, match=r"^mine$"):
        await run(client, get_weather, on_step=look, deadline=60)


async def test_deadline_of_the_client(make: Any, emulator: Emulator) -> None:
    """One of the client's holds as well; where functions use it up, nothing more is sent."""
    client = make(deadline=0.2)
    emulator.reply(tool_calls=[("slow", {"city": "Oslo"})])

    def slow(city: str) -> None:
        time.sleep(0.25)

    with pytest.raises(APITimeoutError, match="passed while tools ran"):
        await run(client, slow)

    assert len(emulator.requests) == 1
    await done(client.close())


@pytest.mark.parametrize("calls", [1, 2])
async def test_cancellation(emulator: Emulator, calls: int) -> None:
    """A cancelled run cancels its async functions, and waits for no thread."""
    ended: list[str] = []
    go_on = threading.Event()
    began = asyncio.Event()

    async def wait(city: str) -> None:
        try:
            began.set()
            await asyncio.sleep(60)
        finally:
            ended.append(city)

    def block(city: str) -> None:
        go_on.wait(10)

    called(emulator, *[("wait", {"city": "Oslo"}), ("block", {"city": "Rome"})][:calls], text=None)
    async with emulator.async_client() as client:
        task = asyncio.create_task(run(client, wait, block))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    go_on.set()

    assert ended == ["Oslo"]


async def test_a_function_that_cancels_itself(emulator: Emulator) -> None:
    """That is its own failure, not the end of the run."""

    async def give_up(city: str) -> None:
        raise asyncio.CancelledError

    called(emulator, ("give_up", {"city": "Oslo"}), ("give_up", {"city": "Rome"}))
    async with emulator.async_client() as client:
        answer = await run(client, give_up)

    assert [step.error for step in answer.steps] == ["RuntimeError: the call was cancelled"] * 2


async def test_a_function_whose_task_is_cancelled(emulator: Emulator) -> None:
    """The other calls go on, and the model is told of both."""
    own: list[asyncio.Task[Any]] = []

    async def give_up(city: str) -> str:
        task = asyncio.ensure_future(asyncio.sleep(9))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task
        return city

    async def stop(city: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        own.append(task)
        task.cancel()
        await asyncio.sleep(9)

    async def wait(city: str) -> str:
        await asyncio.sleep(0.01)
        return city

    called(emulator, ("give_up", {"city": "Oslo"}), ("stop", {"city": "Bonn"}), ("wait", {"city": "Rome"}))
    async with emulator.async_client() as client:
        answer = await run(client, give_up, stop, wait)

    assert answer.text == "Cold."
    cancelled = "Error: RuntimeError: the call was cancelled"
    assert [step.content for step in answer.steps] == [cancelled, cancelled, "Rome"]
    assert "CancelledError" in answer.steps[0].traceback
    assert own[0].done()


async def test_a_step_that_is_cancelled(emulator: Emulator) -> None:
    """Where what is told of a step is cancelled, no call is left without an answer."""

    async def look(step: ToolStep) -> None:
        if step.content == "Oslo":
            raise asyncio.CancelledError

    async def wait(city: str) -> str:
        await asyncio.sleep(0 if city == "Oslo" else 9)
        return city

    called(emulator, ("wait", {"city": "Oslo"}), ("wait", {"city": "Rome"}))
    async with emulator.async_client() as client:
        answer = await run(client, wait, on_step=look)

    assert [step.error for step in answer.steps] == [None, "RuntimeError: the call was cancelled"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_scope_that_ends(backend: str) -> None:
    """A scope around the run that ends in the midst of a call ends the run, and no step is told."""
    told: list[ToolStep] = []

    async def wait(city: str) -> None:
        await anyio.sleep(9)

    async def main() -> bool:
        emulator = Emulator()
        called(emulator, ("wait", {"city": "Oslo"}), text=None)
        async with emulator.async_client() as client:
            with anyio.move_on_after(0.3) as scope:
                await run(client, wait, on_step=told.append)
        return scope.cancelled_caught

    assert anyio.run(main, backend=backend)
    assert told == []


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio(anyio_backend: str, emulator: Emulator) -> None:
    """All of it works in trio."""

    async def wait(city: str) -> str:
        await anyio.sleep(0.001)
        return city

    called(emulator, ("wait", {"city": "Oslo"}), ("get_weather", {"city": "Rome"}))
    async with emulator.async_client() as client:
        answer = await run(client, wait, get_weather)

    assert [step.content for step in answer.steps] == ["Oslo", '{"city":"Rome","celsius":3}']


async def test_interrupts(emulator: Emulator) -> None:
    """Ctrl-C is nobody's to tell: it leaves at once, and waits for no thread."""
    go_on = threading.Event()

    def stop(city: str) -> None:
        raise KeyboardInterrupt

    def block(city: str) -> None:
        go_on.wait(10)

    called(emulator, ("stop", {"city": "Oslo"}), ("block", {"city": "Rome"}), text=None)
    with emulator.client() as client, pytest.raises(KeyboardInterrupt):
        client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=[stop, block])
    go_on.set()


def test_hooks_that_return_awaitables(emulator: Emulator) -> None:
    """The blocking client says so of callbacks that it would have to await."""

    async def later() -> None: ...

    called(emulator, ("get_weather", {"city": "Oslo"}), text=None)
    future: asyncio.Future[None] = asyncio.Future(loop=asyncio.new_event_loop())
    for answer in (later(), future):
        emulator.clear()
        called(emulator, ("get_weather", {"city": "Oslo"}), text=None)
        with pytest.raises(TypeError, match="on_step returned something to be awaited"):
            emulator.client().chat.completions.run_tools(
                model=MODEL, messages=MESSAGES, tools=[get_weather], on_step=lambda step, answer=answer: answer
            )
    future.get_loop().close()


async def test_forgotten_await(emulator: Emulator) -> None:
    """The async client's run says that it needs `await`, as its calls do."""
    async with emulator.async_client() as client:
        answer: Any = client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=[get_weather])
        with pytest.raises(AttributeError, match=r"run_tools\(\) of an AsyncClient needs `await`"):
            _ = answer.steps
        called(emulator, ("get_weather", {"city": "Oslo"}))
        assert (await answer).text == "Cold."


@pytest.mark.parametrize("calls", [1, 2])
async def test_a_function_that_leaves(client: Any, emulator: Emulator, calls: int) -> None:
    """`sys.exit()` in a function ends its call, and neither the run nor the program; what it said is told."""

    def leave(code: str) -> str:
        sys.exit(code or None)

    emulator.reply(tool_calls=[("leave", {"code": "bad" if number else ""}) for number in range(calls)])
    emulator.reply("Cold.")
    completion = await run(client, leave)
    assert [step.outcome for step in completion.steps] == ["failed"] * calls
    said = ["RuntimeError: the tool called sys.exit()", "RuntimeError: the tool called sys.exit('bad')"]
    assert [step.error for step in completion.steps] == said[:calls]
    assert "sys.exit(code or None)" in completion.steps[0].traceback

    emulator.reply(tool_calls=[("leave", {"code": ""})])
    with pytest.raises(RuntimeError, match=r"sys\.exit") as caught:
        await run(client, leave, on_error="raise")
    assert isinstance(caught.value.__cause__, SystemExit)


async def test_an_async_function_that_leaves(emulator: Emulator) -> None:
    """So does one in an async function."""

    async def leave() -> str:
        sys.exit(3)

    called(emulator, ("leave", {}))
    async with emulator.async_client() as client:
        completion = await run(client, leave)
    assert completion.steps[0].error == "RuntimeError: the tool called sys.exit(3)"
