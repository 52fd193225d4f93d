"""The errors of answers that do not fit the type asked for: a part of `exceptions`, whose names they bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._failure import APIError, RequestProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .types import ChatCompletion, CompletionUsage


class ParseError(APIError):
    """An answer that does not fit the type asked for. It was paid for, and nothing of it is lost.

    Args:
        message: What does not fit.
        completion: The answer.
        text: The text that does not fit.
        errors: Each single problem.
        usage: Token counts; the completion's where they are left out.
        rounds: Every answer, in order, where there was more than one.
        partial_value: What of the text can be read.
        hint: What to do about it.
    """

    __module__ = "wandb_inference.exceptions"

    completion: ChatCompletion
    """The answer; with repairs, the last one. Only an error that was made without one has `None`."""
    errors: tuple[RequestProblem, ...]
    """Each single problem: path, value, what was expected; empty where there is no text to look at."""
    rounds: tuple[ChatCompletion, ...]
    """Every answer, in order: the first, then one for each repair."""
    partial_value: Any
    """What of the text can be read, as plain data, unchecked; `None` where nothing can."""

    def __init__(
        self,
        message: str,
        *,
        completion: ChatCompletion | None = None,
        text: str | None = None,
        errors: Iterable[RequestProblem] = (),
        usage: CompletionUsage | None = None,
        rounds: Iterable[ChatCompletion] = (),
        partial_value: Any = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.completion = cast("ChatCompletion", completion)
        self.errors = tuple(errors)
        self.rounds = tuple(rounds) or (() if completion is None else (completion,))
        self.partial_value = partial_value
        if completion is not None:
            text = completion.text if text is None else text
            usage = usage or completion.usage
            self.meta = completion.meta
            self.attempts = () if completion.meta is None else completion.meta.attempts
        self._text = text
        self._usage = usage

    @property
    def text(self) -> str | None:
        """The text that does not fit."""
        return super().text if self._text is None else self._text

    @property
    def usage(self) -> CompletionUsage | None:
        """Token counts of all rounds together."""
        return self._usage or super().usage


class LengthFinishReasonError(ParseError):
    """An answer that was cut at `max_tokens`, before it was complete."""

    __module__ = "wandb_inference.exceptions"


class ContentFilterFinishReasonError(ParseError):
    """An answer that was cut by a content filter."""

    __module__ = "wandb_inference.exceptions"
