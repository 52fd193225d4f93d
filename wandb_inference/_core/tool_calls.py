"""One answer's tool calls: what is to be run, and what the model is told about each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..types import ToolCall
from ..types.tools import ToolOutcome, ToolRequest, ToolStep
from .reading import without_surrogates
from .tools import Tool

T = TypeVar("T")

_LONGEST = 2000
"""Characters of an error that the model is told: a message can hold a whole page."""

_PARTS: Mapping[str, tuple[str, ...]] = {
    "text": (),
    "refusal": (),
    "image_url": ("url",),
    "audio_url": ("url",),
    "video_url": ("url",),
    "input_audio": ("data",),
    "file": ("file_data", "file_id"),
}
"""Kinds of content parts: under the name of its kind stands text, or a mapping with text under one of these names.

Source: OpenAI's API, and vLLM's for `audio_url` and `video_url`.
"""

_ANYTHING: TypeAdapter[object] = TypeAdapter(object, config=ConfigDict(ser_json_inf_nan="strings"))


class Planned(NamedTuple):
    """A call that can be made."""

    place: int
    """Which of the answer's calls, counting from 0."""
    tool: Tool[..., Any]
    request: ToolRequest


class Outcome(NamedTuple):
    """How a call went."""

    content: str | list[dict[str, Any]]
    """What the model is told; `""` where the function raised."""
    result: Any
    error: Exception | None
    seconds: float


class Round:
    """The calls of one answer, until each is over.

    Args:
        number: Which round, counting from 1.
        calls: The calls, each with an id.
        tools: What can be called, by name; `None` for what the caller runs.
        cut: Whether the answer ended at `max_tokens`.
    """

    def __init__(
        self, number: int, calls: Iterable[ToolCall], tools: Mapping[str, Tool[..., Any] | None], *, cut: bool = False
    ) -> None:
        self.number = number
        self.calls = tuple(calls)
        self.planned: list[Planned] = []
        """Calls that can be made, in order."""
        self.refused: list[ToolStep] = []
        """Calls that can't: of tools that don't exist, or with arguments that don't fit."""
        self.pending: list[ToolCall] = []
        """Calls that are the caller's to make."""
        self.failures: dict[int, Exception] = {}
        """What functions and validators of their arguments raised, by the place of their call."""
        self._steps: dict[int, ToolStep] = {}
        self._begun: set[int] = set()
        for place, call in enumerate(self.calls):
            self._plan(place, call, tools, cut)

    @property
    def steps(self) -> tuple[ToolStep, ...]:
        """The calls that are over, in the order in which the model made them."""
        return tuple(self._steps[place] for place in sorted(self._steps))

    def _plan(self, place: int, call: ToolCall, tools: Mapping[str, Tool[..., Any] | None], cut: bool) -> None:
        name = call.function.name
        if name not in tools:
            self.refused.append(self._over(place, "unknown", error=_unknown(name, tools)))
            return
        tool = tools[name]
        if tool is None:
            self.pending.append(call)
            return
        try:
            arguments = tool.parse(call.function.arguments)
        except ValidationError as error:
            self.refused.append(self._over(place, "invalid", error=_invalid(tool, call, error, cut=cut)))
        except Exception as error:
            # A validator of the caller's own that failed in a way of its own: no reason to end the run.
            self.failures[place] = error
            outcome = Outcome("", None, error, 0.0)
            self.refused.append(self._over(place, "invalid", error=_unchecked(tool, error), outcome=outcome))
        else:
            self.planned.append(Planned(place, tool, ToolRequest(self.number, call, arguments)))

    def judged(self, planned: Planned, verdict: object) -> ToolStep | None:
        """What becomes of a call that `approve` has judged: `None` if it may be made.

        Raises:
            TypeError: The verdict is none.
        """
        if verdict is True:
            return None
        if verdict is not False and not isinstance(verdict, str):
            raise TypeError(f"approve returned {verdict!r}; True, False or the reason why not was expected")
        said = f"This call was not approved: {verdict}" if verdict else "This call was not approved."
        return self._over(planned.place, "denied", error=said, arguments=planned.request.arguments)

    def ran(self, planned: Planned, outcome: Outcome) -> ToolStep:
        """The record of a call that was made."""
        arguments = planned.request.arguments
        error = outcome.error
        if error is None:
            step = self._over(planned.place, "answered", arguments=arguments, outcome=outcome)
        else:
            self.failures[planned.place] = error
            step = self._over(planned.place, "failed", error=_said(error), arguments=arguments, outcome=outcome)
        return step

    def begin(self, planned: Planned) -> None:
        """A call is about to be made."""
        self._begun.add(planned.place)

    def interrupted(self, planned: Planned) -> ToolStep:
        """The record of a call that the user stopped, before it was made or while it ran."""
        begun = planned.place in self._begun
        said = "while it ran: what it does may be done in part, or in whole." if begun else "before it was made."
        said = f"The user {'interrupted' if begun else 'stopped'} this call {said}"
        return self._over(
            planned.place, "failed" if begun else "denied", error=said, arguments=planned.request.arguments
        )

    def is_over(self, planned: Planned) -> bool:
        """Whether it is known how a call went."""
        return planned.place in self._steps

    def _over(
        self,
        place: int,
        how: ToolOutcome,
        *,
        error: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        outcome: Outcome | None = None,
    ) -> ToolStep:
        error = None if error is None else _clean(error)
        content: str | list[dict[str, Any]] = f"Error: {error}" if error is not None else ""
        step = self._steps[place] = ToolStep(
            round=self.number,
            call=self.calls[place],
            outcome=how,
            arguments=None if arguments is None else dict(arguments),
            result=outcome.result if outcome else None,
            error=error,
            content=outcome.content if outcome and error is None else content,
            seconds=outcome.seconds if outcome else 0.0,
            traceback=_traceback(outcome.error) if outcome and outcome.error else None,
        )
        return step

    def messages(self) -> list[dict[str, Any]]:
        """What the model is told about all calls that are over."""
        return [{"role": "tool", "tool_call_id": step.call.id, "content": step.content} for step in self.steps]


def content_of(result: object, name: str) -> str | list[dict[str, Any]]:
    """What the model is told of a result: text as it is, content parts as they are, all else as JSON.

    Args:
        result: What a function returned.
        name: The tool's name.

    Raises:
        TypeError: It has no form in JSON.
    """
    if isinstance(result, str):
        # Files and processes give text with half surrogate pairs, which no request can hold.
        return _clean(str.__str__(result))
    if parts := _parts(result):
        return parts
    try:
        return _ANYTHING.dump_json(result, by_alias=True).decode()
    except ValueError as error:
        problem = f"the tool {name!r} returned a {type(result).__name__} that has no form in JSON: {error}"
        raise TypeError(f"{problem}; return text, a model, a dataclass, or plain data") from None


def _parts(result: object) -> list[dict[str, Any]]:
    """The content parts that a result is made of; empty where it is none."""
    parts = cast("list[object]", result) if isinstance(result, list) else [result]
    if not all(map(_is_part, parts)):
        return []
    return [_clean(dict(cast("Mapping[str, Any]", part))) for part in parts]


def _is_part(value: object) -> bool:
    """Whether a value is a content part, and not other data that has a `type`."""
    if not isinstance(value, Mapping):
        return False
    part = cast("Mapping[object, object]", value)
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _PARTS:
        return False
    names = _PARTS[kind]
    content = part.get(kind)
    if not names:
        return isinstance(content, str)
    if not isinstance(content, Mapping):
        return False
    return any(isinstance(cast("Mapping[str, object]", content).get(name), str) for name in names)


def _clean(value: T) -> T:
    return cast("T", without_surrogates(value))


def sendable(call: ToolCall) -> dict[str, Any]:
    """A call as it stands in the history.

    Arguments that are no JSON object are left out of it: vLLM reads those of earlier calls before it asks the model,
    and refuses the whole request. The model is told what it wrote in the tool's answer.
    """
    dumped = call.model_dump(exclude_none=True)
    arguments = call.function.arguments
    value = _read(arguments)
    if isinstance(value, str):  # JSON text as a JSON string
        arguments, value = value, _read(value)
    dumped["function"] = {**dumped["function"], "arguments": arguments if isinstance(value, dict) else "{}"}
    return dumped


def _read(arguments: str) -> object:
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return None


def _unknown(name: str, tools: Iterable[str]) -> str:
    names = list(tools)
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no tool {name!r}.{hint} The tools are: {', '.join(names)}."


def _invalid(tool: Tool[..., Any], call: ToolCall, error: ValidationError, *, cut: bool) -> str:
    problems = error.errors(include_url=False)
    said = "; ".join(f"{_path(problem['loc'])}{problem['msg']}" for problem in problems[:10])
    wrote = call.function.arguments
    if problems[0]["type"] == "json_invalid":
        said += f". You wrote: {_cut(wrote)}"
        said += ". Your answer was cut at its limit of tokens: write less" if cut else ""
    return f"the arguments of {tool.name!r} do not fit. {said}. {_schema(tool)}"


def _unchecked(tool: Tool[..., Any], error: Exception) -> str:
    return f"the arguments of {tool.name!r} could not be checked: {_said(error)}. {_schema(tool)}"


def _schema(tool: Tool[..., Any]) -> str:
    return f"They must fit this JSON schema: {json.dumps(tool.parameters, ensure_ascii=False, default=str)}"


def _path(steps: tuple[int | str, ...]) -> str:
    return ".".join(map(str, steps)) + ": " if steps else ""


def _said(error: Exception) -> str:
    """An error in one line, as Python ends a traceback."""
    try:
        words = str(error)
    except Exception:  # a class whose own `__str__` fails
        words = ""
    name = type(error).__name__
    return f"{name}: {_cut(words)}" if words else name


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _traceback(error: Exception) -> str:
    from traceback import format_exception

    inside = error.__traceback__
    return "".join(format_exception(type(error), error, inside and inside.tb_next))
