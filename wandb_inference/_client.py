"""The clients: construction and lifetime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import Never, Self, Unpack

from ._client_options import ClientOptions, Configured, changed, new_settings
from ._core.options import connections, hooked
from ._network import Network, checked
from ._transport import Transport
from .exceptions import ConfigurationError

if TYPE_CHECKING:
    import httpx

    from ._money.price import Price
    from ._transport import AsyncTransport
    from .resources.chat import AsyncChat, Chat
    from .resources.models import AsyncModels, Models
    from .types import AttemptEvent, DoneEvent, SendEvent

    Timeout = float | tuple[float | None, float | None] | None


class Client(Configured):
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
            served.
        default_headers: Headers to add to each request or, with `None`, to leave out.
        adaptive_concurrency: Whether chats wait in line for what the server can take: how many may be in flight is
            found out for each model and project, from the server's 429 answers and from how long calls take. Such a 429
            is then no error and no retry, as long as fewer can be tried. See `concurrency`.
        check_model: Whether a model that the catalogue's table says is retired is an error before anything is sent, on
            the service's own host; one that is deprecated is warned of, once.
        check_context: Whether a chat that can't fit its model's window, by the table, is an error before it is sent.
        prices: What models cost, by id: `Price(...)`, or a mapping with its fields. Before the catalogue's table.
        network: Certificates, proxy, HTTP/2, Unix socket and more, as a `Network`. The environment is read for it here.
        http_client: An `httpx.Client` of your own: its proxies, hooks and transports are used, and it is never closed
            here.
        before_send: Called with a `wandb_inference.types.SendEvent` before each sending, after any wait.
        on_attempt: Called with an `AttemptEvent` once for each attempt, when it is known how it ended.
        on_done: Called with a `DoneEvent` once for each call that began to be sent, however it ends: with an answer, an
            error, a cancellation, or a stream read to its end or left.

    A hook that raises is logged as an error, and the call goes on. None of them can be a coroutine function.

    Timeouts of `None` wait for ever.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: A value that can't work.
    """

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
        adaptive_concurrency: bool = False,
        check_model: bool = True,
        check_context: bool = True,
        prices: Mapping[str, Price | Mapping[str, Any]] | None = None,
        network: Network | None = None,
        http_client: httpx.Client | None = None,
        before_send: Callable[[SendEvent], object] | None = None,
        on_attempt: Callable[[AttemptEvent], object] | None = None,
        on_done: Callable[[DoneEvent], object] | None = None,
        **unknown: Never,
    ) -> None:
        self._refuse(unknown)
        settings = new_settings(
            api_key,
            project,
            base_url,
            timeout,
            stall_timeout,
            deadline,
            max_retries,
            default_headers,
            adaptive_concurrency,
            check_model,
            check_context,
            prices,
        )
        hooks = {"before_send": before_send, "on_attempt": on_attempt, "on_done": on_done}
        self._settings = hooked(settings, hooks, blocking=True)
        given = _given(http_client, blocking=True)
        self._transport = self._new_transport(given, connections(max_connections), checked(network, http_client))

    @staticmethod
    def _new_transport(http_client: Any, limit: int, network: Network) -> Transport:
        return Transport(http_client, limit, network)

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
        settings = changed("with_options", self._settings, options)
        return self._restore(hooked(settings, options, blocking=True), self._transport)

    def close(self) -> None:
        """Closes the connections; calls and streams end with an error at once. An `http_client` of yours stays open."""
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


class AsyncClient(Configured):
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
            served.
        default_headers: Headers to add to each request or, with `None`, to leave out.
        adaptive_concurrency: Whether chats wait in line for what the server can take: how many may be in flight is
            found out for each model and project, in each event loop by itself, from the server's 429 answers and from
            how long calls take. Such a 429 is then no error and no retry, as long as fewer can be tried. See
            `concurrency`.
        check_model: Whether a model that the catalogue's table says is retired is an error before anything is sent, on
            the service's own host; one that is deprecated is warned of, once.
        check_context: Whether a chat that can't fit its model's window, by the table, is an error before it is sent.
        prices: What models cost, by id: `Price(...)`, or a mapping with its fields. Before the catalogue's table.
        network: Certificates, proxy, HTTP/2, Unix socket and more, as a `Network`. The environment is read for it here.
        http_client: An `httpx.AsyncClient` of your own: its proxies, hooks and transports are used, and it is never
            closed here.
        before_send: Called with a `wandb_inference.types.SendEvent` before each sending, after any wait.
        on_attempt: Called with an `AttemptEvent` once for each attempt, when it is known how it ended.
        on_done: Called with a `DoneEvent` once for each call that began to be sent, however it ends: with an answer, an
            error, a cancellation, or a stream read to its end or left.

    A hook that raises is logged as an error, and the call goes on. Hooks may be async: what they return is awaited,
    and the deadline does not end it.

    Timeouts of `None` wait for ever.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: A value that can't work.
    """

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
        adaptive_concurrency: bool = False,
        check_model: bool = True,
        check_context: bool = True,
        prices: Mapping[str, Price | Mapping[str, Any]] | None = None,
        network: Network | None = None,
        http_client: httpx.AsyncClient | None = None,
        before_send: Callable[[SendEvent], object] | None = None,
        on_attempt: Callable[[AttemptEvent], object] | None = None,
        on_done: Callable[[DoneEvent], object] | None = None,
        **unknown: Never,
    ) -> None:
        self._refuse(unknown)
        settings = new_settings(
            api_key,
            project,
            base_url,
            timeout,
            stall_timeout,
            deadline,
            max_retries,
            default_headers,
            adaptive_concurrency,
            check_model,
            check_context,
            prices,
        )
        hooks = {"before_send": before_send, "on_attempt": on_attempt, "on_done": on_done}
        self._settings = hooked(settings, hooks, blocking=False)
        given = _given(http_client, blocking=False)
        self._transport = self._new_transport(given, connections(max_connections), checked(network, http_client))

    @staticmethod
    def _new_transport(http_client: Any, limit: int, network: Network) -> AsyncTransport:
        from ._transport import AsyncTransport

        return AsyncTransport(http_client, limit, network)

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
        settings = changed("with_options", self._settings, options)
        return self._restore(hooked(settings, options, blocking=False), self._transport)

    async def close(self) -> None:
        """Closes the connections; calls and streams end with an error at once. An `http_client` of yours stays open."""
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


def _given(http_client: Any, *, blocking: bool) -> Any:
    """The caller's client, if it is of the right kind."""
    if http_client is None:
        return None
    if not hasattr(http_client, "build_request") or hasattr(http_client, "aclose") is blocking:
        takes = "Client takes an httpx.Client." if blocking else "AsyncClient takes an httpx.AsyncClient."
        raise ConfigurationError(f"http_client is of type {type(http_client).__name__}", hint=takes)
    if isinstance(http_client, type):
        name = http_client.__name__
        raise ConfigurationError(f"http_client is the class {name}", hint=f"Make one: http_client=httpx.{name}().")
    return http_client
