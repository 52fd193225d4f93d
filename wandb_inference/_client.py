"""The clients: construction, options, lifetime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from typing_extensions import Never, Self, TypedDict, Unpack

from ._config import resolve
from ._core.build import Settings, settings_of, unexpected_keyword, with_options
from ._core.options import connections
from ._log import set_up
from ._transport import AsyncTransport, Transport
from .exceptions import ConfigurationError

if TYPE_CHECKING:
    import httpx

    from ._config import ApiKey
    from .resources.chat import AsyncChat, Chat
    from .resources.models import AsyncModels, Models

    Timeout = float | tuple[float | None, float | None] | None


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


_OPTIONS = tuple(ClientOptions.__annotations__)

# What other clients call our arguments.
_ELSEWHERE = {
    "api_base": "did you mean 'base_url'?",
    "key": "did you mean 'api_key'?",
    "num_retries": "did you mean 'max_retries'?",
    "request_timeout": "did you mean 'timeout'?",
    "extra_headers": "did you mean 'default_headers'?",
    "headers": "did you mean 'default_headers'?",
}


class _Configured:
    """What both clients know without waiting."""

    _transport_type: ClassVar[type[Transport] | type[AsyncTransport]]
    _settings: Settings
    _transport: Any

    @property
    def base_url(self) -> str:
        """Where requests go, without a slash at the end."""
        return self._settings.config.base_url

    @property
    def project(self) -> str | None:
        """The project that is billed, as `team/project`; `""` where none is sent, `None` where none is set."""
        return self._settings.config.project

    def __repr__(self) -> str:
        settings = self._settings
        connect, read, stall, deadline = settings.timeouts
        return (
            f"{type(self).__name__}({settings.config.summary}, timeout=({connect}, {read}), stall_timeout={stall}, "
            f"deadline={deadline}, max_retries={settings.policy.max_retries})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        if not self._transport.is_own:
            raise TypeError(
                f"a {type(self).__name__} with an http_client is not pickled: connections stay where they are"
            )
        if any(name.lower() == "authorization" for name in self._settings.headers):
            raise TypeError("a key among the default_headers is never pickled: give it as an importable api_key()")
        return _restored, (type(self), self._settings)

    @classmethod
    def _restore(cls, settings: Settings, transport: Any = None) -> Self:
        """A client with these settings, its own or somebody's connections."""
        client = cls.__new__(cls)
        client._settings = settings
        client._transport = transport or cls._transport_type()
        return client

    def _refuse(self, unknown: Mapping[str, object]) -> None:
        for name in unknown:
            raise unexpected_keyword(type(self).__name__, name, (*_OPTIONS, "http_client"), _ELSEWHERE)


def _restored(cls: type[Any], settings: Settings) -> Any:
    return cls._restore(settings)


def new_settings(
    api_key: ApiKey | None,
    project: str | None,
    base_url: str | None,
    timeout: object = (10.0, 600.0),
    stall_timeout: object = 120.0,
    deadline: object = None,
    max_retries: object = 2,
    default_headers: Mapping[str, str | None] | None = None,
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
    )


def _changed(function: str, settings: Settings, options: Mapping[str, Any]) -> Settings:
    for name in options:
        if name not in _OPTIONS:
            raise unexpected_keyword(function, name, _OPTIONS, _ELSEWHERE)
    return with_options(settings, options)


class Client(_Configured):
    """A client of W&B Inference that waits for its answers. Thread-safe; cheap to make, dear to throw away.

    What is not given is looked up once, here: see the README's table of configuration. A key or project that is found
    nowhere is an error at the first call, not here.

    Args:
        api_key: The key, or a callable that is asked for it before each request. Else `WANDB_API_KEY`, netrc, W&B's
            settings files.
        project: The project to bill, as `team/project`. Else `WANDB_PROJECT`, W&B's settings files. `""` sends none,
            for servers that are not W&B's.
        base_url: Else `WANDB_API_BASE`, else `https://api.inference.wandb.ai/v1`.
        timeout: Seconds for connecting and for the wait on any single read or write, or the pair (connect, read).
        stall_timeout: Seconds without a data event on a stream; comments don't count as data.
        deadline: Seconds for everything a call does: all attempts, the waits between them, and the whole stream.
        max_retries: Attempts after the first.
        max_connections: Calls in flight at a time, for each event loop; the rest wait in line, first come, first
        served. default_headers: Headers to add to each request or, with `None`, to leave out.
        http_client: An `httpx.Client` of your own: its proxies, hooks and transports are used, and it is never closed
            here.

    Timeouts of `None` wait for ever.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: A value that can't work.
    """

    _transport_type = Transport
    _transport: Transport

    def __init__(
        self,
        *,
        api_key: str | Callable[[], str] | None = None,
        project: str | None = None,
        base_url: str | None = None,
        timeout: Timeout = (10.0, 600.0),
        stall_timeout: float | None = 120.0,
        deadline: float | None = None,
        max_retries: int = 2,
        max_connections: int = 1000,
        default_headers: Mapping[str, str | None] | None = None,
        http_client: httpx.Client | None = None,
        **unknown: Never,
    ) -> None:
        self._refuse(unknown)
        self._settings = new_settings(
            api_key, project, base_url, timeout, stall_timeout, deadline, max_retries, default_headers
        )
        self._transport = Transport(_synchronous(http_client), connections(max_connections))

    @cached_property
    def chat(self) -> Chat:
        """Chats with a model."""
        from .resources.chat import Chat

        return Chat(self._settings, self._transport)

    @cached_property
    def models(self) -> Models:
        """The models the service serves."""
        from .resources.models import Models

        return Models(self._settings, self._transport)

    def with_options(self, **options: Unpack[ClientOptions]) -> Self:
        """A client with other settings on the same connections; closing either closes both.

        Args:
            **options: See `ClientOptions`.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: A value that can't work.
        """
        return self._restore(_changed("with_options", self._settings, options), self._transport)

    def close(self) -> None:
        """Closes the connections. An `http_client` of your own stays open."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> NoReturn:
        raise TypeError("Client is entered by `with`; `async with` needs AsyncClient")

    async def __aexit__(self, *exc_info: object) -> None: ...


class AsyncClient(_Configured):
    """A client of W&B Inference for asyncio and trio. Cheap to make, dear to throw away.

    What is not given is looked up once, here: see the README's table of configuration. A key or project that is found
    nowhere is an error at the first call, not here.

    Args:
        api_key: The key, or a callable, async or not, that is asked for it before each request. Else `WANDB_API_KEY`,
            netrc, W&B's settings files.
        project: The project to bill, as `team/project`. Else `WANDB_PROJECT`, W&B's settings files. `""` sends none,
            for servers that are not W&B's.
        base_url: Else `WANDB_API_BASE`, else `https://api.inference.wandb.ai/v1`.
        timeout: Seconds for connecting and for the wait on any single read or write, or the pair (connect, read).
        stall_timeout: Seconds without a data event on a stream; comments don't count as data.
        deadline: Seconds for everything a call does: all attempts, the waits between them, and the whole stream.
        max_retries: Attempts after the first.
        max_connections: Calls in flight at a time, for each event loop; the rest wait in line, first come, first
        served. default_headers: Headers to add to each request or, with `None`, to leave out.
        http_client: An `httpx.AsyncClient` of your own: its proxies, hooks and transports are used, and it is never
            closed here.

    Timeouts of `None` wait for ever.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: A value that can't work.
    """

    _transport_type = AsyncTransport
    _transport: AsyncTransport

    def __init__(
        self,
        *,
        api_key: str | Callable[[], str] | Callable[[], Awaitable[str]] | None = None,
        project: str | None = None,
        base_url: str | None = None,
        timeout: Timeout = (10.0, 600.0),
        stall_timeout: float | None = 120.0,
        deadline: float | None = None,
        max_retries: int = 2,
        max_connections: int = 1000,
        default_headers: Mapping[str, str | None] | None = None,
        http_client: httpx.AsyncClient | None = None,
        **unknown: Never,
    ) -> None:
        self._refuse(unknown)
        self._settings = new_settings(
            api_key, project, base_url, timeout, stall_timeout, deadline, max_retries, default_headers
        )
        self._transport = AsyncTransport(_asynchronous(http_client), connections(max_connections))

    @cached_property
    def chat(self) -> AsyncChat:
        """Chats with a model."""
        from .resources.chat import AsyncChat

        return AsyncChat(self._settings, self._transport)

    @cached_property
    def models(self) -> AsyncModels:
        """The models the service serves."""
        from .resources.models import AsyncModels

        return AsyncModels(self._settings, self._transport)

    def with_options(self, **options: Unpack[ClientOptions]) -> Self:
        """A client with other settings on the same connections; closing either closes both.

        Args:
            **options: See `ClientOptions`.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: A value that can't work.
        """
        return self._restore(_changed("with_options", self._settings, options), self._transport)

    async def close(self) -> None:
        """Closes the connections. An `http_client` of your own stays open."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> NoReturn:
        raise TypeError("AsyncClient is entered by `async with`; `with` needs Client")

    def __exit__(self, *exc_info: object) -> None: ...


def _synchronous(http_client: Any) -> Any:
    """The caller's client, if it is a blocking one."""
    if http_client is not None and (hasattr(http_client, "aclose") or not hasattr(http_client, "build_request")):
        raise ConfigurationError(
            f"http_client is of type {type(http_client).__name__}", hint="Client takes an httpx.Client."
        )
    return http_client


def _asynchronous(http_client: Any) -> Any:
    """The caller's client, if it is an async one."""
    if http_client is not None and not (hasattr(http_client, "aclose") and hasattr(http_client, "build_request")):
        raise ConfigurationError(
            f"http_client is of type {type(http_client).__name__}", hint="AsyncClient takes an httpx.AsyncClient."
        )
    return http_client
