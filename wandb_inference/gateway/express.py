"""A chat request without a task: while all is well, nothing has to be waited for but the answer, and callbacks do that.

Where it can, it goes the router's short way, at less than half the cost. Whatever else comes (a stream, a line to wait
in, a connection that has to be made, an error) is handed over to a task, which goes on from there by `Chat.run()`.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from .._transport.async_exchange import AsyncDirectExchange
from .._transport.clocks import ClockError
from .._transport.http11 import ProtocolError, read_whole
from .answers import CLOSE, JSON_LINE, chat_headers, cost_headers, path_lines
from .asked import NOTHING
from .attempt import Attempt
from .call import Call, Connection, Reason
from .chat import Chat, headers_for
from .errors import GatewayError, answer_too_large, draining, internal_error
from .metrics import WayMetrics
from .requests import ChatRequest, body_for, read_request
from .routing import Caller, Failure, Finished, Pick, Ride, Step
from .upstream import Place, failure_of
from .whole import Answer, read_answer

if TYPE_CHECKING:
    from .._transport.async_connection import AsyncConnection
    from .app import Gateway
    from .config import Match

logger = logging.getLogger("wandb_inference.gateway")

_MOST: Final = 256 * 1024
"""Bytes of an answer that are put together here."""


class Handed(NamedTuple):
    """A request that a task is to go on with."""

    chat: Chat
    step: Step | Attempt | GatewayError | None
    """What is to be done next; `None`: begin; an error: nothing, as it may not come in."""


class Line(Connection, Protocol):
    """The client's side of the connection."""

    def reply(self, head: bytes, body: bytes) -> None:
        """Writes a whole answer of status 200."""
        ...

    def hand_over(self, handed: Handed) -> None:
        """Has a task go on."""
        ...


class _Stop(NamedTuple):
    """What is looked up once for a short way's requests at one of its deployments."""

    place: Place
    seconds: float
    """For a whole answer."""
    series: WayMetrics
    path: bytes
    """What answers say of it."""


class Express(Call):
    """A chat request without a task. It watches the connection to the service.

    Args:
        gateway: The gateway.
        line: The client's side of the connection.
        headers: The request's, names in lower case.
    """

    _caller: Caller
    _request: ChatRequest
    _sent: float
    _ride: Ride
    _stop: _Stop
    _place: Place
    _way: AsyncConnection
    _exchange: AsyncDirectExchange | None = None
    _body = b""
    _is_handed = False
    _settled: Match | None = None
    """What the request was for, once what it held is given back and what it used is booked."""
    _made: tuple[Chat, Pick] | None = None
    """The request as one with a plan: from its beginning, or since it was to become one."""

    def __init__(self, gateway: Gateway, line: Line, headers: dict[bytes, bytes]) -> None:
        super().__init__(headers, line)
        self._gateway = gateway
        self._line = line

    @classmethod
    def take(cls, gateway: Gateway, line: Line, headers: dict[bytes, bytes], raw: bytes) -> bool:
        """Whether a request is in good hands; if not, a task is to begin it.

        Args:
            gateway: The gateway.
            line: The client's side of the connection.
            headers: The request's, none of them twice, names in lower case.
            raw: Its body.
        """
        if gateway.is_draining:
            return False
        express = cls(gateway, line, headers)
        try:
            express._caller = gateway.keyring.caller(headers)
            express._request = read_request(raw, headers, gateway.config.server)
            handed = express._begin()
        except Exception:
            return False  # the task meets the same, and tells the client
        gateway.calls.add(express)
        line.left = express._leave
        if handed is not None:
            express._hand_over(handed)
        return True

    def _begin(self) -> Handed | None:
        """Sends the request; what a task is to do where that can't be done here."""
        gateway, request = self._gateway, self._request
        if request.stream:
            return Handed(Chat(gateway, self, self._caller, request), None)
        self._sent = now = monotonic()
        if request.asked is NOTHING and request.choices == 1:
            ride = gateway.router.ride(self._caller, request.model, request.prompt_tokens, request.max_tokens, now)
            if ride is not None:
                return self._begin_short(ride)
        return self._begin_long()

    def _begin_short(self, ride: Ride) -> Handed | None:
        self._ride = ride
        try:
            stop = self._stop = ride.way.notes.get(ride.seat) or self._look_up(ride)
            is_sent = self._submit(stop.place, ride.seat.id, ride.started + stop.seconds)
            return None if is_sent else Handed(*self._planned())
        except GatewayError as error:
            return Handed(self._planned()[0], Finished(error))
        except Exception:
            return self._mistake()

    def _begin_long(self) -> Handed | None:
        chat = Chat(self._gateway, self, self._caller, self._request)
        try:
            step = chat.begin()
        except GatewayError as error:
            return Handed(chat, error)
        if not isinstance(step, Pick):
            return Handed(chat, step)
        self._made = chat, step
        due = self._sent + step.timeout
        try:
            place = self._gateway.upstream.place(step.deployment)
            is_sent = self._submit(place, step.model, due if step.deadline is None else min(due, step.deadline))
            return None if is_sent else Handed(chat, step)
        except GatewayError as error:
            return Handed(chat, Finished(error))
        except Exception:
            return self._mistake()

    def _submit(self, place: Place, model: str, due: float) -> bool:
        """Whether the request could be sent on a connection that is there already."""
        gateway, origin = self._gateway, place.pooled
        if origin is None:
            return False
        body = body_for(self._request, place.deployment, model)
        request = place.wire(body, self.id, headers_for(self.headers, gateway.config.server))
        connection = gateway.upstream.pool.take(origin)
        if connection is None:
            return False
        connection.write_now(request)
        connection.watch(self, due)
        self._way, self._place = connection, place
        return True

    def _look_up(self, ride: Ride) -> _Stop:
        gateway, deployment, settings = self._gateway, ride.seat.state.deployment, ride.way.config.router
        seconds = settings.timeout if deployment.timeout is None else deployment.timeout
        place, group = gateway.upstream.place(deployment), ride.way.match.group.name
        stop = ride.way.notes[ride.seat] = _Stop(
            place,
            seconds if settings.deadline is None else min(seconds, settings.deadline),
            gateway.metrics.way(group, self._caller.name, deployment.id),
            path_lines(deployment.id, group),
        )
        return stop

    # What the connection to the service tells

    def received(self, data: bytes) -> None:
        """A part of the answer has arrived, or all of it."""
        try:
            if self._exchange is None:
                raw = read_whole(data)
                if raw is not None:
                    connection = self._way
                    connection.unwatch()
                    self._gateway.upstream.pool.put(self._place.origin, connection)
                    self._answer(raw)
                    return
            self._read(data)
        except Exception:
            self._fail()

    def lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        try:
            exchange = self._reading()
            if exchange.is_untouched:
                pool = self._gateway.upstream.pool
                pool.discard(self._way)
                pool.clear(self._place.origin)
                attempt = self._attempt()
                self._hand_over(Handed(attempt.chat, attempt))  # the same once more, on a new connection
            elif error is not None:
                self._broken(error)
            else:
                self._read(b"")
        except Exception:
            self._fail()

    def late(self, error: ClockError) -> None:
        """The answer is not there in time."""
        try:
            self._broken(error)
        except Exception:
            self._fail()

    # What the client's side tells

    def stop(self, reason: Reason) -> None:
        """The client has left, or the gateway stops."""
        if self._is_handed:
            super().stop(reason)
            return
        attempt = self._attempt()
        self._abort()
        attempt.left()
        if reason == "drained":
            self.more_headers = (*self.more_headers, CLOSE)
            self._hand_over(Handed(attempt.chat, Finished(draining())))
            return
        self._made = None
        self.close()
        attempt.chat.end()
        self._gateway.ended(attempt.chat, 499)

    # The answer

    def _reading(self) -> AsyncDirectExchange:
        exchange = self._exchange
        if exchange is None:
            pool, origin = self._gateway.upstream.pool, self._place.origin
            exchange = self._exchange = AsyncDirectExchange.under_way(pool, origin, self._way)
        return exchange

    def _read(self, data: bytes) -> None:
        """Reads an answer that comes in parts, or that is not plain."""
        exchange = self._reading()
        try:
            body, is_whole = exchange.feed(data)
        except ProtocolError as error:
            self._broken(error)
            return
        if not exchange.status:
            return
        body = self._body + body if self._body else body
        if exchange.status != 200 or exchange.is_coded or len(body) > _MOST:
            self._way.unwatch()
            attempt = self._attempt()
            exchange.wait(body, attempt.clocks)
            attempt.exchange = exchange
            self._hand_over(Handed(attempt.chat, attempt))
        elif not is_whole:
            self._body = body
        else:
            self._way.unwatch()
            exchange.release()
            self._answer(body)

    def _answer(self, raw: bytes) -> None:
        """Answers with what the service said."""
        gateway = self._gateway
        server = gateway.config.server
        most = server.max_response_bytes
        if most is not None and len(raw) > most:
            self._hand_over(Handed(self._planned()[0], Finished(answer_too_large(most))))
            return
        answer = read_answer(raw, self._request.model, reasoning_content=server.reasoning_content)
        if answer is None:
            self._failed(Failure("invalid"))
            return
        if self._made is not None:
            self._reply_long(*self._made, answer)
            return
        ride, stop, usage, now = self._ride, self._stop, answer.usage, monotonic()
        way, seconds, overhead = ride.way, now - ride.started, ride.started - self.started
        cost = None if usage is None else ride.seat.cost(usage)
        self._settled = way.match
        way.over(ride, now, seconds=seconds, usage=usage)
        spent = stop.series.answered(usage, cost, now - self.started, seconds, overhead)
        head = chat_headers(self.id, stop.path, way.remaining(now), seconds, overhead)
        gateway.calls.discard(self)
        self._reply(b"%b%b%b" % (JSON_LINE, head, cost_headers(cost, spent)), answer.body)

    def _reply_long(self, chat: Chat, pick: Pick, answer: Answer) -> None:
        """The same for a request that has a plan."""
        head = Attempt(chat, pick, self._sent).answered(answer)
        self._made, self._settled = None, chat.match
        chat.end()
        self._gateway.ended(chat, 200)
        self._reply(head, answer.body)

    def _reply(self, head: bytes, body: bytes) -> None:
        self.status = 200
        self.is_over = True
        self._line.left = None
        self._line.reply(head, body)

    def _broken(self, error: Exception) -> None:
        """There is no answer, for one of `ERRORS`."""
        self._abort()
        self._failed(failure_of(error))

    def _failed(self, failure: Failure) -> None:
        attempt = self._attempt()
        try:
            attempt.failed(failure)
            step = attempt.chat.plan.next(monotonic())
        except GatewayError as error:
            step = Finished(error)
        self._hand_over(Handed(attempt.chat, step))

    def _fail(self) -> None:
        """An exception that nobody thought of: the client is told, and nobody waits for ever."""
        self._abort()
        self._hand_over(self._mistake())

    def _mistake(self) -> Handed:
        logger.exception("a request ended with a mistake of the gateway's own")
        if self._settled is not None:
            return Handed(Chat(self._gateway, self, self._caller, self._request, self._settled), internal_error())
        return Handed(self._planned()[0], Finished(internal_error()))

    def _abort(self) -> None:
        self._way.unwatch()
        self._gateway.upstream.pool.discard(self._way)

    # From here on by a task

    def _planned(self) -> tuple[Chat, Pick]:
        """The request as if it had gone the long way to here."""
        if self._made is None:
            ride = self._ride  # with the match that it began with: a reload may have taken it away
            chat = Chat(self._gateway, self, self._caller, self._request, ride.way.match)
            chat.began = ride.started
            chat.plan, pick, chat.ticket = ride.way.plan(ride, chat.wishes())
            self._made = chat, pick
        return self._made

    def _attempt(self) -> Attempt:
        return Attempt(*self._planned(), began=self._sent)

    def _hand_over(self, handed: Handed) -> None:
        self._is_handed = True
        self._made = None  # the task has it, and it knows this call
        self._line.hand_over(handed)
