"""The public face of the emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING, Any, Literal

import httpx
from typing_extensions import Self, Unpack

from ._asgi import EmulatorApp
from ._faults import Fault
from ._replies import Answer, Reply, ReplyFields, When, is_chat
from ._requests import RecordedRequest
from ._service import FEED, Service
from ._settings import Settings
from ._transport import EmulatorTransport

if TYPE_CHECKING:
    from wandb_inference import AsyncClient, Client

    from ._server import Server


def _always(request: RecordedRequest) -> bool:
    return True


class Emulator:
    """A W&B Inference on this machine.

    As it is, it works in process: `client()`, `async_client()`, or any httpx client with `transport()`. As a context
    manager, blocking or async, it also opens a port for any client in any language, at `base_url`.

    It answers as the service does, and the same request is answered the same way every time: text depends on `seed`
    and the request alone. Answers can be scripted with `reply()` and broken with `fault()`.

    Args:
        api_key: The only key that is accepted; `None` accepts every key that isn't empty.
        project: The only project that is accepted; `None` accepts every `team/project`.
        require_project: Whether a chat completion without the `OpenAI-Project` header is refused.
        seed: Another seed gives other texts.
        latency: Seconds before each answer begins.
        tokens_per_second: Pace of generation, above 0; `None`: at once.
        models: Ids that answer and are listed; `None`: the living ones of the catalogue, and the short names that
            LiteLLM's page uses. LoRA ids (`wandb-artifact:///team/project/name:v1`) always answer.
        concurrency_limit: Chat completions in flight for one model and project beyond which the next is a 429; those
            that are refused do not count. `None`: any number.
        context_window: Tokens of prompt and answer together beyond which a request is a 400; `None`: what the catalogue
            knows of each model.
        unsupported: Parameters refused with a 422, such as `logprobs`, `stream_options`.
        reasoning_field: Where thinking goes: `reasoning`, or the older `reasoning_content`.
        on_request: Called with each request once its answer is decided: to log it, say.
        host: Address of the port.
        port: Number of the port; 0 means a free one.

    Raises:
        ValueError: `latency`, `tokens_per_second`, `context_window` or `port` is out of range.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        project: str | None = None,
        require_project: bool = True,
        seed: int = 0,
        latency: float = 0.0,
        tokens_per_second: float | None = None,
        models: Iterable[str] | None = None,
        concurrency_limit: int | None = None,
        context_window: int | None = None,
        unsupported: Iterable[str] = (),
        reasoning_field: Literal["reasoning", "reasoning_content"] = "reasoning",
        on_request: Callable[[RecordedRequest], None] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not 0 <= latency < inf:
            raise ValueError(f"latency is a duration in seconds, not {latency}")
        if tokens_per_second is not None and not tokens_per_second > 0:
            raise ValueError(f"tokens_per_second must be above 0 or None, not {tokens_per_second}")
        if concurrency_limit is not None and concurrency_limit < 0:
            raise ValueError(f"concurrency_limit is a number of requests or None, not {concurrency_limit}")
        if context_window is not None and context_window < 1:
            raise ValueError(f"context_window is a number of tokens above 0 or None, not {context_window}")
        if not 0 <= port <= 65535:
            raise ValueError(f"port must be 0 to 65535, not {port}")
        self._settings = Settings(
            api_key=api_key,
            project=project,
            require_project=require_project,
            seed=seed,
            latency=latency,
            tokens_per_second=tokens_per_second,
            models=None if models is None else tuple(models),
            concurrency_limit=concurrency_limit,
            context_window=context_window,
            unsupported=frozenset(unsupported),
            reasoning_field=reasoning_field,
        )
        self._service = Service(self._settings, on_request)
        self._address = (host, port)
        self._server: Server | None = None
        self._connections = 0
        self.app = EmulatorApp(self._service)
        """The emulator as an ASGI application, for a server of your own."""

    def reply(
        self,
        answer: str | Answer | None = None,
        *,
        times: int | None = 1,
        when: When | None = None,
        **fields: Unpack[ReplyFields],
    ) -> None:
        """Queue an answer; once used up, the default behaviour is back.

        Args:
            answer: A text, a `Reply`, or a function that makes one of these from the request.
            times: How many requests it answers; `None`: all.
            when: Which requests it answers; `None`: chat completions. Requests refused for their key or project are
                never asked.
            **fields: The fields of a `Reply`, in place of `answer` or beside a text.

        Raises:
            ValueError: Fields contradict each other, or `times` is below 1.
            TypeError: A `Reply` or function was given together with fields.
        """
        if answer is None or isinstance(answer, str):
            if answer is not None:
                fields["text"] = answer
            answer = Reply(**fields)
        elif fields:
            raise TypeError(f"{', '.join(fields)}: fields go into the Reply itself")
        with self._service.lock:
            self._service.replies.add(answer, when or is_chat, times)

    def fault(self, fault: Fault, *, times: int | None = 1, when: When | None = None) -> None:
        """Queue a fault: it strikes the next answers, scripted or not, streamed or not.

        Args:
            fault: What goes wrong.
            times: How many answers it strikes, a storm each time as often as it says; `None`: all.
            when: Which requests it strikes; `None`: any.

        Raises:
            ValueError: `times` is below 1.
        """
        with self._service.lock:
            self._service.faults.add(fault, when or _always, None if times is None else times * fault.times)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last 10,000 requests, oldest first, refused ones included."""
        with self._service.lock:
            return list(self._service.requests)

    @property
    def in_flight(self) -> int:
        """Answers under way: streams that are open, and requests still waiting."""
        return self._service.in_flight

    @property
    def connections(self) -> int:
        """Connections opened to the port so far."""
        return self._connections

    def clear(self) -> None:
        """Forget the requests, and every reply and fault that is still queued."""
        with self._service.lock:
            self._service.requests.clear()
            self._service.replies.clear()
            self._service.faults.clear()

    @property
    def base_url(self) -> str:
        """Where to point a client; ends in `/v1`. Without a port it is a made-up host that only `transport()` knows."""
        if self._server is None:
            return "http://emulator.test/v1"
        # A server that listens everywhere is reached by the loopback address.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._server.host, self._server.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.port}/v1"

    @property
    def feed_url(self) -> str:
        """Where the public feed of models is, for `models.list(feed=emulator.feed_url)`. It wants no key."""
        return self.base_url.removesuffix("/v1") + FEED

    def transport(self) -> EmulatorTransport:
        """A transport for `httpx.Client` and `httpx.AsyncClient` that ends here, whatever the URL."""
        return EmulatorTransport(self._service)

    def client(self, **options: Any) -> Client:
        """A client of this emulator: over the port where it is open, else in process.

        Args:
            **options: As for `Client`.
        """
        from wandb_inference import Client

        if self._server is None:
            options.setdefault("http_client", httpx.Client(transport=self.transport()))
        return Client(**self._credentials(options))

    def async_client(self, **options: Any) -> AsyncClient:
        """An async client of this emulator: over the port where it is open, else in process.

        Args:
            **options: As for `AsyncClient`.
        """
        from wandb_inference import AsyncClient

        if self._server is None:
            options.setdefault("http_client", httpx.AsyncClient(transport=self.transport()))
        return AsyncClient(**self._credentials(options))

    def start(self) -> Self:
        """Open the port, unless it is open; `with` does it too.

        Raises:
            ImportError: The extra `emulator` is not installed.
            OSError: The port is taken.
        """
        from ._server import Server

        if self._server is None:
            self._server = Server(self.app, *self._address, opened=self._opened)
        return self

    def stop(self) -> None:
        """Close the port and every connection; without effect where none is open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = "in process" if self._server is None else self.base_url
        return f"<Emulator {where}, {len(self.requests)} requests>"

    def _opened(self) -> None:
        self._connections += 1

    def _credentials(self, options: dict[str, Any]) -> dict[str, Any]:
        key, project = self._settings.api_key or "emulator", self._settings.project or "team/project"
        return {"base_url": self.base_url, "api_key": key, "project": project, **options}
