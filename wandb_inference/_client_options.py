"""What both clients know without waiting: their options, checked, and the settings that come of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import Self, TypedDict

from ._checks import shown_url
from ._config import resolve
from ._core.build import unexpected_keyword
from ._core.settings import Settings, settings_of, with_options
from ._log import set_up
from ._network import DEFAULT, Network

if TYPE_CHECKING:
    from ._config import ApiKey
    from ._money.budget import Budget
    from ._money.price import Price
    from ._money.totals import Ledger, UsageTotals
    from ._transport import AsyncTransport, Transport
    from .types import AttemptEvent, Concurrency, DoneEvent, SendEvent


class ClientOptions(TypedDict, total=False):
    """What `with_options()` replaces; each as in `Client`."""

    api_key: str | Callable[[], str] | Callable[[], Awaitable[str]] | None
    """The key, or a callable that is asked for it; `None` keeps the present one."""
    project: str | None
    """The project to bill, as `team/project`; `None` keeps the present one."""
    base_url: str | None
    """Another server; `None` keeps the present one."""
    timeout: float | tuple[float | None, float | None] | None
    """Seconds for connecting and for any single read or write, or the pair (connect, read); `None` waits for ever."""
    stall_timeout: float | None
    """Seconds without a data event on a stream; `None` waits for ever."""
    deadline: float | None
    """Seconds for everything a call does; `None` for no limit."""
    max_retries: int | None
    """Attempts after the first; `None` keeps the present number."""
    default_headers: Mapping[str, str | None] | None
    """Headers to add to those the client sends."""
    adaptive_concurrency: bool | None
    """Whether chats wait in line for what the server can take; `None` keeps the present choice."""
    check_model: bool | None
    """Whether the service is not asked for models that it has no longer; `None` keeps the present choice."""
    check_context: bool | None
    """Whether chats that can't fit their model's window are refused; `None` keeps the present choice."""
    prices: Mapping[str, Price | Mapping[str, Any]] | None
    """Prices by model, beside those the client has; `None` adds none."""
    budget: Budget | None
    """A budget that holds for each call of the clone, in whichever thread or task; `None` removes it."""
    before_send: Callable[[SendEvent], object] | None
    """Called before each sending; `None` removes it."""
    on_attempt: Callable[[AttemptEvent], object] | None
    """Called after each attempt; `None` removes it."""
    on_done: Callable[[DoneEvent], object] | None
    """Called when a call is over; `None` removes it."""


OPTIONS = tuple(ClientOptions.__annotations__)

# What other clients call our arguments.
ELSEWHERE = {
    "api_base": "did you mean 'base_url'?",
    "key": "did you mean 'api_key'?",
    "num_retries": "did you mean 'max_retries'?",
    "request_timeout": "did you mean 'timeout'?",
    "extra_headers": "did you mean 'default_headers'?",
    "headers": "did you mean 'default_headers'?",
    **{
        name: f"did you mean network=Network({name}=...)?"
        for name in ("verify", "cert", "proxy", "trust_env", "http2", "uds", "keepalive_expiry")
    },
    **{
        name: f"clones share their connections: make another client for another {name}"
        for name in ("network", "max_connections", "http_client")
    },
}


class Configured:
    """What both clients know without waiting."""

    _settings: Settings
    _transport: Any

    if TYPE_CHECKING:

        @staticmethod
        def _new_transport(http_client: Any, limit: int, network: Network) -> Transport | AsyncTransport: ...

    @property
    def base_url(self) -> str:
        """Where requests go, without a slash at the end."""
        return self._settings.config.base_url

    @property
    def project(self) -> str | None:
        """The project that is billed, as `team/project`; `""` where none is sent, `None` where none is set."""
        return self._settings.config.project

    @property
    def concurrency(self) -> dict[str, Concurrency]:
        """What `adaptive_concurrency` found out, by model, for this client's server and project.

        A snapshot; empty before the first call. An `AsyncClient` tells it of the running event loop.
        """
        settings = self._settings
        project = settings.headers.get("openai-project", self.project) or None
        found: dict[str, Concurrency] = self._transport.concurrency(shown_url(self.base_url), project)
        return found

    @property
    def usage(self) -> UsageTotals:
        """What all calls of this client and its clones have taken: calls, tokens and US dollars, by model."""
        from ._money.totals import UsageTotals

        return UsageTotals(cast("Ledger", self._settings.ledger))

    def __repr__(self) -> str:
        settings = self._settings
        connect, read, stall, deadline = settings.timeouts
        network = self._transport.network
        return (
            f"{type(self).__name__}({settings.config.summary}, timeout=({connect}, {read}), stall_timeout={stall}, "
            f"deadline={deadline}, max_retries={settings.policy.max_retries}"
            f"{', adaptive_concurrency=True' if settings.adaptive else ''}"
            f"{'' if settings.check_model else ', check_model=False'}"
            f"{'' if settings.check_context else ', check_context=False'}"
            f"{'' if network == DEFAULT else f', network={network}'})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        if not self._transport.is_own:
            raise TypeError(
                f"a {type(self).__name__} with an http_client is not pickled: connections stay where they are"
            )
        from ._core.redaction import is_secret

        for name in filter(is_secret, self._settings.headers):
            raise TypeError(
                f"the header {name!r} among the default_headers may be a secret, which is never pickled: "
                "give a key as an importable api_key(), and other headers where the client is loaded"
            )
        return _restored, (type(self), self._settings, self._transport.limit, self._transport.network)

    @classmethod
    def _restore(cls, settings: Settings, transport: Any) -> Self:
        """A client with these settings and connections."""
        client = cls.__new__(cls)
        client._settings = settings
        client._transport = transport
        return client

    def _refuse(self, unknown: Mapping[str, object]) -> None:
        for name in unknown:
            raise unexpected_keyword(type(self).__name__, name, (*OPTIONS, "http_client", "network"), _ELSEWHERE)


_ELSEWHERE = {
    **ELSEWHERE,
    "budget": "put the calls into `with budget(usd=...):`, or make them by client.with_options(budget=...)",
}


def _restored(cls: type[Any], settings: Settings, limit: int, network: Network) -> Any:
    return cls._restore(settings, cls._new_transport(None, limit, network))


def new_settings(
    api_key: ApiKey | None,
    project: str | None,
    base_url: str | None,
    timeout: object = (10.0, 600.0),
    stall_timeout: object = 120.0,
    deadline: object = None,
    max_retries: object = 2,
    default_headers: Mapping[str, str | None] | None = None,
    adaptive_concurrency: object = False,
    check_model: object = True,
    check_context: object = True,
    prices: object = None,
) -> Settings:
    """What a client knows, from its arguments and from where the rest is looked up."""
    config = resolve(api_key=api_key, project=project, base_url=base_url)
    set_up(config.log_level)
    return settings_of(
        config,
        timeout=timeout,
        stall_timeout=stall_timeout,
        deadline=deadline,
        max_retries=max_retries,
        headers=default_headers,
        adaptive=adaptive_concurrency,
        check_model=check_model,
        check_context=check_context,
        prices=prices,
    )


def changed(function: str, settings: Settings, options: Mapping[str, Any]) -> Settings:
    for name in options:
        if name not in OPTIONS:
            raise unexpected_keyword(function, name, OPTIONS, ELSEWHERE)
    return with_options(settings, options)
