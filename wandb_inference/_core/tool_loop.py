"""The loop of answers and tool calls: what to ask next, what to run, and when to stop. It never waits."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from ..exceptions import APITimeoutError, InvalidRequestError, RequestProblem, ToolRoundsExceededError
from ..types import ChatCompletion, ToolCall
from ..types.completion import with_meta
from ..types.tools import ToolCompletion, ToolStep
from .build import CHAT_PARAMS, ELSEWHERE, unexpected_keyword
from .following import Run, follower_of, within
from .options import merged_timeouts
from .tool_calls import Round, sendable
from .tools import Tool
from .usage import total_usage
from .validate import invalid, is_type, lasting, message_list

if TYPE_CHECKING:
    from .settings import Settings

_OWN = ("model", "messages", "tools", "max_rounds", "on_error", "approve", "on_step", "parallel", "stream")

# What other libraries call these arguments.
_ALSO = {
    **ELSEWHERE,
    "max_iterations": "did you mean 'max_rounds'?",
    "max_turns": "did you mean 'max_rounds'?",
    "functions": "did you mean 'tools'?",
    "final_only": "leave it out, or use run_tools(stream=True) and get_final_completion() of the stream",
}


class ToolLoop:
    """What a run with tools has come to.

    Args:
        settings: The client's.
        model: Who is asked.
        messages: What was said so far.
        tools: Functions, tools, and mappings for what the caller runs.
        max_rounds: Answers asked for at most.
        on_error: What becomes of a function's exception.
        approve: Who is asked before a call.
        on_step: Who is told of each call that is over.
        parallel: Whether the calls of an answer are made at the same time.
        stream: Whether events are wanted.
        params: The other parameters of each request.
        blocking: Whether the client can't await.

    Raises:
        TypeError: A keyword that does not exist.
        InvalidRequestError: An argument that can't work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        model: object,
        messages: object,
        tools: object,
        max_rounds: object,
        on_error: object,
        approve: Callable[..., Any] | None,
        on_step: Callable[..., Any] | None,
        parallel: object,
        stream: object,
        params: Mapping[str, Any],
        blocking: bool,
    ) -> None:
        for name in params:
            if name not in CHAT_PARAMS or name == "functions":
                raise unexpected_keyword("run_tools", name, (*CHAT_PARAMS, *_OWN), _ALSO, body=True)
        self._tools, self._declared = _tools_of(tools, blocking=blocking)
        if isinstance(max_rounds, bool) or not isinstance(max_rounds, int) or max_rounds < 1:
            raise invalid("max_rounds", max_rounds, "a whole number from 1 up")
        if on_error not in ("tell", "raise"):
            raise invalid("on_error", on_error, "'tell' or 'raise'")
        for name, value in (("parallel", parallel), ("stream", stream)):
            if not isinstance(value, bool):
                raise invalid(name, value, "True or False")
        if params.get("n") not in (None, 1):
            raise invalid("n", params["n"], "1: a run follows one answer")
        if is_type(params.get("response_format")):
            hint = "Run the tools, then parse(messages=run.messages, response_format=...)."
            raise invalid("response_format", params["response_format"], "a mapping: a run is not parsed", hint)
        for name, function in (("approve", approve), ("on_step", on_step)):
            _check_callback(name, function, blocking=blocking)
        self.approve = approve
        self.on_step = on_step
        self.parallel = bool(parallel)
        self.timeouts = merged_timeouts(settings.timeouts, params)
        self._model = model
        self._messages = message_list(messages)
        self._params = {name: lasting(value) for name, value in params.items()}
        self._max_rounds = max_rounds
        self._raises = on_error == "raise"
        self._rounds: list[ChatCompletion] = []
        self._steps: list[ToolStep] = []
        self._pending: list[ToolCall] = []
        self._open: Round | None = None
        self._asking = False
        self._follower = follower_of(Run("run_tools", settings, model, self._messages, self._declared))

    def within(self) -> contextlib.AbstractContextManager[object]:
        """Where what happens belongs to the run, for whoever follows it."""
        return within(self._follower)

    def left(self) -> None:
        """The run does not go on, whether it has come to its end or not."""
        if self._follower is not None:
            self._follower.end(complete=False)

    @property
    def messages(self) -> list[Any]:
        """The history so far: whole rounds."""
        return list(self._messages)

    @property
    def steps(self) -> tuple[ToolStep, ...]:
        """The calls that are over."""
        return (*self._steps, *(self._open.steps if self._open is not None else ()))

    @property
    def rounds(self) -> tuple[ChatCompletion, ...]:
        """The answers so far."""
        return tuple(self._rounds)

    def request(self, elapsed: float) -> dict[str, Any]:
        """The arguments of the next call of the model, `elapsed` seconds after the run began.

        Raises:
            ToolRoundsExceededError: There were as many as there may be.
            APITimeoutError: The deadline has passed.
        """
        params = dict(self._params)
        done = len(self._rounds)
        if done >= self._max_rounds:
            rounds = f"{done} round{'s' if done > 1 else ''}"
            raise ToolRoundsExceededError(
                f"The model still calls tools after {rounds}",
                hint="Give more max_rounds, or go on with error.tool_run.messages.",
                tool_run=self.completion(),
            )
        deadline = self.timeouts.deadline
        if done and deadline is not None:
            params["deadline"] = deadline - elapsed
            if elapsed >= deadline:
                raise APITimeoutError(
                    f"The deadline of {deadline:g} s passed while tools ran",
                    hint="It holds for the whole run: give more, or go on with error.tool_run.messages.",
                    clock="deadline",
                )
        # A choice that forces a call would force one for ever.
        if done and params.get("tool_choice") not in ("auto", "none"):
            params.pop("tool_choice", None)
        self._asking = True
        return {"model": self._model, "messages": self.messages, "tools": self._declared, **params}

    def take(self, completion: ChatCompletion) -> Round | None:
        """The calls of an answer; `None` where it has none, and the run is over."""
        self._asking = False
        self._rounds.append(completion)
        choice = completion.choices[0]
        calls = choice.message.tool_calls
        if self._follower is not None:
            self._follower.answered(completion)
        if not calls:
            self._messages.extend(message_list([choice.message]))
            self._over()
            return None
        number = len(self._rounds)
        self._open = Round(number, _with_ids(calls, number), self._tools, cut=choice.finish_reason == "length")
        return self._open

    def finish(self, round: Round) -> bool:
        """Whether the run goes on after a round whose calls are over.

        Raises:
            Exception: What a function raised, with `on_error="raise"`: that of the first call that failed.
        """
        self._open = None
        message = self._rounds[-1].choices[0].message
        answer: dict[str, Any] = message_list([message])[0]
        self._messages += [{**answer, "tool_calls": [sendable(call) for call in round.calls]}, *round.messages()]
        self._steps += round.steps
        self._pending += round.pending
        if self._follower is not None:
            self._follower.called(round.steps)
        if self._raises and round.failures:
            raise round.failures[min(round.failures)]
        if round.pending:
            self._over()
        return not round.pending

    def _over(self) -> None:
        if self._follower is not None:
            self._follower.end(complete=True)

    def completion(self) -> ToolCompletion:
        """What the run has come to: its last answer, and all that led to it."""
        last = self._rounds[-1]
        fields = {name: value for name, value in vars(last).items() if name in type(last).model_fields}
        usage = {"usage": total_usage(self._rounds)}
        names = {*last.model_fields_set, "usage"}
        made = ToolCompletion.model_construct(names, **{**(last.__pydantic_extra__ or {}), **fields, **usage})
        vars(made).update(
            _messages=self.messages, _steps=self.steps, _rounds=self.rounds, _pending=tuple(self._pending)
        )
        return with_meta(made, last.meta)

    def broken(self, error: Exception) -> Exception:
        """The error that ends the run, with what was done before it as `.tool_run`, where there was a round."""
        if self._rounds:
            if self._asking and isinstance(error, APITimeoutError) and error.clock == "deadline":
                # It names what the request had left of it.
                error.message = f"the deadline of {self.timeouts.deadline:g} seconds for the whole run is over"
                error.args = (error.message,)
            with contextlib.suppress(AttributeError):  # a class whose instances take no attributes
                error.tool_run = self.completion()  # type: ignore[attr-defined]  # whatever class it is
        return error


def _tools_of(given: Any, *, blocking: bool) -> tuple[dict[str, Tool[..., Any] | None], list[dict[str, Any]]]:
    """The tools by name, `None` for what the caller runs, and all as they stand in a request."""
    if isinstance(given, (str, bytes, Mapping, BaseModel, Tool)) or not isinstance(given, Iterable):
        raise invalid("tools", cast("Any", given), "a list of functions", "Write tools=[function].")
    tools: dict[str, Tool[..., Any] | None] = {}
    declared: list[dict[str, Any]] = []
    for place, item in enumerate(cast("Iterable[object]", given)):
        if isinstance(item, Mapping):
            mapping = dict(cast("Mapping[str, Any]", item))
            declared.append(mapping)
            function = mapping.get("function")
            name = cast("Mapping[str, object]", function).get("name") if isinstance(function, Mapping) else None
            tool = None
        else:
            tool = cast("Tool[..., Any]", item) if isinstance(item, Tool) else Tool(cast("Callable[..., Any]", item))
            _check_runnable(tool, place, blocking=blocking)
            declared.append(tool.as_param())
            name = tool.name
        if isinstance(name, str):
            if name in tools:
                raise invalid(f"tools[{place}]", name, "a name that no other tool has", "See tool(function, name=...).")
            tools[name] = tool
    if not declared:
        raise invalid("tools", [], "at least one function")
    return tools, declared


def _check_runnable(tool: Tool[..., Any], place: int, *, blocking: bool) -> None:
    if tool.unbound:
        raise _unfit(place, f"{tool.name!r} is a method without its object", f"Give `thing.{tool.name}`.")
    if blocking and tool.is_async:
        raise _unfit(place, f"{tool.name!r} is a coroutine function", "Client awaits nothing; AsyncClient does.")


def _check_callback(name: str, function: Any, *, blocking: bool) -> None:
    if function is not None and not callable(function):
        raise invalid(name, function, "a function, or None")
    call = getattr(type(function), "__call__", None)  # noqa: B004  the method of an object that is called
    if blocking and (inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)):
        raise InvalidRequestError(
            f"{name} is a coroutine function",
            hint="Client awaits nothing; AsyncClient does.",
            errors=[RequestProblem(name, repr(function), "a function that is not async")],
        )


def _unfit(place: int, what: str, hint: str) -> InvalidRequestError:
    errors = [RequestProblem(f"tools[{place}]", None, "a function that can be called as it is")]
    return InvalidRequestError(f"tools[{place}] can't be run: {what}", hint=hint, errors=errors)


def _with_ids(calls: Iterable[ToolCall], number: int) -> list[ToolCall]:
    """The calls, each with an id of its own: some servers send none, some the same twice."""
    seen: set[str] = set()
    result: list[ToolCall] = []
    for place, call in enumerate(calls):
        if not call.id or call.id in seen:
            call = call.model_copy(update={"id": f"call_{number}_{place}"})
        seen.add(call.id)
        result.append(call)
    return result
