"""Answers to values: what fits, what does not, and how to ask again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from ..exceptions import (
    APIError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    ParseError,
    RequestProblem,
)
from ..types.parsed import ParsedChatCompletion, ParsedChoice, ParsedMessage
from .build import build_chat
from .following import Run, follower_of, whole
from .partial import PartialJson
from .schema import Output
from .settings import Settings
from .usage import total_usage
from .validate import invalid, lasting, message_list

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pydantic_core import ErrorDetails

    from ..types import ChatCompletion, Choice, CompletionUsage
    from .call import ChatCall

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_SHOULD = re.compile(r"(?:Input|Value|String|List|Set|Tuple|Dictionary|Data|Decimal input|\w+) should (be|have|match) ")

_WHOLE = "the answer"

_TOLD = 20
"""Problems that are told to the model at most: a list of thousands would cost more than it helps."""


class ParseRounds(Generic[T]):
    """An answer of a type, asked for as often as it takes: decides, and leaves the waiting to its caller.

    Args:
        settings: The client's.
        model: Who is asked.
        messages: What was said so far.
        response_format: The type.
        max_repairs: How often the model may be asked again after an answer that does not fit.
        params: The other parameters.

    Raises:
        InvalidRequestError: `max_repairs` is no number of times, or `response_format` can't be one.
        TypeError: `stream` was given.
    """

    def __init__(
        self,
        settings: Settings,
        model: object,
        messages: object,
        response_format: object,
        max_repairs: object,
        params: Mapping[str, Any],
    ) -> None:
        if "stream" in params:
            raise TypeError("parse() gives a whole answer; to get it as it comes, use stream(response_format=...)")
        if not isinstance(max_repairs, int) or isinstance(max_repairs, bool) or max_repairs < 0:
            raise invalid("max_repairs", max_repairs, "a whole number of times, 0 or more")
        output = cast("Output[T]", Output.of(response_format))
        self._output = output
        self._settings = settings
        self._model = model
        self._messages = message_list(messages)
        self._left = max_repairs
        # Each round sends them again: what can be read only once is read here.
        given = {name: lasting(value) for name, value in params.items()}
        self._params: dict[str, Any] = {**given, "response_format": output.response_format}
        self._rounds: list[ChatCompletion] = []
        self._failure: ParseError | None = None

    def followed(self) -> AbstractContextManager[None]:
        """All rounds, for whoever follows them; nobody where there can be one only, which is followed by itself."""
        run = Run("parse", self._settings, self._model, self._messages, ())
        return whole(follower_of(run) if self._left else None)

    def call(self) -> ChatCall:
        """The call of the next round.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is.
        """
        own = ("max_repairs",)
        return build_chat(self._settings, "parse", self._model, self._messages, False, self._params, own)

    def take(self, completion: ChatCompletion) -> ParsedChatCompletion[T] | None:
        """The answer with its value; `None` where the model is to be asked again.

        Raises:
            ParseError: It does not fit, and no repair is left, or none would help.
        """
        self._rounds.append(completion)
        try:
            return read_parsed(self._output, completion, self._rounds)
        except ParseError as error:
            if not error.errors or self._left < 1 or type(error) is not ParseError:
                raise
            self._left -= 1
            self._failure = error
            self._messages = [*self._messages, *repair_messages(error)]
            return None

    def broken(self, error: APIError) -> APIError:
        """What to raise for a round that brought no answer.

        A repair that failed leaves the error of the answer that was to be repaired, which was paid for; its `__cause__`
        is what went wrong.
        """
        failure = self._failure
        if failure is None:
            return error
        failure.hint = f"The repair failed: {error}"
        failure.__cause__ = error
        return failure


class TextOutput(Generic[T]):
    """What makes values of the texts of a stream of events.

    Args:
        output: The type of the values.
    """

    def __init__(self, output: Output[T]) -> None:
        self.output = output
        self.partial = output.partial
        self.validate = output.validate

    def read(self, completion: ChatCompletion) -> ParsedChatCompletion[T]:
        """The whole answer with its values, as `parse()` gives it. Raises what that raises."""
        return read_parsed(self.output, completion)


def read_parsed(
    output: Output[T], completion: ChatCompletion, rounds: list[ChatCompletion] | None = None
) -> ParsedChatCompletion[T]:
    """A completion with the values of its choices.

    A choice that called tools has none where its text is empty or does not fit: words beside a call are no failure.

    Args:
        output: The type of the values.
        completion: The answer.
        rounds: All answers that led to it, itself included.

    Raises:
        LengthFinishReasonError: A choice was cut at `max_tokens`.
        ContentFilterFinishReasonError: A choice was cut by a content filter.
        ParseError: A choice does not fit, or is a refusal.
    """
    rounds = rounds or [completion]
    usage = total_usage(rounds)
    choices: list[ParsedChoice[T]] = []
    for choice in completion.choices:
        message = _as(cast("type[ParsedMessage[T]]", ParsedMessage), choice.message)
        called = bool(choice.message.tool_calls or choice.message.function_call)
        if choice.message.content or not called:
            try:
                vars(message)["_parsed"] = _value(output, completion, choice, usage, rounds)
            except ParseError as error:
                if not called or type(error) is not ParseError:
                    raise
        parsed = _as(cast("type[ParsedChoice[T]]", ParsedChoice), choice)
        vars(parsed)["message"] = message
        choices.append(parsed)
    answer = _as(cast("type[ParsedChatCompletion[T]]", ParsedChatCompletion), completion)
    vars(answer).update(choices=choices, usage=usage, _rounds=tuple(rounds))
    return answer


def _as(kind: type[M], model: BaseModel) -> M:
    """The model as an instance of a class that adds no fields to its own."""
    made = kind.__new__(kind)
    object.__setattr__(made, "__dict__", dict(vars(model)))
    object.__setattr__(made, "__pydantic_fields_set__", set(model.model_fields_set))
    object.__setattr__(made, "__pydantic_extra__", model.__pydantic_extra__)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


def _value(
    output: Output[T],
    completion: ChatCompletion,
    choice: Choice,
    usage: CompletionUsage | None,
    rounds: list[ChatCompletion],
) -> T:
    text = choice.message.text
    which = "The answer" if len(completion.choices) == 1 else f"Choice {choice.index}"

    def failure(
        kind: type[ParseError], what: str, hint: str | None = None, errors: list[RequestProblem] | None = None
    ) -> ParseError:
        return kind(
            f"{which} {what}",
            completion=completion,
            text=text,
            errors=errors or (),
            usage=usage,
            rounds=rounds,
            partial_value=output.unwrapped(_readable(text)),
            hint=hint,
        )

    if choice.finish_reason == "length":
        what, hint = _cut(completion, choice)
        raise failure(LengthFinishReasonError, what, hint)
    if choice.finish_reason == "content_filter":
        raise failure(
            ContentFilterFinishReasonError, "was stopped by a content filter", "Put the question in other words."
        )
    if choice.message.refusal and not text:
        raise failure(ParseError, f"is a refusal: {choice.message.refusal}", "Put the question in other words.")
    try:
        return output.validate(text)
    except ValidationError as error:
        problems = problems_of(output, text, error)
        said = "; ".join(_said(problem) for problem in problems[:5])
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise failure(ParseError, f"does not fit {output.name}: {said}{more}", errors=problems) from error
    except Exception as error:
        # A validator of the caller's own that failed in a way of its own: the answer was paid for all the same.
        what = f"could not be checked: a validator of {output.name} raised {type(error).__name__}: {error}"
        raise failure(ParseError, what, "Let validators raise ValueError for values that do not fit.") from error


def _cut(completion: ChatCompletion, choice: Choice) -> tuple[str, str]:
    """What happened to an answer that was cut, and what to do."""
    usage = completion.usage
    tokens, thought = (usage.completion_tokens, usage.reasoning_tokens) if usage is not None else (0, None)
    after = f" after {tokens} tokens" if tokens else ""
    if thought or (choice.message.reasoning and not choice.message.text):
        share = f"{thought} of the {tokens} tokens went" if thought and tokens else "the tokens went"
        return (
            f"was cut at max_tokens{after}, and {share} into thinking",
            "Give a larger max_tokens, or turn thinking off by thinking=False where the model can.",
        )
    return f"was cut at max_tokens{after}", "Give a larger max_tokens, or ask for less."


def _readable(text: str) -> object:
    """What of a text can be read as JSON, complete or not."""
    reader: PartialJson[object] = PartialJson()
    reader.feed(text)
    return reader.value


def problems_of(output: Output[Any], text: str, error: ValidationError) -> list[RequestProblem]:
    """What is wrong with a text, by the paths of its own JSON."""
    value: object = None
    for candidate in output.candidates(text):
        try:
            value = output.unwrapped(json.loads(candidate))
            break
        except (ValueError, RecursionError):
            continue
    return [_problem(value, text, details) for details in error.errors(include_url=False)]


def _problem(value: Any, text: str, details: ErrorDetails) -> RequestProblem:
    kind, message = details["type"], details["msg"]
    if kind == "json_invalid":
        return RequestProblem(_WHOLE, text[:200], f"JSON ({message.partition(': ')[2]})")
    path = ""
    steps = details["loc"]
    for index, step in enumerate(steps):
        found = _at(value, step)
        if found is None and not (kind == "missing" and index == len(steps) - 1):
            continue  # the name of a union's branch, which is no place
        value = None if found is None else found[0]
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return RequestProblem(path or _WHOLE, value, _expected(kind, message, details.get("ctx", {})))


def _at(value: object, step: int | str) -> tuple[object] | None:
    if isinstance(value, dict) and step in value:
        return (cast("dict[int | str, object]", value)[step],)
    if isinstance(value, list) and isinstance(step, int) and step < len(cast("list[object]", value)):
        return (cast("list[object]", value)[step],)
    return None


def _expected(kind: str, message: str, context: Mapping[str, object]) -> str:
    if kind == "missing":
        return "to be there"
    if kind == "extra_forbidden":
        return "no such field"
    if kind in ("value_error", "assertion_error"):
        return f"to pass a check: {context['error']}"
    should = _SHOULD.match(message)
    if should is None:
        return f"something else: {message}"
    return f"{'' if should[1] == 'be' else f'to {should[1]} '}{message[should.end() :]}"


def _said(problem: RequestProblem) -> str:
    value = "missing" if problem.expected == "to be there" else json.dumps(problem.value, ensure_ascii=False)
    shown = value if len(value) <= 60 else f"{value[:60]}..."
    return f"{problem.path} is {shown}, expected {problem.expected}"


def repair_messages(error: ParseError) -> list[dict[str, str]]:
    """What is said to the model to have its answer repaired: the answer, and what is wrong with it."""
    wrong = "\n".join(f"- {_said(problem)}" for problem in error.errors[:_TOLD])
    asked = f"Your answer does not fit the JSON schema:\n{wrong}\nAnswer again, with the whole corrected JSON alone."
    return [{"role": "assistant", "content": error.text or ""}, {"role": "user", "content": asked}]
