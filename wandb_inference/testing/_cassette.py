"""The public face of recordings."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel
import httpx

from .._config import resolve
from .._network import Network
from ..exceptions import ConfigurationError
from ..transports import AsyncHTTPTransport, HTTPTransport
from ..transports._terms import origin_of
from ._cassette_options import (
    MATCH_ON,
    Mode,
    check_transport,
    checked_fields,
    checked_filter,
    checked_mode,
    checked_names,
    checked_path,
    checked_speed,
)
from ._deck import PLACEHOLDER, Deck
from ._playing import Playback
from ._scrubbing import PROJECT, Filter, Scrubber
from ._taping import Take
from ._transport import EmulatorTransport

if TYPE_CHECKING:
    from wandb_inference import AsyncClient, Client

ENDPOINT: Final = re.compile(r"/(?:chat/completions|models(?:/.*)?)$")
"""The end of a path by which a model is asked, or the models are listed."""
_HOW: Final = 'To record it, delete the file, or give mode="auto", and run again with a key and a project.'


class Cassette(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Real answers in a file: recorded once, played ever after, without key, project or network.

    A transport for `httpx.Client` and `httpx.AsyncClient`; `client()` and `async_client()` make ours with it. The file
    is JSON to be read and committed. Streams are kept with their timing, failures as what they were. Keys, cookies and
    the project never reach it: see `docs/recordings.md` for what is left out, and what stands in its place.

    Equal requests are answered in the order of their recordings, each of which is played once. A request without one is
    a `CassetteMissError`, which says what differs from the nearest and is never tried again. Where answers are played,
    retries wait `speed` times shorter, or not at all.

    Args:
        path: The file. Folders are made when they are needed.
        mode: `auto` plays what is there and records the rest; `replay` plays alone; `record` records all of it anew.
        speed: Times the original speed at which answers are played; 0 is as fast as it goes.
        match_on: What a request must have in common with a recording: some of `method`, `scheme`, `host`, `port`,
            `path`, `query`, `headers` (those that are recorded) and `body` (JSON in any order).
        filter: Gives each text that is to be written down, or compared with what is, without what should stay out of
            the file: `lambda text: text.replace("Ms. Hill", "NAME")`. Texts are URLs, values of headers, strings of
            JSON bodies, and bodies that are no JSON.
        keep_headers: Headers to write down that are left out by default.
        drop_headers: Headers to leave out as well.
        allow_playback_repeats: Whether a recording that was played is played again where no other is left.
        transport: What carries the requests that are recorded; else our own connections, with the proxies and
            certificates of the environment. An emulator's needs no key.

    Safe to use from many threads and tasks. Each exchange is written down when it is over, all of the file at a time.

    Raises:
        ConfigurationError: A value that can't work; a file that is no cassette, or of a newer version.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: Mode = "auto",
        speed: float = 0,
        *,
        match_on: Iterable[str] = MATCH_ON,
        filter: Filter | None = None,
        keep_headers: Iterable[str] = (),
        drop_headers: Iterable[str] = (),
        allow_playback_repeats: bool = False,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        _how: str = _HOW,
    ) -> None:
        name = checked_path(path)
        self._mode: Mode = checked_mode(mode)
        self._speed = checked_speed(speed)
        fields = checked_fields(match_on)
        scrubber = Scrubber(
            keep=checked_names("keep_headers", keep_headers),
            drop=checked_names("drop_headers", drop_headers),
            filter=checked_filter(filter),
            secrets=[os.environ.get("WANDB_API_KEY", "").strip()],
        )
        if transport is not None:
            check_transport(transport)
        self._deck = Deck(
            name,
            self._mode,
            fields,
            scrubber,
            needs_key=not isinstance(transport, EmulatorTransport),
            repeats=allow_playback_repeats,
            how=_how,
        )
        self._given = transport
        self._own: HTTPTransport | None = None
        self._own_async: AsyncHTTPTransport | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._deck.path

    @property
    def mode(self) -> Mode:
        """`auto`, `replay` or `record`."""
        return self._mode

    @property
    def played(self) -> int:
        """How many requests were answered from the file."""
        return self._deck.played

    @property
    def recorded(self) -> int:
        """How many exchanges were recorded by this object."""
        return self._deck.recorded

    @property
    def unused(self) -> list[str]:
        """Recordings that were not played, one line each."""
        return [f"{request.method} {request.url}" for request in self._deck.requests(unused=True)]

    def assert_all_used(self) -> None:
        """Return if each recording was played.

        Raises:
            AssertionError: Some were not. It names them.
        """
        unused = self.unused
        if unused:
            lines = "".join(f"\n  {line}" for line in unused)
            raise AssertionError(f"{len(unused)} of the cassette {self._deck.name!r} were not played:{lines}")

    def client(self, **options: Any) -> Client:
        """A client whose calls are played and recorded here. Where nothing is recorded it needs no key and no project.

        Args:
            **options: As for `Client`. In replay nothing else is looked at: the base URL is that of the recordings.
        """
        from wandb_inference import Client

        options.setdefault("http_client", httpx.Client(transport=self))
        return Client(**self._completed(options))

    def async_client(self, **options: Any) -> AsyncClient:
        """An async client whose calls are played and recorded here.

        Args:
            **options: As for `AsyncClient`. In replay nothing else is looked at: the base URL is that of the
                recordings.
        """
        from wandb_inference import AsyncClient

        options.setdefault("http_client", httpx.AsyncClient(transport=self))
        return AsyncClient(**self._completed(options))

    def _completed(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options, with stand-ins for the key and project of whoever has none."""
        base_url = self._recorded_base_url()
        recorded = {"base_url": base_url} if base_url else {}
        if self._mode == "replay":
            return {"api_key": PLACEHOLDER, "project": PROJECT, **recorded, **options}
        names = ("api_key", "project", "base_url")
        config = resolve(**{name: options.get(name) for name in names})
        own: dict[str, Any] = {"project": PROJECT} if config.project is None else {}
        if config.api_key is None:  # it can play alone
            own["api_key"] = PLACEHOLDER
            own |= recorded if config.sources["base_url"] == "default" else {}
        return {**options, **own}

    def _recorded_base_url(self) -> str | None:
        for request in self._deck.requests():
            if match := ENDPOINT.search(request.url.partition("?")[0]):
                return request.url[: match.start()]
        return None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer: recorded earlier, or now.

        Raises:
            CassetteMissError: There is none.
            httpx.TransportError: There was none when it was recorded, or there is none now.
        """
        return self._exchange(request, self._send)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer: recorded earlier, or now.

        Raises:
            CassetteMissError: There is none.
            httpx.TransportError: There was none when it was recorded, or there is none now.
        """
        return await self._async_exchange(request, self._async_send)

    def _exchange(self, request: httpx.Request, send: Callable[[httpx.Request], httpx.Response]) -> httpx.Response:
        origin_of(request)
        request.read()
        take = Take(request)
        recording = self._deck.find(take)
        if recording is not None:
            playback = Playback(recording, request, self._speed, self._deck.name)
            for seconds in playback.head():
                time.sleep(seconds)
            return playback.response()
        self._deck.begin(take)
        try:
            return take.answered(send(request))
        except httpx.RequestError as error:
            take.broke(error)
            raise
        except BaseException:
            self._deck.drop()
            raise

    async def _async_exchange(
        self, request: httpx.Request, send: Callable[[httpx.Request], Awaitable[httpx.Response]]
    ) -> httpx.Response:
        origin_of(request)
        await request.aread()
        take = Take(request)
        recording = self._deck.find(take)
        if recording is not None:
            playback = Playback(recording, request, self._speed, self._deck.name)
            await anyio.lowlevel.checkpoint()  # as on a network, everybody else gets a turn
            for seconds in playback.head():
                await anyio.sleep(seconds)
            return playback.response()
        self._deck.begin(take)
        try:
            return take.answered(await send(request))
        except httpx.RequestError as error:
            take.broke(error)
            raise
        except BaseException:
            self._deck.drop()
            raise

    def _send(self, request: httpx.Request) -> httpx.Response:
        if self._given is not None:
            response: httpx.Response = _fitting(self._given, "handle_request")(request)
            return response
        if self._own is None:
            self._own = HTTPTransport(network=Network())
        return self._own.handle_request(request)

    async def _async_send(self, request: httpx.Request) -> httpx.Response:
        if self._given is not None:
            response: httpx.Response = await _fitting(self._given, "handle_async_request")(request)
            return response
        if self._own_async is None:
            self._own_async = AsyncHTTPTransport(network=Network())
        return await self._own_async.handle_async_request(request)

    def close(self) -> None:
        """Writes what is not written yet, and closes idle connections of its own. The cassette can be used again."""
        self._deck.save()
        if self._own is not None:
            self._own.close()

    async def aclose(self) -> None:
        """Writes what is not written yet, and closes connections of this event loop. The cassette can be used again."""
        self._deck.save()
        if self._own_async is not None:
            await self._own_async.aclose()

    def __repr__(self) -> str:
        counts = f"{self.played} played, {self.recorded} recorded, {len(self.unused)} unused"
        return f"<Cassette {self._deck.name!r}, {self._mode}: {counts}>"


def _fitting(transport: object, method: str) -> Any:
    """The method of a transport of the caller's that sends a request."""
    found = getattr(transport, method, None)
    if found is None:
        hint = "A blocking client needs one with handle_request, an async client one with handle_async_request."
        raise ConfigurationError(f"This cassette's transport, {type(transport).__name__}, has no {method}", hint=hint)
    return found
