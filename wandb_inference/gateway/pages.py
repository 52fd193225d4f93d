"""What there is besides chat: models, health, metrics, the OpenAPI document, and a page that says what this is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from .._version import __version__
from ..catalogue import MODELS
from .config import Deployment, Match
from .errors import GatewayError
from .openapi import document
from .routing import Caller

if TYPE_CHECKING:
    from .app import Gateway
    from .call import Call

PROMETHEUS: Final = b"text/plain; version=0.0.4; charset=utf-8"
_JSON: Final = b"application/json"
_CREATED: Final = 1677610602
"""Seconds since 1970: OpenAI's clients want a number, and LiteLLM sends this one."""

_HTML: Final = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>W&amp;B Inference gateway</title>
<h1>W&amp;B Inference gateway</h1>
<p>This is a gateway for language models. Clients of OpenAI's API can talk to it: their base URL is this address
with <code>/v1</code>.</p>
<ul><li><code>POST /v1/chat/completions</code></li><li><code>GET /v1/models</code></li>
<li><a href="/openapi.json">/openapi.json</a></li><li><a href="/health/readiness">/health/readiness</a></li></ul>
"""


def json(value: object) -> bytes:
    """A value as JSON."""
    return to_json(value)


def _alive(gateway: Gateway, call: Call) -> tuple[int, bytes, bytes]:
    return 200, b'"I\'m alive!"', _JSON


def _ready(gateway: Gateway, call: Call) -> tuple[int, bytes, bytes]:
    if gateway.is_draining:
        return 503, json({"status": "draining"}), _JSON
    said: dict[str, Any] = {"status": "healthy", "db": "Not connected"}
    if gateway.config.server.public_readiness_details:
        said |= _details(gateway)
    return 200, json(said), _JSON


def _home(gateway: Gateway, call: Call) -> tuple[int, bytes, bytes]:
    return 200, _HTML, b"text/html; charset=utf-8"


def _openapi(gateway: Gateway, call: Call) -> tuple[int, bytes, bytes]:
    return 200, json(document()), _JSON


PUBLIC: Final[dict[str, Callable[[Gateway, Call], tuple[int, bytes, bytes]]]] = {
    "/": _home,
    "/health/liveliness": _alive,
    "/health/liveness": _alive,
    "/health/readiness": _ready,
    "/openapi.json": _openapi,
}
"""Paths that need no key."""


def metrics(gateway: Gateway) -> bytes:
    """The page for Prometheus."""
    gauges = {
        "in_flight_requests": float(len(gateway.calls)),
        "waiting_requests": float(gateway.router.line.waiting),
        "start_time_seconds": gateway.started,
    }
    aliases = "prometheus" in gateway.config.server.callbacks
    return gateway.metrics.render(gateway.router.status(monotonic()), gauges, aliases=aliases)


def page(gateway: Gateway, path: str, caller: Caller) -> bytes | None:
    """What is at a path that takes a key; `None` where nothing is.

    Raises:
        GatewayError: There is something, and not for this key; or there is no such model.
    """
    if path in ("/v1/models", "/models"):
        return json({"object": "list", "data": _models(gateway, caller)})
    if path in ("/model/info", "/v1/model/info"):
        return json({"data": _infos(gateway, caller)})
    if path == "/health":
        return json(_health(gateway, caller))
    if path == "/health/readiness/details":
        return json({"status": "draining" if gateway.is_draining else "healthy", **_details(gateway)})
    if path == "/routes":
        return json({"routes": [*document()["paths"]]})
    for head in ("/v1/models/", "/models/"):
        if path.startswith(head):
            return json(_model(gateway, path[len(head) :], caller))
    return None


def _details(gateway: Gateway) -> dict[str, Any]:
    return {"version": __version__, "models": len(gateway.config.groups), "in_flight": len(gateway.calls)}


def _models(gateway: Gateway, caller: Caller) -> list[dict[str, Any]]:
    """The models that a caller may use; of a pattern, those of the catalogue that fit it, which are marked."""
    found: dict[str, dict[str, Any]] = {}
    for name in gateway.names(caller):
        match = gateway.config.match(name)
        if match is None or "*" not in name:
            found[name] = _shown(gateway, name, match)
            continue
        for id, model in MODELS.items():
            if model.lifecycle == "retired":
                continue
            spellings = dict.fromkeys((name.replace("*", id), name.replace("*", id.rpartition("/")[2]), id))
            each = next((each for each in spellings if _leads_to(gateway, caller, each, name, id)), None)
            if each is not None:
                found.setdefault(each, {**_shown(gateway, each, match), "expanded_from": name})
    return list(found.values())


def _leads_to(gateway: Gateway, caller: Caller, name: str, group: str, id: str) -> bool:
    """Whether a name that a caller may use leads to a model by way of a group."""
    match = gateway.config.match(name)
    if match is None or match.group.name != group or not _may(caller, match):
        return False
    return any(match.upstream_id(deployment) == id for deployment in match.group.deployments)


def _may(caller: Caller, match: Match) -> bool:
    return caller.rule is None or caller.rule.allows(match)


def _model(gateway: Gateway, name: str, caller: Caller) -> dict[str, Any]:
    match = gateway.config.match(name)
    if match is None or not _may(caller, match):
        raise GatewayError(
            404, "model_not_found", f"The model {name!r:.80} does not exist or is not accessible", param="model"
        )
    return _shown(gateway, name, match)


def _shown(gateway: Gateway, name: str, match: Match | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "wandb",
        "mode": "chat",
    }
    for deployment in match.group.deployments if match is not None else ():
        if deployment.provider != "wandb":
            shown["owned_by"] = deployment.provider
        for key in ("max_input_tokens", "max_output_tokens"):
            if key in deployment.model_info:
                shown[key] = deployment.model_info[key]
    return shown


def _infos(gateway: Gateway, caller: Caller) -> list[dict[str, Any]]:
    return [
        {"model_name": name, "litellm_params": _params(deployment, caller), "model_info": _info(deployment)}
        for name in gateway.names(caller)
        if name in gateway.config.groups
        for deployment in gateway.config.groups[name].deployments
    ]


def _params(deployment: Deployment, caller: Caller) -> dict[str, Any]:
    """What of a deployment may be known; where it is and on whose account is the admin's business."""
    params: dict[str, Any] = {"model": f"{deployment.provider}/{deployment.model}"}
    if caller.rule is None:
        params["api_base"] = deployment.base_url
        if deployment.project:
            params["project"] = deployment.project
    for name in ("rpm", "tpm", "max_parallel_requests", "weight", "order"):
        value = getattr(deployment, name)
        if value is not None:
            params[name] = value
    return params


def _info(deployment: Deployment) -> dict[str, Any]:
    info: dict[str, Any] = {"id": deployment.id, "mode": "chat", **deployment.model_info}
    if deployment.price is not None:
        for name in ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"):
            value: Decimal | None = getattr(deployment.price, name)
            if value is not None:
                info[name] = float(value)
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in info.items()}


def _health(gateway: Gateway, caller: Caller) -> dict[str, Any]:
    """How the deployments are, from what was seen of them: nothing is sent."""
    names = set(gateway.names(caller))
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for each in gateway.router.status(monotonic()):
        if each.group not in names:
            continue
        about: dict[str, Any] = {
            "model": each.group,
            "model_id": each.deployment.id,
            "requests_last_minute": each.requests,
            "failed_last_minute": each.failed,
            "in_flight": each.in_flight,
        }
        probe = gateway.prober.found.get(each.deployment.id)
        if probe is not None:
            about["probe"] = probe.shown()
        if each.state == "up" and (probe is None or probe.problem is None):
            good.append(about)
        else:
            bad.append(
                {**about, "state": each.state, "cools_for_seconds": round(each.cools_for, 1), "error": each.cause}
            )
    return {
        "healthy_endpoints": good,
        "unhealthy_endpoints": bad,
        "healthy_count": len(good),
        "unhealthy_count": len(bad),
    }
