"""Things that go wrong on the way, as changes of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, cycle

from ._errors import error, error_body
from ._plan import DONE, FOREVER, KEEP_ALIVE, Break, Pause, Plan, Send, Step, event, json_answer, whole

Change = Callable[[Plan], Plan]

_LOGIN_PAGE = b"<!doctype html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong; made by its class methods, queued with `Emulator.fault`.

    `after_chunks` counts the data events of a stream that still arrive, from 0; a stream that has fewer breaks at its
    end. Of an answer that comes in one piece half arrives, or nothing for 0.
    """

    name: str
    """What goes wrong, as it was written."""
    change: Change = field(repr=False, compare=False)
    """The answer as it goes wrong."""
    times: int = 1
    """How many answers it strikes."""

    @classmethod
    def cut(cls, after_chunks: int | None = 1) -> Fault:
        """The server closes the connection in the middle of the answer; `None`: instead of answering."""
        return cls(f"cut(after_chunks={after_chunks})", _broken(Break.CUT, after_chunks))

    @classmethod
    def reset(cls, after_chunks: int | None = None) -> Fault:
        """The connection is reset in the middle of the answer; `None`: instead of answering."""
        return cls(f"reset(after_chunks={after_chunks})", _broken(Break.RESET, after_chunks))

    @classmethod
    def refuse(cls) -> Fault:
        """The connection is refused. On a port, where it is already open, it is reset."""
        return cls("refuse()", _broken(Break.REFUSE, None))

    @classmethod
    def stall(
        cls, after_chunks: int | None = 1, seconds: float = FOREVER, *, comment_every: float | None = None
    ) -> Fault:
        """The answer stops for a while.

        Args:
            after_chunks: Data events before it; `None`: not even the headers come.
            seconds: How long it lasts; until the client gives up, unless told otherwise.
            comment_every: Seconds between `: keep-alive` comments meanwhile; `None`: there are none. A read timeout
                never ends such a stall.
        """
        if after_chunks is None and comment_every is not None:
            raise ValueError("comments need a body: give after_chunks=0 or more")

        def change(plan: Plan) -> Plan:
            if after_chunks is None:
                return plan._replace(before=(*plan.before, Pause(seconds)))
            head, rest = _split(plan, after_chunks)
            if comment_every is None:
                return plan._replace(body=chain(head, [Pause(seconds)], rest))
            beat: list[Step] = [Pause(comment_every), Send(KEEP_ALIVE)]
            beats = cycle(beat) if seconds >= FOREVER else beat * round(seconds / comment_every)
            return plan._replace(body=chain(head, beats, rest))

        return cls(f"stall(after_chunks={after_chunks}, seconds={seconds:g})", change)

    @classmethod
    def drip(cls, bytes: int = 1, seconds: float = 0.01) -> Fault:
        """The body comes in pieces of so many bytes, so many seconds apart."""

        def change(plan: Plan) -> Plan:
            return plan._replace(body=_dripped(plan, bytes, seconds))

        return cls(f"drip(bytes={bytes}, seconds={seconds:g})", change)

    @classmethod
    def bad_json(cls, after_chunks: int = 1) -> Fault:
        """One event, or the body, is half a JSON value; a stream goes on after it."""

        def change(plan: Plan) -> Plan:
            head, rest = _split(plan, after_chunks)
            if not plan.streams:
                half = _bytes(plan.body)
                broken = whole(plan.status, half[: len(half) // 2], plan.headers["content-type"])
                return broken._replace(before=plan.before)
            broken_event = Send(b'data: {"id": "chatcmpl-broken", "choices": [{"index": 0, "del\n\n')
            return plan._replace(body=(*head, broken_event, *rest[1:]))

        return cls(f"bad_json(after_chunks={after_chunks})", change)

    @classmethod
    def error_event(
        cls,
        code: int | str = 429,
        message: str | None = None,
        *,
        after_chunks: int = 1,
        named_event: bool = False,
        json: object = None,
    ) -> Fault:
        """A stream that ends in an error object; in one piece, an error object with status 200.

        Args:
            code: Its `code`, an HTTP status or a word.
            message: Its `message`; `None` means the documented one.
            after_chunks: Data events before it.
            named_event: Whether the event is named `error`.
            json: The event's whole data, in place of `{"error": {...}}`.
        """
        data = error_body(code if isinstance(code, int) else 500, message, code=code) if json is None else json

        def change(plan: Plan) -> Plan:
            if not plan.streams:
                return json_answer(200, data)._replace(before=plan.before)
            sent = event(data)
            name = b"event: error\n" if named_event else b""
            return plan._replace(body=(*_split(plan, after_chunks)[0], Send(name + sent.data)))

        return cls(f"error_event({code!r}, after_chunks={after_chunks})", change)

    @classmethod
    def html(cls, status: int = 200) -> Fault:
        """A login page in place of the answer."""
        return cls(f"html({status})", _replaced(whole(status, _LOGIN_PAGE, "text/html; charset=utf-8")))

    @classmethod
    def status(
        cls,
        status: int,
        message: str | None = None,
        *,
        code: str | int | None = None,
        headers: dict[str, str] | None = None,
        times: int = 1,
    ) -> Fault:
        """An error in place of the answer, with the service's documented body unless told otherwise."""
        return cls(f"status({status})", _replaced(error(status, message, code=code, headers=headers)), times)

    @classmethod
    def storm(cls, status: int = 429, times: int = 3, *, retry_after: float | None = None) -> Fault:
        """The same error several times running; `retry_after` in seconds is sent along."""
        headers = None if retry_after is None else {"retry-after": f"{retry_after:g}"}
        return cls(f"storm({status}, times={times})", _replaced(error(status, headers=headers)), times)

    @classmethod
    def empty(cls, status: int = 200) -> Fault:
        """An answer without a body: of the content type that was asked for, and complete."""

        def change(plan: Plan) -> Plan:
            if plan.streams:
                return plan._replace(status=status, body=())
            return whole(status, b"", plan.headers.get("content-type", ""))._replace(before=plan.before)

        return cls(f"empty({status})", change)

    @classmethod
    def no_done(cls) -> Fault:
        """A stream that ends in good order, but without `[DONE]`."""
        return cls("no_done()", _without(lambda data: data == DONE))

    @classmethod
    def no_finish(cls, *, done: bool = False) -> Fault:
        """A stream that ends in good order, but without a finish reason; `[DONE]` comes only if asked for."""

        def drop(data: bytes) -> bool:
            return (data == DONE and not done) or b'"finish_reason":"' in data

        return cls(f"no_finish(done={done})", _without(drop))

    @classmethod
    def end(cls, after_chunks: int = 1) -> Fault:
        """A stream that ends in good order, but too early."""

        def change(plan: Plan) -> Plan:
            return plan._replace(body=_split(plan, after_chunks)[0]) if plan.streams else plan

        return cls(f"end(after_chunks={after_chunks})", change)


def _split(plan: Plan, after_chunks: int) -> tuple[list[Step], list[Step]]:
    """The body's steps before and after so many chunks."""
    steps = list(plan.body)
    if not plan.streams:
        data = _bytes(steps)
        half = len(data) // 2 if after_chunks else 0
        return [Send(data[:half])] if half else [], [Send(data[half:])]
    ends = [at + 1 for at, step in enumerate(steps) if isinstance(step, Send) and step.data.startswith(b"data:")]
    at = ([0, *ends][after_chunks]) if after_chunks <= len(ends) else len(steps)
    return steps[:at], steps[at:]


def _broken(how: Break, after_chunks: int | None) -> Change:
    def change(plan: Plan) -> Plan:
        if after_chunks is None:
            return plan._replace(before=(*plan.before, how))
        return plan._replace(body=(*_split(plan, after_chunks)[0], how))

    return change


def _replaced(answer: Plan) -> Change:
    return lambda plan: answer._replace(before=plan.before)


def _without(drop: Callable[[bytes], bool]) -> Change:
    def change(plan: Plan) -> Plan:
        if not plan.streams:
            return plan
        return plan._replace(body=[step for step in plan.body if not (isinstance(step, Send) and drop(step.data))])

    return change


def _dripped(plan: Plan, size: int, seconds: float) -> list[Step]:
    steps: list[Step] = []
    for step in plan.body:
        if isinstance(step, Send):
            for start in range(0, len(step.data), size):
                steps += [Send(step.data[start : start + size]), Pause(seconds)]
        else:
            steps.append(step)
    return steps


def _bytes(steps: Iterable[Step]) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Send))
