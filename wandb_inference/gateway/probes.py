"""Probes in the background: deployments are asked for their lists of models, which costs nothing."""

from __future__ import annotations

import asyncio
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from pydantic_core import from_json

from .._core.wire import Timeouts
from .._transport.clocks import Clocks
from .config import Deployment
from .errors import GatewayError
from .upstream import ERRORS, failure_of, read_all

if TYPE_CHECKING:
    from .app import Gateway

SECONDS: Final = 10.0
"""For one probe, where `health_check_timeout` says nothing: a list of models comes at once or not at all."""

_AT_A_TIME: Final = 8
_MOST: Final = 4 * 1024 * 1024
"""Bytes of a list that are read."""


class Probe(NamedTuple):
    """What came of the last probe of a deployment."""

    at: float
    """Seconds since 1970."""
    seconds: float
    problem: str | None
    """What is wrong; `None`: it answered."""

    def shown(self) -> dict[str, Any]:
        """The probe as JSON."""
        return {"at": round(self.at, 3), "seconds": round(self.seconds, 3), "problem": self.problem}


class Prober:
    """Asks all deployments again and again, as the configuration says.

    Args:
        gateway: The gateway, in whose event loop it runs.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.found: dict[str, Probe] = {}
        """By the deployments' ids."""
        self._gateway = gateway
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins anew by the present configuration."""
        self.stop()
        states = self._gateway.router.states
        self.found = {id: probe for id, probe in self.found.items() if id in states}
        if self._gateway.config.server.health_checks:
            self._task = asyncio.get_running_loop().create_task(self._go())

    def stop(self) -> None:
        """Ends it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    async def _go(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._gateway.config.server.health_check_interval)

    async def look(self) -> None:
        """Asks each server once for each of its keys and projects."""
        alike: dict[tuple[object, ...], list[Deployment]] = {}
        for state in self._gateway.router.states.values():
            each = state.deployment
            if each.health_check:
                key = (each.base_url, each.api_key, each.project, *sorted(each.headers.items()))
                alike.setdefault(key, []).append(each)
        turns = asyncio.Semaphore(_AT_A_TIME)
        await asyncio.gather(*(self._ask(deployments, turns) for deployments in alike.values()))

    async def _ask(self, deployments: list[Deployment], turns: asyncio.Semaphore) -> None:
        async with turns:
            wall, began = time(), monotonic()
            limits = [each.health_check_timeout for each in deployments if each.health_check_timeout is not None]
            ids, problem = await self._models(deployments[0], min(limits, default=SECONDS))
            seconds = monotonic() - began
        for each in deployments:
            wanted = each.health_check_model
            own = problem
            if own is None and wanted is not None and wanted not in ids:
                own = f"its list of models is without {wanted}"
            self.found[each.id] = Probe(wall, seconds, own)
            self._tell(each, own)

    def _tell(self, deployment: Deployment, problem: str | None) -> None:
        """Has requests go elsewhere meanwhile, where the configuration says that probes decide."""
        server, router = self._gateway.config.server, self._gateway.router
        if server.health_check_routing:
            # Until the next probe, and the time that it takes.
            router.probed(deployment.id, problem, monotonic(), server.health_check_interval + 2 * SECONDS)

    async def _models(self, deployment: Deployment, seconds: float) -> tuple[set[str], str | None]:
        """The ids that a server lists, and what is wrong."""
        clocks = Clocks(Timeouts(seconds, seconds, seconds, seconds))
        try:
            exchange = await self._gateway.upstream.ask(deployment, clocks)
            try:
                status, raw = exchange.answer.status, await read_all(exchange, _MOST)
            finally:
                await exchange.close()
            value: object = from_json(raw) if status == 200 else None
        except (ValueError, GatewayError):  # or one that is too large
            return set(), "its list of models is none"
        except ERRORS as error:
            kind = failure_of(error).kind
            return set(), "it did not answer in time" if kind == "timeout" else "it could not be reached"
        if status != 200:
            return set(), f"it answered {status}"
        data = cast("dict[str, Any]", value).get("data") if isinstance(value, dict) else None
        listed = cast("list[object]", data) if isinstance(data, list) else []
        ids = [cast("dict[str, object]", item).get("id") for item in listed if isinstance(item, dict)]
        return {id for id in ids if isinstance(id, str)}, None
