"""`GET /models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from typing_extensions import Unpack

from .._core.build import build_get, model_id
from .._transport.clocks import Clocks
from .._transport.telling import told, told_async
from ..exceptions import APIError, NotFoundError
from ..types import Model
from ..types._wire import with_meta
from ..types.chat_params import RequestOptions
from ..types.model import ModelList
from ._awaiting import awaited
from ._signature import with_parameters

if TYPE_CHECKING:
    from .._core.settings import Settings
    from .._transport import AsyncTransport, Transport
    from ..catalogue._feed import Entry
    from ..types import Meta

M = TypeVar("M", bound=BaseModel)


class Models:
    """The models the service serves."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    @with_parameters(RequestOptions)
    def list(self, *, feed: bool | str = False, **options: Unpack[RequestOptions]) -> ModelList:
        """The models: iterate over them, or take `.data`. Each has what is known of it: context, prices, lifecycle.

        First come the server's, in its order. On the service's own host, those follow that live by the table
        and that its list lacks: their `.status` is `unlisted`. A retired one that it still names is `retired`.

        Args:
            feed: Whether to ask the public feed of the service's console too, which knows of changes since the table;
                or the URL of such a feed. Neither key nor project goes there, and where it can't be read, there is a
                `UserWarning` and a list without it.
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: `feed` is neither true, false, nor a URL.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        from .._core.listing import feed_url, listed

        url = feed_url(feed)
        models = self._get(ModelList, "list", "/models", "a list of models", options)
        entries = None if url is None else self._feed(url, options, models.meta)
        return listed(self._settings, models, entries)

    @with_parameters(RequestOptions)
    def retrieve(self, id: str, *, feed: bool | str = False, **options: Unpack[RequestOptions]) -> Model:
        """One model, with what is known of it: context, prices, lifecycle.

        One of the service's that its list leaves out, as it has done for hours, has the status `unlisted`.

        Args:
            id: Its id, case included.
            feed: As for `list()`.
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            ModelNotFoundError: There is none; `.suggestions` names the nearest, `.successor` what replaced it.
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: `id` is no id, or `feed` neither true, false, nor a URL.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        from .._core.listing import described, feed_url

        url = feed_url(feed)
        id = model_id(self._settings, id)
        try:
            model = self._get(Model, "retrieve", f"/models/{id}", "a model", options, model=id)
        except NotFoundError as error:
            # Only the list is documented: where a server has no path for a single model, the list knows it.
            models = self.list(feed=feed, **options)
            for model in models:
                if model.id == id:
                    return with_meta(model, models.meta)
            raise error
        entries = None if url is None else self._feed(url, options, model.meta)
        return described(self._settings, model, entries or {})

    def _get(
        self,
        kind: type[M],
        function: str,
        path: str,
        wanted: str,
        options: Mapping[str, object],
        model: str | None = None,
    ) -> M:
        call = build_get(self._settings, function, path, options, model)
        clocks = Clocks(call.request.timeouts)
        reply = self._transport.run(call.flow(), call.key, clocks, call.journal)
        if (watch := call.journal.watch) is None:
            return call.read(kind, reply, wanted)
        return told(watch, clocks, lambda: call.read(kind, reply, wanted))

    def _feed(self, url: str, options: Mapping[str, object], meta: Meta | None) -> dict[str, Entry] | None:
        from .._core.listing import build_feed, no_feed, read_entries

        call = build_feed(self._settings, url, options, (meta and meta.total) or 0.0)
        try:
            reply = self._transport.run(call.flow(), call.key, Clocks(call.request.timeouts), call.journal)
            return read_entries(reply)
        except APIError as error:
            no_feed(error)
            return None


class AsyncModels:
    """The models the service serves."""

    def __init__(self, settings: Settings, transport: AsyncTransport) -> None:
        self._settings = settings
        self._transport = transport

    @with_parameters(RequestOptions)
    @awaited
    async def list(self, *, feed: bool | str = False, **options: Unpack[RequestOptions]) -> ModelList:
        """The models: iterate over them, or take `.data`. Each has what is known of it: context, prices, lifecycle.

        First come the server's, in its order. On the service's own host, those follow that live by the table
        and that its list lacks: their `.status` is `unlisted`. A retired one that it still names is `retired`.

        Args:
            feed: Whether to ask the public feed of the service's console too, which knows of changes since the table;
                or the URL of such a feed. Neither key nor project goes there, and where it can't be read, there is a
                `UserWarning` and a list without it.
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: `feed` is neither true, false, nor a URL.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        from .._core.listing import feed_url, listed

        url = feed_url(feed)
        models = await self._get(ModelList, "list", "/models", "a list of models", options)
        entries = None if url is None else await self._feed(url, options, models.meta)
        return listed(self._settings, models, entries)

    @with_parameters(RequestOptions)
    @awaited
    async def retrieve(self, id: str, *, feed: bool | str = False, **options: Unpack[RequestOptions]) -> Model:
        """One model, with what is known of it: context, prices, lifecycle.

        One of the service's that its list leaves out, as it has done for hours, has the status `unlisted`.

        Args:
            id: Its id, case included.
            feed: As for `list()`.
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            ModelNotFoundError: There is none; `.suggestions` names the nearest, `.successor` what replaced it.
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: `id` is no id, or `feed` neither true, false, nor a URL.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        from .._core.listing import described, feed_url

        url = feed_url(feed)
        id = model_id(self._settings, id)
        try:
            model = await self._get(Model, "retrieve", f"/models/{id}", "a model", options, model=id)
        except NotFoundError as error:
            # Only the list is documented: where a server has no path for a single model, the list knows it.
            models = await self.list(feed=feed, **options)
            for model in models:
                if model.id == id:
                    return with_meta(model, models.meta)
            raise error
        entries = None if url is None else await self._feed(url, options, model.meta)
        return described(self._settings, model, entries or {})

    async def _get(
        self,
        kind: type[M],
        function: str,
        path: str,
        wanted: str,
        options: Mapping[str, object],
        model: str | None = None,
    ) -> M:
        call = build_get(self._settings, function, path, options, model)
        clocks = Clocks(call.request.timeouts)
        reply = await self._transport.run(call.flow(), call.key, clocks, call.journal)
        if (watch := call.journal.watch) is None:
            return call.read(kind, reply, wanted)
        return await told_async(watch, clocks, lambda: call.read(kind, reply, wanted))

    async def _feed(self, url: str, options: Mapping[str, object], meta: Meta | None) -> dict[str, Entry] | None:
        from .._core.listing import build_feed, no_feed, read_entries

        call = build_feed(self._settings, url, options, (meta and meta.total) or 0.0)
        try:
            reply = await self._transport.run(call.flow(), call.key, Clocks(call.request.timeouts), call.journal)
            return read_entries(reply)
        except APIError as error:
            no_feed(error)
            return None
