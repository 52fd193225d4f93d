"""`GET /models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from typing_extensions import Unpack

from .._core.build import build_get, model_id
from .._transport.clocks import Clocks
from .._transport.telling import told, told_async
from ..exceptions import NotFoundError
from ..types import Model
from ..types._wire import with_meta
from ..types.chat_params import RequestOptions
from ..types.model import ModelList
from ._awaiting import awaited
from ._signature import with_parameters

if TYPE_CHECKING:
    from .._core.settings import Settings
    from .._transport import AsyncTransport, Transport

M = TypeVar("M", bound=BaseModel)


class Models:
    """The models the service serves."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    @with_parameters(RequestOptions)
    def list(self, **options: Unpack[RequestOptions]) -> ModelList:
        """The models, in the server's order: iterate over them, or take `.data`.

        Args:
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        return self._get(ModelList, "list", "/models", "a list of models", options)

    @with_parameters(RequestOptions)
    def retrieve(self, id: str, **options: Unpack[RequestOptions]) -> Model:
        """One model.

        Args:
            id: Its id, case included.
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            ModelNotFoundError: There is none; `.suggestions` names the nearest.
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        id = model_id(self._settings, id)
        try:
            return self._get(Model, "retrieve", f"/models/{id}", "a model", options, model=id)
        except NotFoundError as error:
            # Only the list is documented: where a server has no path for a single model, the list knows it.
            models = self.list(**options)
            for model in models:
                if model.id == id:
                    return with_meta(model, models.meta)
            raise error

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


class AsyncModels:
    """The models the service serves."""

    def __init__(self, settings: Settings, transport: AsyncTransport) -> None:
        self._settings = settings
        self._transport = transport

    @with_parameters(RequestOptions)
    @awaited
    async def list(self, **options: Unpack[RequestOptions]) -> ModelList:
        """The models, in the server's order: iterate over them, or take `.data`.

        Args:
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        return await self._get(ModelList, "list", "/models", "a list of models", options)

    @with_parameters(RequestOptions)
    @awaited
    async def retrieve(self, id: str, **options: Unpack[RequestOptions]) -> Model:
        """One model.

        Args:
            id: Its id, case included.
            **options: See `wandb_inference.types.RequestOptions`.

        Raises:
            ModelNotFoundError: There is none; `.suggestions` names the nearest.
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        id = model_id(self._settings, id)
        try:
            return await self._get(Model, "retrieve", f"/models/{id}", "a model", options, model=id)
        except NotFoundError as error:
            # Only the list is documented: where a server has no path for a single model, the list knows it.
            models = await self.list(**options)
            for model in models:
                if model.id == id:
                    return with_meta(model, models.meta)
            raise error

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
