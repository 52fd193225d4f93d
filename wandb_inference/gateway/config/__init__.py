"""The gateway's configuration: a `config.yaml` of LiteLLM's proxy, or our short form of one.

All of it is checked before the gateway starts. A key that nobody knows, a value of the wrong type, a variable that is
not set, a fallback to nowhere: each is a mistake with its file and line, and all are said at once. See
docs/gateway-config.md.
"""

from __future__ import annotations

from ._access import is_loopback
from ._config import GatewayConfig, KeyRule, RouterSettings, ServerSettings, State
from ._findings import ConfigFileError, Finding
from ._loading import Report, check, from_environment, load
from ._matching import Match
from ._models import Alias, Deployment, Fallbacks, Group, Price, Secret
from ._render import render
from ._settings import NEVER_FORWARDED
from ._values import Duration

__all__ = [
    "NEVER_FORWARDED",
    "check",
    "from_environment",
    "is_loopback",
    "load",
    "render",
    "Alias",
    "ConfigFileError",
    "Deployment",
    "Duration",
    "Fallbacks",
    "Finding",
    "GatewayConfig",
    "Group",
    "KeyRule",
    "Match",
    "Price",
    "Report",
    "RouterSettings",
    "Secret",
    "ServerSettings",
    "State",
]
