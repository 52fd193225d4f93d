"""What a client was given, resolved and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from .._config import Config
from .._money.totals import Ledger
from ..exceptions import ConfigurationError, InvalidRequestError
from .flow import Quirks
from .notices import Notices
from .options import merged_timeouts, retries, switch, timeouts
from .retry import RetryPolicy
from .validate import invalid
from .wire import Timeouts

if TYPE_CHECKING:
    from .._money.limits import Limits
    from .._money.price import Prices
    from .hooks import Hooks

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")

_OURS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers that say how the request is framed: a wrong one would break it, or slip a second one in."""


@dataclass(frozen=True, repr=False)  # the headers may hold a key
class Settings:
    """What a client was given, resolved."""

    config: Config
    timeouts: Timeouts
    policy: RetryPolicy
    headers: Mapping[str, str | None]
    quirks: Quirks
    adaptive: bool = False
    """Whether chats wait for a place in their model's window."""
    check_model: bool = True
    """Whether the service is not asked for models that it has no longer."""
    check_context: bool = True
    """Whether chats that can't fit their model's window are refused."""
    hooks: Hooks | None = None
    notices: Notices = field(default_factory=Notices)
    prices: Prices | None = None
    """Prices by model, before those of the table."""
    limits: tuple[Limits, ...] = ()
    """Those of the budget that holds for each call, wherever it is made."""
    ledger: Ledger | None = field(default_factory=Ledger)
    """What all calls have taken; shared by clones. `None` where nobody could ask."""
    conversation: str | None = None
    """The id of the conversation that the calls belong to."""


def checked_headers(where: str, headers: Mapping[str, str | None]) -> dict[str, str | None]:
    """The headers, names in lower case, checked so that none can break out of its line (RFC 9110, 5.5)."""
    checked: dict[str, str | None] = {}
    for name, value in headers.items():
        if not isinstance(cast("object", name), str) or not _TOKEN.fullmatch(name):
            raise invalid(where, name, "a header name: letters, digits and hyphens")
        if name.lower() in _OURS:
            raise invalid(f"{where}[{name!r}]", "a header", "to be left to the client, which knows what it sends")
        # The value is not shown: it may be a secret.
        if value is not None and not (isinstance(cast("object", value), str) and _VALUE.fullmatch(value)):
            shown = f"<{type(cast('object', value)).__name__}>"
            raise invalid(f"{where}[{name!r}]", shown, "one line of ASCII text")
        checked[name.lower()] = None if value is None else value.strip(" \t")
    return checked


def _checked_defaults(headers: object) -> dict[str, str | None]:
    """The default headers, checked when the client is made, not at its first call."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"default_headers is of type {type(headers).__name__}", hint="Give a mapping.")
    try:
        return checked_headers("default_headers", cast("Mapping[str, str | None]", headers))
    except InvalidRequestError as error:
        raise ConfigurationError(error.message.partition(": ")[2]) from None


def settings_of(
    config: Config,
    *,
    timeout: object,
    stall_timeout: object,
    deadline: object,
    max_retries: object,
    headers: Mapping[str, str | None] | None,
    adaptive: object = False,
    check_model: object = True,
    check_context: object = True,
    prices: object = None,
) -> Settings:
    """The settings of a new client.

    Raises:
        ConfigurationError: A value that can't work.
    """
    return Settings(
        config=config,
        timeouts=timeouts(timeout, stall_timeout, deadline),
        policy=RetryPolicy(max_retries=retries(max_retries)),
        headers=_checked_defaults(headers),
        quirks=Quirks(),
        adaptive=switch("adaptive_concurrency", adaptive),
        check_model=switch("check_model", check_model),
        check_context=switch("check_context", check_context),
        prices=_prices(prices),
    )


def _prices(given: object, beside: Prices | None = None) -> Prices | None:
    if given is None:
        return beside
    from .._money.price import Prices  # which few clients need

    return Prices(given, beside)


def _limits(options: Mapping[str, Any], present: tuple[Limits, ...]) -> tuple[Limits, ...]:
    if "budget" not in options:
        return present
    from .._money.budget import bound_to

    return bound_to(options["budget"])


def with_options(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """Settings with some of them replaced.

    Raises:
        ConfigurationError: A value that can't work.
    """
    names = ("api_key", "project", "base_url")
    changed = {name: options[name] for name in names if options.get(name) is not None}
    config = settings.config.override(**changed) if changed else settings.config
    policy = settings.policy
    if options.get("max_retries") is not None:
        policy = policy._replace(max_retries=retries(options["max_retries"]))
    adaptive = options.get("adaptive_concurrency")
    check_model, check_context = options.get("check_model"), options.get("check_context")
    return replace(
        settings,
        config=config,
        timeouts=merged_timeouts(settings.timeouts, options),
        policy=policy,
        headers={**settings.headers, **_checked_defaults(options.get("default_headers"))},
        quirks=Quirks() if "base_url" in changed else settings.quirks,
        adaptive=settings.adaptive if adaptive is None else switch("adaptive_concurrency", adaptive),
        check_model=settings.check_model if check_model is None else switch("check_model", check_model),
        check_context=settings.check_context if check_context is None else switch("check_context", check_context),
        prices=_prices(options.get("prices"), settings.prices),
        limits=_limits(options, settings.limits),
    )
