"""A chat request from its admission to its end: whom the router says to ask is asked, and the answer passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from time import monotonic
from typing import TYPE_CHECKING, Final

from .attempt import Attempt
from .auth import PRIVATE_HEADERS
from .call import Call
from .config import NEVER_FORWARDED, Match, ServerSettings
from .errors import GatewayError, several_models, unknown_model
from .requests import ChatRequest
from .routing import Caller, Pick, Plan, Queue, Sleep, Step, Ticket, Usage, Wishes

if TYPE_CHECKING:
    from .app import Gateway

_SUGGESTIONS: Final = 3
_OWN: Final = PRIVATE_HEADERS | {name.encode() for name in NEVER_FORWARDED} | {b"x-request-id"}
_NONE: Final[Mapping[bytes, bytes]] = {}
_TRACE: Final[tuple[bytes, ...]] = (b"traceparent", b"tracestate")
_LONGEST: Final = 1000
"""Characters of a model's name. To look for what a longer one may have meant takes long."""


class Chat:
    """One chat request.

    Args:
        gateway: The gateway.
        call: The request as the server has it.
        caller: Who asks.
        request: What for.
        match: What the name of its model leads to, where that is known already.
    """

    __slots__ = (
        "began",
        "call",
        "caller",
        "cost",
        "gateway",
        "group",
        "match",
        "more",
        "plan",
        "request",
        "spent",
        "ticket",
        "used",
    )

    plan: Plan
    ticket: Ticket

    def __init__(
        self, gateway: Gateway, call: Call, caller: Caller, request: ChatRequest, match: Match | None = None
    ) -> None:
        self.gateway = gateway
        self.call = call
        self.caller = caller
        self.request = request
        self.match = match or self._find()
        self.more = headers_for(call.headers, gateway.config.server)
        self.began = 0.0
        self.spent = 0.0  # seconds that the service took
        self.used: Usage | None = None
        self.cost: Decimal | None = None
        """What the last attempt that anything is known of used, and what that cost."""
        self.group = self.match.group.name
        """The model's group, for metrics: of those there are few, whatever clients ask for."""

    def book(self, pick: Pick, usage: Usage) -> Decimal | None:
        """Counts what an attempt used, and says what that costs; `None` where no price is known."""
        cost = pick.lease.cost(usage)
        self.used, self.cost = usage, cost
        self.gateway.metrics.used(pick.group, self.caller.name, usage, cost)
        return cost

    def begin(self) -> Step:
        """Lets the request in, and says what to do first.

        Raises:
            GatewayError: It may not come in.
        """
        router, request, now = self.gateway.router, self.request, monotonic()
        self.began = now
        self.ticket = router.admit(
            self.caller,
            self.match,
            tokens=request.prompt_tokens,
            now=now,
            max_tokens=request.max_tokens,
            choices=request.choices,
        )
        try:
            self.plan = router.plan(self.match, self.wishes(), now, self.ticket)
        except GatewayError:
            self.ticket.close(now, router.epoch + now, used=False)
            raise
        return self.plan.next(now)

    async def run(self, step: Step | Attempt) -> None:
        """Answers.

        Args:
            step: What to do first, or next.

        Raises:
            GatewayError: Nothing could be sent; the error is the answer.
        """
        try:
            while True:
                if isinstance(step, Attempt):
                    if await step.run():
                        return
                elif isinstance(step, Pick):
                    if await Attempt(self, step).run():
                        return
                elif isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Queue):
                    await self._wait(step)
                else:
                    raise step.error
                step = self.plan.next(monotonic())
        finally:
            self.end()

    def end(self) -> None:
        """Gives back what is still held."""
        self.plan.close(monotonic())
        self.count()

    def _find(self) -> Match:
        config, name = self.gateway.config, self.request.model
        match = config.match(name) if len(name) <= _LONGEST else None
        if match is None:
            if len(name) > _LONGEST:
                raise unknown_model(name)
            if "," in name and all(config.match(each.strip()) is not None for each in name.split(",")):
                raise several_models()
            raise unknown_model(name, get_close_matches(name, self.gateway.names(self.caller), n=_SUGGESTIONS))
        return match

    def wishes(self) -> Wishes:
        """What the request asks of the router."""
        request, asked = self.request, self.request.asked
        return Wishes(
            request.prompt_tokens,
            request.max_tokens,
            request.stream,
            asked.fallbacks,
            asked.num_retries,
            asked.timeout,
            asked.stream_timeout,
            None,
            asked.tags,
            asked.session,
            self.call.headers.get(b"user-agent", b"").decode("latin-1"),
            request.choices,
        )

    async def _wait(self, step: Queue) -> None:
        """Waits for a place, or as long as the wait may last."""
        waiter = step.waiter
        if waiter.ready:  # it came since the step was told, when there was nobody to wake
            return
        waiter.data = waiter.data or asyncio.get_running_loop().create_future()
        await asyncio.wait([waiter.data], timeout=max(0.0, waiter.deadline - monotonic()) + 0.001)

    def count(self) -> None:
        """Counts how it went, once it is over."""
        series = self.gateway.metrics.model(self.group)
        series.upstream.observe(self.spent)
        series.retries.value += self.plan.retries
        series.fallbacks.value += self.plan.fallbacks


def headers_for(headers: Mapping[bytes, bytes], server: ServerSettings) -> Mapping[bytes, bytes]:
    """The headers that go upstream as they came: the request's trace, and what the configuration sends on.

    Args:
        headers: The request's, names in lower case.
        server: Whose `forward_headers` are the names of the latter, which may end in `*`, and whose `key_header` stays.
    """
    patterns = server.forward_headers
    if not patterns and headers.keys().isdisjoint(_TRACE):
        return _NONE
    names: list[bytes] = [*_TRACE]
    for pattern in patterns:
        if pattern.endswith("*"):
            prefix = pattern[:-1].encode()
            names += [
                name
                for name in headers
                if name.startswith(prefix) and not name.startswith((b"x-stainless-", b"x-litellm-"))
            ]
        else:
            names.append(pattern.encode())
    key = (server.key_header or "").lower().encode()
    sent: dict[bytes, bytes] = {}
    for name in names:
        value = headers.get(name)
        if value is not None and name not in _OWN and name != key and value.isascii() and value.decode().isprintable():
            sent[name] = value
    return sent
