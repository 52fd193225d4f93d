"""What the tests of the router need: configurations in one line, and requests that go through them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

from wandb_inference.gateway.config import (
    Alias,
    Deployment,
    Fallbacks,
    GatewayConfig,
    Group,
    KeyRule,
    Match,
    RouterSettings,
    Secret,
    ServerSettings,
    State,
)
from wandb_inference.gateway.config._matching import Pattern
from wandb_inference.gateway.errors import GatewayError
from wandb_inference.gateway.routing import Failure, Finished, Pick, Plan, Queue, Router, Sleep, Usage, Wishes

USAGE = Usage(10, 20)
DOWN = Failure("connection")
LATE = Failure("timeout")


def deployment(id: str, **fields: Any) -> Deployment:
    """A deployment with a key and a project of its own."""
    given: dict[str, Any] = {
        "id": id,
        "model": f"org/{id}",
        "provider": "wandb",
        "base_url": "https://inference.example/v1",
        "api_key": Secret(f"the-key-of-{id}"),
        "project": f"team/{id}",
    }
    return Deployment(**{**given, **fields})


def several(names: str, **fields: Any) -> list[Deployment]:
    """Deployments with these letters as ids."""
    return [deployment(name, **fields) for name in names]


def config(
    groups: dict[str, Sequence[Deployment]] | Sequence[Deployment],
    *,
    server: ServerSettings | None = None,
    fallbacks: Fallbacks | None = None,
    aliases: dict[str, Alias] | None = None,
    keys: Sequence[KeyRule] = (),
    **router: Any,
) -> GatewayConfig:
    """A configuration of these groups, or of one that is called `m`."""
    named = groups if isinstance(groups, dict) else {"m": groups}
    return GatewayConfig(
        groups={name: Group(name, tuple(members)) for name, members in named.items()},
        aliases=aliases or {},
        fallbacks=fallbacks or Fallbacks(),
        router=RouterSettings(**router),
        server=server or ServerSettings(),
        keys=tuple(keys),
        master_key=None,
        state=State(),
        environment={},
        access_groups={},
        warnings=(),
        sources={},
        files=(),
        patterns=tuple(Pattern(name) for name in named if "*" in name),
    )


def router(*args: Any, seed: int = 7, **options: Any) -> Router:
    """A router for a configuration of these parts."""
    own = {
        name: options.pop(name) for name in ("on_ready", "epoch", "queue_seconds", "queue_length") if name in options
    }
    return Router(config(*args, **options), random=Random(seed), **own)


def matched(router: Router, name: str = "m") -> Match:
    """The group for a name that is there."""
    match = router.config.match(name)
    assert match is not None
    return match


def plan(router: Router, now: float = 0.0, *, model: str = "m", ticket: Any = None, **wishes: Any) -> Plan:
    """The plan for a request."""
    return router.plan(matched(router, model), Wishes(**wishes), now, ticket)


def pick(plan: Plan, now: float = 0.0) -> Pick:
    """The next step, which is a deployment to call."""
    step = plan.next(now)
    assert isinstance(step, Pick), step
    return step


def queued(plan: Plan, now: float = 0.0) -> Queue:
    """The next step, which is to wait."""
    step = plan.next(now)
    assert isinstance(step, Queue), step
    return step


def pause_of(plan: Plan, now: float = 0.0) -> float:
    """The next step, which is a pause."""
    step = plan.next(now)
    assert isinstance(step, Sleep), step
    return step.seconds


def error_of(plan: Plan, now: float = 0.0) -> GatewayError:
    """The next step, which is the end."""
    step = plan.next(now)
    assert isinstance(step, Finished), step
    return step.error


def status(number: int, message: str = "no", **fields: Any) -> Failure:
    """An error of the service's."""
    return Failure("status", number, message=message, **fields)


def served(
    router: Router, now: float = 0.0, *, seconds: float = 1.0, usage: Usage | None = USAGE, **wishes: Any
) -> str:
    """The id of the deployment that serves a request at once."""
    one = plan(router, now, **wishes)
    chosen = pick(one, now)
    one.succeeded(chosen, now, seconds=seconds, usage=usage)
    return chosen.deployment.id


def counts(router: Router, number: int, now: float = 0.0, **wishes: Any) -> Counter[str]:
    """How many of so many requests each deployment served."""
    return Counter(served(router, now, **wishes) for _ in range(number))


def spoil(router: Router, ids: str, now: float = 0.0, failure: Failure | None = None) -> None:
    """Opens the breakers of deployments."""
    for id in ids:
        router.states[id].breaker.open(now, 5.0, "500: broken")


def is_even(found: Counter[str], shares: dict[str, float]) -> bool:
    """Whether counts fit shares: chi-square, with a bound that one seed in a thousand would miss."""
    total, whole = sum(found.values()), sum(shares.values())
    bound = {1: 10.8, 2: 13.8, 3: 16.3, 4: 18.5}[max(1, len(shares) - 1)]
    expected = {id: total * share / whole for id, share in shares.items()}
    return set(found) <= set(shares) and sum((found[id] - n) ** 2 / n for id, n in expected.items()) < bound


DOLLAR = Decimal(1)
