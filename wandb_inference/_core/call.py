"""One call, from parameters to answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pydantic import BaseModel

from ..types import ChatCompletion, Meta
from ..types.completion import with_meta
from .errors import read_object
from .flow import Broken, Flow, Journal, Quirks, request_flow, stream_flow
from .following import Ending
from .meta import meta_from
from .reading import UnreadableError, read_model
from .wire import Reply, Request

if TYPE_CHECKING:
    from .._config import ApiKey
    from .._money import Pricing
    from .chunks import ChunkParser

M = TypeVar("M", bound=BaseModel)

_LARGE = 65_536
"""Bytes of a body from which it pays to read logprobs later: a smaller one is read whole in two milliseconds."""


class Call(NamedTuple):
    """A request, and what goes with it."""

    request: Request
    journal: Journal
    key: ApiKey | None
    """The key, or whom to ask for it; `None` sends none."""

    def flow(self) -> Flow:
        """The conversation with the transport."""
        return request_flow(self.request, self.journal)

    def read(self, model: type[M], reply: Reply, wanted: str) -> M:
        """The reply as a model.

        Raises:
            APIResponseValidationError: It is none.
        """
        answer = _read(partial(read_model, model), reply, self.request, self.journal, wanted)
        return with_meta(answer, meta_from(reply, self.journal.records, total=reply.elapsed))


class ChatCall(NamedTuple):
    """A chat completion."""

    request: Request
    journal: Journal
    key: ApiKey | None
    """The key, or whom to ask for it; `None` sends none."""
    plain: Request | None
    """The request without `stream_options`, where we added them and not the caller."""
    quirks: Quirks
    keep_usage: bool
    """Whether the caller wants the chunks without choices."""
    answers: int
    """How many answers were asked for."""
    final_only: bool = False
    """Whether the stream is for us alone: the caller gets one completion."""
    pricing: Pricing | None = None
    """What it is priced by."""

    def flow(self, broken: Broken | None = None) -> Flow:
        """The conversation with the transport.

        Args:
            broken: How the stream broke, where it is tried again.
        """
        if self.plain is None:
            return request_flow(self.request, self.journal, broken)
        return stream_flow(self.request, self.plain, self.journal, self.quirks, broken)

    def parser(self, reply: Reply) -> ChunkParser:
        """What turns the reply's body into chunks."""
        from .chunks import ChunkFolder, ChunkParser  # which a call without a stream does without

        kind = ChunkFolder if self.final_only else ChunkParser
        return kind(reply, self.request, keep_usage=self.keep_usage, answers=self.answers)

    def streamed(self, reply: Reply, completion: ChatCompletion) -> ChatCompletion:
        """What a stream added up to, if that is a completion, knowing how its call went.

        Raises:
            APIResponseValidationError: It is none.
        """
        if not completion.choices:
            raise _unexpected(reply, self.request, self.journal, "a completion", "no choices")
        return completion

    def completion(self, reply: Reply) -> ChatCompletion:
        """The reply as a completion.

        Raises:
            APIResponseValidationError: It is none.
        """
        completion = _read(_read_completion, reply, self.request, self.journal, "a completion")
        if not completion.choices:
            raise _unexpected(reply, self.request, self.journal, "a completion", "no choices")
        failed = (completion.__pydantic_extra__ or {}).get("error")
        if failed and not completion.text and not completion.choices[0].message.tool_calls:
            # Some gateways put an error beside a choice that says nothing.
            said = read_object({"error": failed}).message
            raise _unexpected(reply, self.request, self.journal, "a completion", f"an error ({said})")
        usage = completion.usage
        tokens = usage.completion_tokens if usage else None
        meta = self.meta(reply, total=reply.elapsed, completion_tokens=tokens)
        completion = with_meta(completion, meta)
        self.journal.end(Ending(None, meta, usage, True, lambda: completion))
        return completion

    def meta(
        self,
        reply: Reply,
        *,
        total: float | None,
        completion_tokens: int | None,
        to_first_token: float | None = None,
    ) -> Meta:
        """How the call went."""
        return meta_from(
            reply,
            self.journal.records,
            total=total,
            completion_tokens=completion_tokens,
            to_first_token=to_first_token,
            pricing=self.pricing,
        )


def _read_completion(data: bytes) -> ChatCompletion:
    if len(data) < _LARGE:
        return read_model(ChatCompletion, data)
    # Few programs need it, and it takes a millisecond to load.
    from .logprobs import read_completion

    return read_completion(data)


def _read(read: Callable[[bytes], M], reply: Reply, request: Request, journal: Journal, wanted: str) -> M:
    try:
        return read(reply.body)
    except UnreadableError as error:
        raise _unexpected(reply, request, journal, wanted, str(error)) from None


def _unexpected(reply: Reply, request: Request, journal: Journal, wanted: str, reason: str) -> Exception:
    from .chunks import unexpected_body

    error = unexpected_body(reply, request, reply.body, wanted, reason)
    error.meta = meta_from(reply, (), total=reply.elapsed)
    error = journal.broke(error)
    journal.fail(error, reply.elapsed)
    return error
