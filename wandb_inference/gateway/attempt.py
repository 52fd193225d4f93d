"""One attempt of a chat request at one deployment: what it answers is passed on, or told to be a failure."""

from __future__ import annotations

import asyncio
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from .._transport.clocks import ClockError
from .answers import JSON_LINE, STREAM, chat_headers, cost_headers, path_lines, split
from .call import ClientLeftError
from .errors import GatewayError, deadline_passed, stream_interrupted
from .heartbeat import Heartbeat
from .relay import DONE, Relay
from .requests import body_for
from .routing import Failure, Pick, Usage, error_of
from .upstream import ERRORS, clocks_of, failure_of, read_all, read_error
from .whole import Answer, read_answer

if TYPE_CHECKING:
    from .._transport.async_exchange import AsyncExchange
    from .chat import Chat

_SOON: Final = 0.02
"""Seconds before a deadline that count as at it: clocks are not read at the same time."""
_STUCK: Final = 1.0
"""Seconds after its deadline that a stream ends whose client takes nothing."""
_CLEAN_END: Final = "the service ended the stream before the answer was complete"


class Attempt:
    """One attempt.

    Args:
        chat: The request.
        pick: The deployment, whose end it tells the plan.
        began: When it began, if not now.
    """

    __slots__ = ("_began", "_pick", "_series", "chat", "clocks", "exchange")

    def __init__(self, chat: Chat, pick: Pick, began: float | None = None) -> None:
        self.chat = chat
        self._pick = pick
        self._began = monotonic() if began is None else began
        self.clocks = clocks_of(pick, self._began, stream=chat.request.stream)
        self._series = chat.gateway.metrics.model(chat.group)
        self.exchange: AsyncExchange | None = None
        """What was sent, where the head of the answer is there already."""

    async def run(self) -> bool:
        """Whether the client got an answer; if not, the plan knows how it failed.

        Raises:
            GatewayError: There is nothing more to try.
        """
        chat, pick = self.chat, self._pick
        stream = chat.request.stream
        failure: Failure | None
        exchange = self.exchange
        relay: Relay | None = None
        is_done = False
        try:
            if exchange is None:
                body = body_for(chat.request, pick.deployment, pick.model)
                exchange = await chat.gateway.upstream.send(
                    pick, body, chat.call.id, chat.more, stream=stream, clocks=self.clocks
                )
            status = exchange.answer.status
            if not 200 <= status < 300:
                failure = Failure.answered(status, exchange.answer.headers, await read_error(exchange), wall=time())
            elif stream:
                relay = self._relay()
                failure = await self._stream(exchange, relay)
                is_done = relay.done
            else:
                failure = await self._whole(exchange)
        except ERRORS as error:
            failure = failure_of(error)
        except (asyncio.CancelledError, ClientLeftError):
            self.left()
            if stream and (relay is None or not relay.begun):
                self._left(relay or self._relay())  # which has seen nothing: the prompt counts
            raise
        finally:
            if exchange is not None:
                await exchange.close(drain=is_done)
        if failure is None:
            return True
        self.failed(failure)
        return False

    def left(self) -> None:
        """The client has left, or the gateway stops."""
        self._count("left")

    def failed(self, failure: Failure) -> None:
        """Tells the plan that there is no answer.

        Raises:
            GatewayError: There is nothing more to try.
        """
        chat, pick = self.chat, self._pick
        self._count(str(failure.status) if failure.kind == "status" else failure.kind)
        chat.spent += monotonic() - self._began
        now, deadline = monotonic(), chat.plan.deadline
        chat.plan.failed(pick, failure, now)
        if failure.kind == "timeout" and deadline is not None and now >= deadline - _SOON:
            raise deadline_passed(deadline - chat.began)

    async def _whole(self, exchange: AsyncExchange) -> Failure | None:
        chat = self.chat
        raw = await read_all(exchange, chat.gateway.config.server.max_response_bytes)
        answer = read_answer(raw, chat.match.asked, reasoning_content=chat.gateway.config.server.reasoning_content)
        if answer is None:
            return Failure("invalid")
        await chat.call.respond_lines(self.answered(answer), answer.body)
        return None

    def answered(self, answer: Answer) -> bytes:
        """The lines of the head for a whole answer, which is counted."""
        chat, pick, usage = self.chat, self._pick, answer.usage
        now = monotonic()
        chat.spent += now - self._began
        cost = None if usage is None else chat.book(pick, usage)
        chat.plan.succeeded(pick, now, seconds=now - self._began, usage=usage)
        self._count("answered")
        spent = chat.gateway.metrics.spent.get(chat.caller.name)
        return b"%b%b%b" % (JSON_LINE, self._head(now), cost_headers(cost, spent))

    def _relay(self) -> Relay:
        chat = self.chat
        return Relay(
            chat.match.asked,
            wants_usage=chat.request.wants_usage,
            choices=chat.request.choices,
            reasoning_content=chat.gateway.config.server.reasoning_content,
            cost=self._pick.lease.cost,
        )

    async def _stream(self, exchange: AsyncExchange, relay: Relay) -> Failure | None:
        """Passes a stream on. A failure before its first data is one that can be tried again."""
        chat, pick = self.chat, self._pick
        stall = self.clocks.limit("stall")
        held = b""
        while not relay.begun:
            data = await exchange.read(stall)
            held += relay.feed(data) if data else relay.end()
            if relay.error is not None and not relay.begun:
                return Failure.told(relay.error)
            if (relay.is_over or not data) and not relay.begun:
                return Failure("invalid")
        now = monotonic()
        chat.plan.begun(pick, now)
        chat.spent += now - self._began
        self._series.first.observe(now - chat.call.started)
        stuck = None
        if pick.deadline is not None:  # a client that takes nothing is waited for, and nothing read that would tell
            stuck = asyncio.get_running_loop().call_later(pick.deadline + _STUCK - now, chat.call.stop, "left")
        heart = Heartbeat(chat.call, chat.request.asked.keepalive or pick.deployment.keepalive)
        try:
            spent = chat.gateway.metrics.spent.get(chat.caller.name)
            await chat.call.start(200, [*STREAM, *split(self._head(now) + cost_headers(None, spent))])
            failure = await self._pass_on(held, exchange, relay, heart)
        except BaseException:
            self._left(relay)
            raise
        finally:
            heart.stop()
            if stuck is not None:
                stuck.cancel()
        await self._end(relay, failure)
        return None

    async def _pass_on(self, held: bytes, exchange: AsyncExchange, relay: Relay, heart: Heartbeat) -> Failure | None:
        """Passes the rest of a stream on, until its end or a failure."""
        call = self.chat.call
        stall = self.clocks.limit("stall")
        if held:
            await call.write(held)
        events = relay.events
        try:
            while not relay.is_over:
                data = await exchange.read(stall)
                sent = relay.feed(data) if data else relay.end()
                if sent:
                    heart.beaten()
                    await call.write(sent)
                if not data:
                    break
                if relay.events != events:  # comments are signs of life of a connection, not of an answer
                    events = relay.events
                    stall = self.clocks.limit("stall")
        except ClockError as error:
            broken = "the time for the request is over" if error.clock == "deadline" else "the service fell silent"
        except ERRORS:
            broken = "the connection to the service broke"
        else:
            if relay.error is not None:
                return Failure.told(relay.error)
            broken = _CLEAN_END if relay.broken is None else f"the service sent {relay.broken}"
        return None if relay.is_complete else Failure("stream", message=broken)

    async def _end(self, relay: Relay, failure: Failure | None) -> None:
        """Ends a stream that had begun, with an error event where it failed."""
        chat, pick = self.chat, self._pick
        now, usage = monotonic(), relay.usage
        if failure is None:
            chat.plan.succeeded(pick, now, seconds=now - self._began, usage=usage)
            self._count("answered")
            rest = b"" if relay.done else DONE
        else:
            self._count("interrupted")
            usage = usage or self._guess(relay)
            chat.plan.failed(pick, failure, now, usage)
            rest = b"data: " + self._error(failure).body() + b"\n\n"
        if usage is not None:
            chat.book(pick, usage)
        await chat.call.finish(rest)

    def _error(self, failure: Failure) -> GatewayError:
        if failure.kind == "stream":
            return stream_interrupted(failure.message)
        return error_of(failure, self._pick.deployment)

    def _left(self, relay: Relay) -> None:
        """Books what a stream used until the client left it, or it had to be ended."""
        chat, pick = self.chat, self._pick
        usage = relay.usage or self._guess(relay)
        chat.book(pick, usage)
        chat.plan.left(pick, monotonic(), usage)

    def _guess(self, relay: Relay) -> Usage:
        return Usage(self.chat.request.prompt_tokens, relay.events)

    def _head(self, now: float) -> bytes:
        chat = self.chat
        overhead = max(0.0, now - chat.call.started - chat.spent)
        self._series.overhead.observe(overhead)
        plan, pick = chat.plan, self._pick
        path = path_lines(pick.deployment.id, pick.group, plan.attempts, plan.retries, plan.fallbacks)
        return chat_headers(chat.call.id, path, chat.ticket.remaining(now), chat.spent, overhead)

    def _count(self, outcome: str) -> None:
        self.chat.gateway.metrics.attempts.of(self._pick.group, self._pick.deployment.id, outcome).value += 1
