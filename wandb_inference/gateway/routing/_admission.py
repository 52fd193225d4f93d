"""What callers may do: requests and tokens a minute, requests at a time, dollars, and until when."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from ..._core.adaptive import Verdict
from ..config import GatewayConfig, KeyRule, Match
from ..errors import (
    BudgetError,
    GatewayError,
    LimitError,
    Scope,
    budget_reserved,
    expired_key,
    model_not_allowed,
    overloaded,
)
from ._counting import Ledger, Meter, Purse, Reading
from ._leases import Booking, amount
from ._line import Line, Pass, Place, Waiter
from ._values import Caller, Usage

_AT_ONCE: Final = 1.0
"""Seconds after which a place may be free: nobody knows when, but soon."""


class Gate(Place):
    """Requests at a time of a caller, or of all together."""

    __slots__ = ("in_flight", "limit", "scope")

    def __init__(self, limit: int, scope: Scope) -> None:
        super().__init__()
        self.limit = limit
        self.scope: Scope = scope
        self.in_flight = 0

    def is_free(self, now: float) -> bool:
        """Whether one more may come in."""
        return self.in_flight < self.limit

    def enter(self, now: float) -> Pass:
        """Takes a place."""
        self.in_flight += 1
        return Pass()

    def leave(self, taken: Pass, verdict: Verdict = "unknown", seconds: float | None = None) -> None:
        """Gives it back."""
        self.in_flight -= 1

    def error(self) -> GatewayError:
        """What those are told who waited in vain."""
        return LimitError("max_parallel_requests", self.limit, self.scope, _AT_ONCE)


class Worker(Gate):
    """Requests at a time that this worker takes on at all."""

    def error(self) -> GatewayError:
        """What those are told who waited in vain."""
        return overloaded(_AT_ONCE)


Remaining: TypeAlias = tuple[str, Reading]
"""The kind of a limit, and how it stands."""


class Ticket:
    """A request that was let in. It ends with the plan that it is for, or with `close()`."""

    __slots__ = ("_booking", "_line", "_meters", "_patience", "caller", "gates", "held", "is_over")

    def __init__(
        self,
        caller: Caller,
        gates: list[Gate],
        booking: Booking | None,
        meters: tuple[tuple[str, Meter], ...],
        line: Line,
        patience: float,
    ) -> None:
        self.caller = caller
        self.gates = gates
        """What is still to be passed, the last first."""
        self.held: list[tuple[Gate, Pass]] = []
        self._booking = booking
        self._meters = meters
        self._line = line
        self._patience = patience
        self.is_over = False

    def enter(self, now: float, deadline: float | None) -> Waiter | GatewayError | None:
        """Passes the gates: `None` when all are passed, else the wait for one of them, or why there is none."""
        while self.gates:
            gate = self.gates[-1]
            if gate.waiting or not gate.is_free(now):
                until = now + self._patience if deadline is None else min(now + self._patience, deadline)
                return self._line.join(self.caller.name, (gate,), until) or gate.error()
            self.hold(gate, gate.enter(now))
        return None

    def hold(self, gate: Gate, taken: Pass) -> None:
        """Takes a place at a gate into keeping."""
        self.gates.remove(gate)
        self.held.append((gate, taken))

    def remaining(self, now: float) -> list[Remaining]:
        """What is left of the caller's limits."""
        return [(kind, meter.reading(now)) for kind, meter in self._meters]

    def close(
        self, now: float, wall: float, *, usage: Usage | None = None, cost: Decimal | None = None, used: bool = True
    ) -> None:
        """Ends it, once.

        Args:
            now: The time.
            wall: The same in seconds since 1970.
            usage: What was used; `None`: nobody knows, and what was reserved stays.
            cost: Dollars; `None`: nobody knows.
            used: Whether anything went upstream at all.
        """
        if self.is_over:
            return
        self.is_over = True
        if self._booking is not None:
            if used:
                self._booking.end(usage, cost, now, wall)
            else:
                self._booking.refund(now, wall)
        for gate, taken in self.held:
            gate.leave(taken)
        if self.held:
            self.held.clear()
            self._line.serve(now)


class Account(NamedTuple):
    """What counts for a key."""

    rule: KeyRule | None
    meters: tuple[tuple[str, Meter], ...]
    purses: tuple[Purse, ...]
    gates: tuple[Gate, ...]
    """The last one is passed first."""


class Admission:
    """Lets requests in.

    Args:
        ledger: Where counts are kept.
        line: Where they wait.
    """

    def __init__(self, ledger: Ledger, line: Line) -> None:
        self._ledger = ledger
        self._line = line
        self._gates: dict[str, Gate] = {}
        self._accounts: dict[str, Account] = {}

    def configure(self, config: GatewayConfig) -> None:
        """Goes on by this configuration; what was counted stays."""
        self._accounts.clear()
        self._rules = {rule.name: rule for rule in config.keys}
        server = config.server
        self._key_parallel = server.key_max_parallel_requests
        self._patience = server.queue_timeout
        self._all = self._gate("gateway", server.max_parallel_requests)
        self._worker = self._gate("worker", server.max_in_flight)
        self._purse: Purse | None = (
            None
            if server.max_budget is None
            else self._ledger.purse("gateway", server.max_budget, server.budget_duration)
        )
        for rule in config.keys:  # somebody may wait at its gate
            self.account(rule)

    def admit(
        self, caller: Caller, match: Match, *, prompt: int, completion: int, cost: Decimal, now: float, wall: float
    ) -> Ticket:
        """A ticket for a request.

        Raises:
            GatewayError: The key has expired, may not use the model, is at a limit, or its budget is spent.
        """
        rule = caller.rule
        if rule is not None:
            if rule.expires is not None and rule.expires <= wall:
                raise expired_key()
            if not rule.allows(match):
                raise model_not_allowed(match.asked)
        account = self.account(rule)
        meters, purses = account.meters, account.purses
        for purse in purses:
            if not purse.fits(cost, wall):
                scope: Scope = "gateway" if purse is self._purse else "key"
                if purse.spent < purse.limit:
                    raise budget_reserved(purse.limit, scope)
                raise BudgetError(purse.limit, scope, purse.wait(wall))
        for kind, meter in meters:
            number = amount(kind, prompt, completion)
            if not meter.fits(number, now):
                raise LimitError("rpm" if kind == "rpm" else "tpm", meter.limit, "key", meter.wait(number, now))
        booking = None
        if meters or purses:
            booking = Booking(meters, purses, prompt=prompt, completion=completion, cost=cost, now=now)
        return self.ticket(caller, account, booking)

    def ticket(self, caller: Caller, account: Account, booking: Booking | None) -> Ticket:
        """A ticket for what was reserved."""
        return Ticket(caller, list(account.gates), booking, account.meters, self._line, self._patience)

    def has_purse(self, caller: Caller) -> bool:
        """Whether dollars of a caller are counted against a budget."""
        return bool(self.account(caller.rule).purses)

    def account(self, rule: KeyRule | None) -> Account:
        """What counts for a key; `None`: for those who may do everything.

        A request that came before a reload and is let in after it counts by the new limits, and changes none.
        """
        rule = rule and self._rules.get(rule.name, rule)
        name = "" if rule is None else rule.name
        account = self._accounts.get(name)
        if account is not None and account.rule is rule:
            return account
        meters: tuple[tuple[str, Meter], ...] = ()
        purses: tuple[Purse, ...] = () if self._purse is None else (self._purse,)
        gates = [gate for gate in (self._worker, self._all) if gate is not None]
        if rule is not None:
            scope = f"key:{rule.name}"
            if rule.rpm is not None:
                meters = (("rpm", self._ledger.meter(scope, "rpm", rule.rpm)),)
            if rule.tpm is not None:
                meters = (*meters, ("tpm", self._ledger.meter(scope, "tpm", rule.tpm)))
            if rule.max_budget is not None:
                purses = (self._ledger.purse(scope, rule.max_budget, rule.budget_duration), *purses)
            gate = self._gate(scope, rule.max_parallel_requests or self._key_parallel)
            if gate is not None:
                gates.append(gate)
        account = self._accounts[name] = Account(rule, meters, purses, tuple(gates))
        return account

    def _gate(self, scope: str, limit: int | None) -> Gate | None:
        if limit is None:
            return None
        gate = self._gates.get(scope)
        if gate is None:
            made = (
                Worker(limit, "gateway")
                if scope == "worker"
                else Gate(limit, "gateway" if scope == "gateway" else "key")
            )
            gate = self._gates[scope] = made
        gate.limit = limit
        return gate
