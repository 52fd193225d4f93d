"""A chat request without a task: while all is well, nothing has to be waited for but the answer, and callbacks do that.

It goes the router's short way, at a third of the cost. Whatever else comes (a stream, a limit, a connection that has to
be made, an answer that comes in many parts, an error) is handed over to a task, which goes on from there by the steps of
`Chat` and `Attempt`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from .._transport.clocks import ClockError, Limit
from .answers import CLOSE, JSON_LINE, chat_headers, cost_headers
from .asked import NOTHING
from .attempt import Attempt
from .call import Call
from .chat import Chat, headers_for
from .errors import GatewayError, draining, internal_error
from .requests import ChatRequest, body_for, read_request
from .routing import Caller, Failure, Finished, Pick, Ride, Step
from .upstream import ERRORS, failure_of
from .whole import read_answer

if TYPE_CHECKING:
    from .._transport.async_exchange import AsyncDirectExchange
    from .app import Gateway

logger = logging.getLogger("wandb_inference.gateway")

_MOST: Final = 256 * 1024
"""Bytes of an answer that are put together here."""


class Handed(NamedTuple):
    """A request that a task is to go on with."""

    chat: Chat
    step: Step | Attempt | None
    """What is to be done next; `None`: begin."""


class Line(Protocol):
    """The client's side of the connection."""

    left: Callable[[], None] | None

    def answer(self, head: bytes, body: bytes) -> bool:
        """Writes a whole answer of status 200 at once."""
        ...

    def hand_over(self, handed: Handed) -> None:
        """Has a task go on."""
        ...


class Express:
    """A chat request without a task. What arrives for it is told to it as to a future.

    Args:
        gateway: The gateway.
        line: The client's side of the connection.
        call: The request.
        caller: Who asks.
        request: What for.
        ride: Its way; `None`: the long one.
    """

    __slots__ = ("_body", "_call", "_caller", "_exchange", "_gateway", "_is_handed", "_line", "_request", "_ride")

    _exchange: AsyncDirectExchange

    def __init__(
        self, gateway: Gateway, line: Line, call: Call, caller: Caller, request: ChatRequest, ride: Ride | None
    ) -> None:
        self._gateway = gateway
        self._line = line
        self._call = call
        self._caller = caller
        self._request = request
        self._ride = ride
        self._body = b""
        self._is_handed = False

    @classmethod
    def take(cls, gateway: Gateway, line: Line, headers: dict[bytes, bytes], raw: bytes) -> bool:
        """Whether a request is in good hands; if not, a task is to begin it.

        Args:
            gateway: The gateway.
            line: The client's side of the connection.
            headers: The request's, none of them twice, names in lower case.
            raw: Its body.
        """
        call = Call(headers, line)
        ride: Ride | None = None
        try:
            caller = gateway.keyring.caller(headers)
            request = read_request(raw, headers, gateway.config.server)
            if not request.stream and request.asked is NOTHING:
                ride = gateway.router.ride(
                    caller, request.model, tokens=request.prompt_tokens, now=monotonic(), max_tokens=request.max_tokens
                )
            express = cls(gateway, line, call, caller, request, ride)
            handed = Handed(express._chat(), None) if ride is None else None
        except GatewayError:
            return False  # the task finds the same, and tells the client
        gateway.calls.add(call)
        call.watch(express)
        if handed is None:
            handed = express._send()
        if handed is not None:
            express._hand_over(*handed)
        return True

    # What a future does

    def done(self) -> bool:
        """Never: more may come."""
        return False

    def set_result(self, result: None, /) -> None:
        """Something has arrived, or the connection has ended."""
        try:
            self._read()
        except Exception:
            logger.exception("a request ended with a mistake of the gateway's own")
            self._exchange.abort()
            self._hand_over(self._attempt().chat, Finished(internal_error()))

    def set_exception(self, exception: ClockError, /) -> None:
        """Nothing has arrived in time."""
        self._exchange.abort()
        self._failed(failure_of(exception))

    def cancel(self) -> None:
        """The client has left, or the gateway stops: `call.reason` says which."""
        if self._is_handed:
            return  # the task looks for itself as it begins
        call = self._call
        self._exchange.abort()
        attempt = self._attempt()
        attempt.left()
        chat = attempt.chat
        if call.reason == "drained":
            call.more_headers.append(CLOSE)
            call.reason = None  # an error like others from here on
            self._hand_over(chat, Finished(draining()))
            return
        call.close()
        chat.end()
        self._gateway.ended(chat, 499)

    def _send(self) -> Handed | None:
        """Sends the request; what a task is to do where that can't be done here."""
        gateway, ride = self._gateway, cast(Ride, self._ride)
        seat, settings = ride.seat, gateway.config.router
        deployment = seat.state.deployment
        seconds = settings.timeout if deployment.timeout is None else deployment.timeout
        if settings.deadline is not None and settings.deadline < seconds:
            seconds = settings.deadline
        body = body_for(self._request, deployment, seat.id)
        more = headers_for(self._call, gateway.config.server.forward_headers)
        limit = Limit(ride.started + seconds, "deadline")
        exchange = gateway.upstream.start(deployment, body, more, self, limit)
        if exchange is None:
            return Handed(*self._planned())
        self._exchange = exchange
        return None

    def _read(self) -> None:
        exchange = self._exchange
        try:
            body, is_whole = exchange.receive()
        except ERRORS as error:
            if exchange.is_dead:
                exchange.forget()
                self._hand_over(*self._planned())  # the same attempt once more, on a new connection
            else:
                exchange.abort()
                self._failed(failure_of(error))
            return
        if not exchange.status:
            return
        body = self._body + body if self._body else body
        server = self._gateway.config.server
        most = _MOST if server.max_response_bytes is None else min(_MOST, server.max_response_bytes)
        if exchange.status != 200 or exchange.is_coded or len(body) > most:
            attempt = self._attempt()
            exchange.wait(body, attempt.clocks)
            attempt.exchange = exchange
            self._hand_over(attempt.chat, attempt)
        elif not is_whole:
            self._body = body
        else:
            exchange.release()
            self._answer(body)

    def _answer(self, raw: bytes) -> None:
        gateway, call, request, ride = self._gateway, self._call, self._request, cast(Ride, self._ride)
        metrics, name, seat = gateway.metrics, self._caller.name, ride.seat
        answer = read_answer(raw, request.model, reasoning_content=gateway.config.server.reasoning_content)
        if answer is None:
            self._failed(Failure("invalid"))
            return
        now = monotonic()
        group, usage, seconds = ride.group, answer.usage, now - ride.started
        overhead = ride.started - call.started
        cost = None
        if usage is not None:
            cost = seat.cost(usage)
            metrics.used(group, name, usage, cost)
        ride.succeeded(now, seconds=seconds, usage=usage, cost=cost)
        head = chat_headers(
            call.id, seat.state.deployment.id, group, ride.remaining(now), upstream=seconds, overhead=overhead
        )
        call.status = 200
        call.close()
        self._line.answer(b"%b%b%b" % (JSON_LINE, head, cost_headers(cost, metrics.spent.get(name))), answer.body)
        gateway.calls.discard(call)
        way = metrics.way(group, name, seat.state.deployment.id)
        way.answered(seconds=now - call.started, upstream=seconds, overhead=overhead)

    # From here on by a task

    def _chat(self) -> Chat:
        return Chat(self._gateway, self._call, self._caller, self._request)

    def _planned(self) -> tuple[Chat, Pick]:
        """The request as if it had gone the long way to here."""
        chat, ride = self._chat(), cast(Ride, self._ride)
        chat.began = ride.started
        chat.plan, pick, chat.ticket = ride.plan(chat.wishes())
        return chat, pick

    def _attempt(self) -> Attempt:
        return Attempt(*self._planned(), began=cast(Ride, self._ride).started)

    def _failed(self, failure: Failure) -> None:
        attempt = self._attempt()
        try:
            attempt.failed(failure)
            step = attempt.chat.plan.next(monotonic())
        except GatewayError as error:
            step = Finished(error)
        self._hand_over(attempt.chat, step)

    def _hand_over(self, chat: Chat, step: Step | Attempt | None) -> None:
        self._is_handed = True
        self._line.hand_over(Handed(chat, step))
