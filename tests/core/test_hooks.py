from __future__ import annotations

import asyncio
import functools
import pickle

import pytest

from wandb_inference import APITimeoutError, ConfigurationError
from wandb_inference._core.hooks import Hooks, hooks_of
from wandb_inference._core.wire import Attempt, Context, Request, Timeouts
from wandb_inference.exceptions import AttemptRecord
from wandb_inference.types import AttemptEvent, ChatCompletion, CompletionUsage, DoneEvent, SendEvent
from wandb_inference.types._wire import with_meta
from wandb_inference.types.meta import Meta

URL = "https://api.inference.wandb.ai/v1/chat/completions"
REQUEST = Request(
    "POST",
    f"{URL}?key=hush",
    {"a": "b", "x-token": "hush"},
    b'{"private": 1}',
    Timeouts(),
    Context("", "m"),
    stream=True,
)
RECORD = AttemptRecord(200, None, "answered", 0.0, 0.5, "r")
ALL = Hooks(print, repr, str)


async def waits(event):
    """An async hook."""


class Waits:
    """An async hook of another kind."""

    async def __call__(self, event):
        """Waits."""


class TestGiven:
    """Hooks as they are given."""

    def test_none(self):
        """Without a hook there are none, and the last one that is removed takes the rest along."""
        assert hooks_of({}, None, blocking=True) is None
        assert hooks_of({"on_done": None}, Hooks(on_done=print), blocking=True) is None

    def test_over_those_there_are(self):
        """What is given takes the place of what was there; the others stay."""
        assert hooks_of({"on_done": print, "on_attempt": None}, ALL, blocking=True) == Hooks(print, None, print)

    @pytest.mark.parametrize("name", Hooks._fields)
    def test_not_callable(self, name):
        """What can't be called is refused by its name."""
        with pytest.raises(ConfigurationError, match=f"{name} is of type str"):
            hooks_of({name: "print"}, None, blocking=False)

    @pytest.mark.parametrize("hook", [waits, functools.partial(waits), Waits()])
    def test_async(self, hook):
        """A coroutine function is for the client that awaits it."""
        with pytest.raises(ConfigurationError, match="on_done is a coroutine function") as caught:
            hooks_of({"on_done": hook}, None, blocking=True)

        assert "AsyncClient" in (caught.value.hint or "")
        assert hooks_of({"on_done": hook}, None, blocking=False) == Hooks(on_done=hook)


class TestWatch:
    """What one call tells its hooks."""

    def test_a_good_call(self):
        """The sending, then the attempt and the end together."""
        records: list[AttemptRecord] = []
        watch = ALL.watch("m", records)

        assert watch.failed(0.0, None) == ()
        (sending,) = watch.sending(Attempt(REQUEST, 0.25), 0.1)
        records.append(RECORD)
        meta = Meta("r", 200, {}, tuple(records), 0.5, None, 1.0)
        usage = CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
        answer = with_meta(ChatCompletion(choices=[], usage=usage), meta)
        attempt, done = watch.answered(answer, 1.0)

        assert (sending.name, sending.hook) == ("before_send", print)
        assert sending.event == SendEvent(
            "POST", f"{URL}?key=***", {"a": "b", "x-token": "***"}, REQUEST.body, "m", True, 1, 0.25
        )
        assert (attempt.name, attempt.hook) == ("on_attempt", repr)
        assert attempt.event == AttemptEvent(RECORD, None, None, "m", 1)
        assert (done.name, done.hook) == ("on_done", str)
        assert done.event == DoneEvent("m", meta, usage, None, True, True)
        assert watch.done(None, 2.0) == ()

    def test_a_retry(self):
        """A failed attempt is told before the wait, once, and the next has its number."""
        records: list[AttemptRecord] = []
        watch = ALL.watch(None, records)
        watch.sending(Attempt(REQUEST, 0.0), 0.1)
        records.append(RECORD._replace(error="no"))
        error = APITimeoutError("no")

        (failed,) = watch.failed(0.5, error)

        assert failed.event == AttemptEvent(records[0], error, 0.5, None, 1)
        assert watch.failed(0.5, error) == ()
        (sending,) = watch.sending(Attempt(REQUEST, 0.5), 0.6)
        assert isinstance(sending.event, SendEvent)
        assert (sending.event.number, sending.event.waited) == (2, 0.5)

    def test_an_error(self):
        """The end has the error, and what the error knows of the call."""
        records: list[AttemptRecord] = []
        watch = ALL.watch("m", records)
        watch.sending(Attempt(REQUEST._replace(stream=False), 0.0), 0.1)
        records.append(RECORD._replace(error="no"))
        error = APITimeoutError("no")
        error.meta = Meta(None, None, {}, tuple(records), None, None, 1.0)

        attempt, done = watch.done(error, 1.0)

        assert attempt.event == AttemptEvent(records[0], error, None, "m", 1)
        assert done.event == DoneEvent("m", error.meta, None, error, False, False)

    def test_nothing_sent(self):
        """Where nothing was sent there is no attempt, and nothing to know of the call."""
        watch = ALL.watch("m", [])
        watch.sending(Attempt(REQUEST, 0.0), 0.1)
        error = ConfigurationError("closed")

        (done,) = watch.done(error, 1.0)

        assert done.event == DoneEvent("m", None, None, error, True, False)

    def test_cancelled_while_it_was_sent(self):
        """An attempt that was under way may have been billed."""
        watch = ALL.watch("m", [RECORD])
        watch.failed(0.5, None)
        watch.sending(Attempt(REQUEST, 0.5), 1.0)
        error = asyncio.CancelledError()

        attempt, done = watch.done(error, 3.0)

        record = AttemptRecord(None, "CancelledError", "unknown", 0.5, 2.0, None)
        assert attempt.event == AttemptEvent(record, None, None, "m", 2)
        assert isinstance(done.event, DoneEvent)
        assert done.event.meta is not None
        assert (done.event.meta.attempts, done.event.meta.total, done.event.error) == ((RECORD, record), 3.0, error)

    def test_cancelled_between_attempts(self):
        """Where no attempt was under way there is none to tell of."""
        records: list[AttemptRecord] = []
        watch = ALL.watch("m", records)
        watch.sending(Attempt(REQUEST, 0.0), 0.1)
        records.append(RECORD)
        watch.failed(0.5, None)

        (done,) = watch.done(asyncio.CancelledError(), 3.0)

        assert isinstance(done.event, DoneEvent)
        assert done.event.meta is not None
        assert records == [RECORD]

    def test_a_call_that_was_never_sent(self):
        """Nothing is told of a call that was refused before anything was sent."""
        assert ALL.watch("m", []).done(ValueError(), 0.1) == ()

    def test_without_hooks(self):
        """Only those that are there are told."""
        watch = Hooks().watch("m", [])

        assert watch.sending(Attempt(REQUEST, 0.0), 0.1) == ()
        assert watch.done(None, 1.0) == ()


def test_records():
    """They are plain data, and the body is not shown."""
    (notice,) = ALL.watch("m", []).sending(Attempt(REQUEST, 0.0), 0.1)
    (bodyless,) = ALL.watch("m", []).sending(Attempt(REQUEST._replace(body=None), 0.0), 0.1)

    assert pickle.loads(pickle.dumps(notice.event)) == notice.event
    assert "body=<14 bytes>" in repr(notice.event)
    assert "private" not in repr(notice.event)
    assert "body=None" in repr(bodyless.event)
