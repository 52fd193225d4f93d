"""A chat request from its admission to its end: whom the router says to ask is asked, and the answer passed on."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from difflib import get_close_matches
from time import monotonic
from typing import TYPE_CHECKING, Final

from .attempt import Attempt
from .auth import PRIVATE_HEADERS
from .call import Call
from .config import Match
from .errors import GatewayError, several_models, unknown_model
from .requests import ChatRequest
from .routing import Caller, Pick, Plan, Queue, Sleep, Ticket, Usage, Wishes

if TYPE_CHECKING:
    from .app import Gateway

_SUGGESTIONS: Final = 3
_LONGEST: Final = 1000
"""Characters of a model's name. To look for what a longer one may have meant takes long."""


class Chat:
    """One chat request.

    Args:
        gateway: The gateway.
        call: The request as the server has it.
        caller: Who asks.
        request: What for.
    """

    __slots__ = (
        "began",
        "call",
        "caller",
        "cost",
        "forwarded",
        "gateway",
        "group",
        "match",
        "plan",
        "request",
        "spent",
        "ticket",
        "used",
    )

    plan: Plan
    ticket: Ticket

    def __init__(self, gateway: Gateway, call: Call, caller: Caller, request: ChatRequest) -> None:
        self.gateway = gateway
        self.call = call
        self.caller = caller
        self.request = request
        self.match = self._find()
        self.forwarded = self._headers()
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

    async def run(self) -> None:
        """Answers.

        Raises:
            GatewayError: Nothing could be sent; the error is the answer.
        """
        router, request, now = self.gateway.router, self.request, monotonic()
        self.began = now
        self.ticket = router.admit(
            self.caller, self.match, tokens=request.prompt_tokens, now=now, max_tokens=request.max_tokens
        )
        try:
            self.plan = router.plan(self.match, self._wishes(), now, self.ticket)
        except GatewayError:
            self.ticket.close(now, router.epoch + now, used=False)
            raise
        try:
            while True:
                step = self.plan.next(monotonic())
                if isinstance(step, Pick):
                    if await Attempt(self, step).run():
                        return
                elif isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Queue):
                    await self._wait(step)
                else:
                    raise step.error
        finally:
            self.plan.close(monotonic())
            self._count()

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

    def _wishes(self) -> Wishes:
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
        )

    def _headers(self) -> dict[str, str]:
        """The headers that go upstream: the request's id and trace, and what the configuration sends on."""
        headers = self.call.headers
        sent = {"x-request-id": self.call.id.decode()}
        names = [b"traceparent", b"tracestate"]
        for pattern in self.gateway.config.server.forward_headers:
            if pattern.endswith("*"):
                prefix = pattern[:-1].encode()
                names += [
                    name
                    for name in headers
                    if name.startswith(prefix) and not name.startswith((b"x-stainless-", b"x-litellm-"))
                ]
            else:
                names.append(pattern.encode())
        for name in names:
            value = headers.get(name)
            if value is not None and name not in PRIVATE_HEADERS and value.isascii() and value.decode().isprintable():
                sent[name.decode()] = value.decode()
        return sent

    async def _wait(self, step: Queue) -> None:
        """Waits for a place, or as long as the wait may last."""
        waiter = step.waiter
        waiter.data = waiter.data or asyncio.get_running_loop().create_future()
        await asyncio.wait([waiter.data], timeout=max(0.0, waiter.deadline - monotonic()) + 0.001)

    def _count(self) -> None:
        series = self.gateway.metrics.model(self.group)
        series.upstream.observe(self.spent)
        series.retries.value += self.plan.retries
        series.fallbacks.value += self.plan.fallbacks
