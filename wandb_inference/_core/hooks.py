"""What a client's hooks are told, and when."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..exceptions import APIError, AttemptRecord, ConfigurationError
from ..types import AttemptEvent, ChatCompletion, DoneEvent, Meta, SendEvent
from ..types._wire import meta_of
from .meta import meta_from
from .redaction import keys_of, shown_body, shown_headers, without_secrets

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..types import CompletionUsage
    from .wire import Attempt

Hook: TypeAlias = Callable[[Any], object]


class Notice(NamedTuple):
    """A record, and the hook that is to be called with it."""

    name: str
    """What the hook is called among a client's arguments."""
    hook: Hook
    event: SendEvent | AttemptEvent | DoneEvent


Notices: TypeAlias = "tuple[Notice, ...]"


class Hooks(NamedTuple):
    """A client's hooks."""

    before_send: Hook | None = None
    on_attempt: Hook | None = None
    on_done: Hook | None = None

    def watch(self, model: str | None, records: list[AttemptRecord], key: str | None = None) -> Watch:
        """What follows one call.

        Args:
            model: The model that it is about.
            records: Its journal's, which grow.
            key: The client's, where it is a text.
        """
        return Watch(self, model, records, key)


def hooks_of(changed: Mapping[str, Any], present: Hooks | None, *, blocking: bool) -> Hooks | None:
    """Hooks that are given, over those that are there; `None` where none are left.

    Args:
        changed: By their names; `None` removes one.
        present: Those that are there.
        blocking: Whether the client can't await.

    Raises:
        ConfigurationError: Not callable, or a coroutine function for a blocking client.
    """
    for name, hook in changed.items():
        if hook is not None and not callable(hook):
            raise ConfigurationError(
                f"{name} is of type {type(hook).__name__}", hint="Give a callable that takes one record, or None."
            )
        if blocking and (inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(type(hook).__call__)):
            raise ConfigurationError(
                f"{name} is a coroutine function", hint="Client calls hooks and awaits nothing; AsyncClient does."
            )
    hooks = (present or Hooks())._replace(**changed)
    return hooks if any(hooks) else None


class Watch:
    """One call, as its hooks are to see it: each attempt once, when it is known how it ended, and the end once."""

    __slots__ = ("_hooks", "_key", "_model", "_pending", "_records", "_sending", "_streamed", "_told")

    def __init__(self, hooks: Hooks, model: str | None, records: list[AttemptRecord], key: str | None = None) -> None:
        self._hooks = hooks
        self._key = key
        self._model = model
        self._records = records
        self._told = 0
        self._sending: tuple[int, float, float] | None = None
        self._streamed = False
        # Taken by whoever ends the call: a stream can be closed by two threads at the same time.
        self._pending = [hooks.on_done]

    def failed(self, retry_in: float, error: APIError | None) -> Notices:
        """What is told before the wait for the next attempt.

        Args:
            retry_in: Seconds until then.
            error: How the last one ended, if there was one.
        """
        return self._attempted(error, retry_in)

    def sending(self, attempt: Attempt, elapsed: float) -> Notices:
        """What is told before the request goes out, `elapsed` seconds after the call began."""
        self._sending = len(self._records), attempt.wait, elapsed
        request = attempt.request
        self._streamed = request.stream
        hook = self._hooks.before_send
        if hook is None:
            return ()
        keys = keys_of(request, self._key)
        event = SendEvent(
            method=request.method,
            url=without_secrets(request.url, keys),
            headers=shown_headers(request.headers, keys),
            body=shown_body(request.body, keys),
            model=self._model,
            streamed=request.stream,
            number=len(self._records) + 1,
            waited=attempt.wait,
        )
        return (Notice("before_send", hook, event),)

    def answered(self, answer: BaseModel, elapsed: float) -> Notices:
        """What is told at the end of a call that got a whole answer."""
        meta = meta_of(answer)
        if not isinstance(answer, ChatCompletion):
            return self.done(None, elapsed, meta=meta, complete=True)
        return self.done(None, elapsed, meta=meta, usage=answer.usage, complete=True, answered=answer.model)

    def done(
        self,
        error: BaseException | None,
        elapsed: float,
        *,
        meta: Meta | None = None,
        usage: CompletionUsage | None = None,
        complete: bool = False,
        answered: str | None = None,
    ) -> Notices:
        """What is told at the end; nothing when it is told already.

        Args:
            error: How the call failed.
            elapsed: Seconds since it began.
            meta: How it went, where there was an answer.
            usage: Token counts, where they came.
            complete: Whether the whole answer came.
            answered: The model that the answer names.
        """
        try:
            hook = self._pending.pop()
        except IndexError:
            return ()
        if self._sending is None:
            return ()  # refused before anything was sent
        known = error if isinstance(error, APIError) else None
        if error is not None and known is None:
            self._interrupted(error, elapsed)
        notices = self._attempted(known, None)
        if hook is None:
            return notices
        if meta is None and known is not None:
            meta = known.meta
        elif meta is None and self._records:
            meta = meta_from(None, self._records, total=elapsed)
        event = DoneEvent(self._model, meta, usage, error, self._streamed, complete, answered or None)
        return (*notices, Notice("on_done", hook, event))

    def _interrupted(self, error: BaseException, elapsed: float) -> None:
        """An attempt that was under way when the call was cancelled may have been billed like any that broke."""
        if self._sending is not None and self._sending[0] == len(self._records):
            _, waited, began = self._sending
            self._records.append(AttemptRecord(None, type(error).__name__, "unknown", waited, elapsed - began, None))

    def _attempted(self, error: APIError | None, retry_in: float | None) -> Notices:
        told, self._told = self._told, len(self._records)
        hook = self._hooks.on_attempt
        if hook is None or told == self._told:
            return ()
        # Each attempt is told before the next begins, so that there is one at most.
        event = AttemptEvent(self._records[-1], error, retry_in, self._model, self._told)
        return (Notice("on_attempt", hook, event),)
