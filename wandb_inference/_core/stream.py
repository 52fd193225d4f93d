"""A stream while it is read: everything `Stream` and `AsyncStream` decide, so that they only wait."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..exceptions import APIError, StreamInterruptedError
from ..types import ChatCompletion, CompletionUsage, Meta
from ..types.completion import with_meta
from .flow import Broken, Flow
from .following import Ending
from .wire import Failure, Reply

if TYPE_CHECKING:
    from ..types import CostDetails
    from .accumulate import ChatAccumulator
    from .call import ChatCall
    from .hooks import Notices


class StreamState:
    """Takes what was read, and says what to do next.

    Args:
        call: The call that was answered.
        reply: Its reply, with the body still open.
    """

    def __init__(self, call: ChatCall, reply: Reply) -> None:
        self._call = call
        self._open(reply)
        self._total: float | None = None
        self._earlier: ChatAccumulator | None = None
        """What had arrived before the stream broke and was tried again."""

    def _open(self, reply: Reply) -> None:
        self._reply = reply
        self._parser = self._call.parser(reply)
        self.arrived: Iterator[object] = iter(())
        """What can be handed over: chunks. All are taken before more is read."""
        self._before = -1

    @property
    def had_data(self) -> bool:
        """Whether what was read last held a data event: comments feed no stall clock."""
        return self._parser.events > self._before

    @property
    def done(self) -> bool:
        """Whether the stream ended well."""
        return self._parser.done

    def take(self, read: bytes | Failure, elapsed: float) -> None:
        """Takes what a read brought, `elapsed` seconds after the call began."""
        if isinstance(read, Failure):
            self._parser.fail(read)
        else:
            self._before = self._parser.events
            self.arrived = self._parser.feed(read, elapsed)

    def check_open(self) -> None:
        """Return if a loop over the stream can say the truth: it goes on, or it has come to its good end.

        Raises:
            APIError: The stream broke, as it did before, or was closed early. An empty loop would pass for an answer.
        """
        if self._total is None or self.done:
            return
        error = self._parser.error or StreamInterruptedError(
            "this stream was closed before its end: leaving its loop closes it",
            hint="Take single chunks by next(stream) or anext(stream), and the rest in one loop.",
        )
        raise self._finished(error)

    def retry(self, elapsed: float) -> Flow | None:
        """What to do about an error: `None` if there is none, or the flow that tries again.

        Raises:
            APIError: The error, if it is the caller's to see.
        """
        error = self._parser.error
        if error is None:
            return None
        if self._parser.given and not self._call.final_only:
            self.close(elapsed)
            raise self._finished(self._call.journal.broke(error))
        error.meta = self._meta(elapsed)
        flow = self._call.flow(Broken(error, elapsed))
        return self._again(flow) if self._call.final_only else flow

    def _again(self, flow: Flow) -> Flow:
        """The flow that tries again, whatever had arrived: nobody was given it. The last error carries it."""
        if self._parser.given:
            self._earlier = self._parser.accumulator
        try:
            return (yield from flow)
        except APIError as error:
            if self._earlier is not None:
                error.meta = error.meta and replace(error.meta, pricing=self._call.pricing)
                error.partial = with_meta(self._earlier.snapshot(), error.meta)
            raise

    def _finished(self, error: APIError) -> APIError:
        """The error with what had arrived."""
        if self._parser.given:
            error.partial = self.snapshot()
        error.meta = self.meta
        return self._call.journal.complete(error)

    def restart(self, reply: Reply) -> None:
        """The new reply takes the place of the one that broke."""
        self._open(reply)

    def close(self, elapsed: float) -> None:
        """The stream is over, `elapsed` seconds after the call began; what has arrived is read, but not handed over."""
        with contextlib.suppress(ValueError):  # a loop in another thread is about to take one
            for _ in self.arrived:
                pass
        if self._total is None:
            self._total = elapsed

    def completion(self) -> ChatCompletion:
        """What the stream added up to, at its good end.

        Raises:
            APIResponseValidationError: That is no completion.
        """
        return self._call.streamed(self._reply, self.snapshot())

    def snapshot(self) -> ChatCompletion:
        """What has arrived so far, as a completion that knows how its call goes."""
        return with_meta(self._parser.accumulator.snapshot(), self.meta)

    def ended(self, error: BaseException | None = None) -> Notices:
        """What the client's hooks are told now that the stream is closed; nothing if they know. Followers hear it here.

        Args:
            error: How it failed.
        """
        journal = self._call.journal
        if isinstance(error, APIError) and error.meta is None:
            self._finished(error)  # one that a transport raised: a recording that ends too early, say
        meta = error.meta if isinstance(error, APIError) else self.meta
        journal.end(Ending(error, meta, self.usage, self.done, self.snapshot))
        watch = journal.watch
        if watch is None:
            return ()
        answered = self.snapshot().model
        total = self._total or 0.0
        return watch.done(error, total, meta=meta, usage=self.usage, complete=self.done, answered=answered)

    @property
    def text(self) -> str:
        """The first answer's text so far."""
        return self._parser.accumulator.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts, once they came."""
        return self._parser.accumulator.usage

    @property
    def cost_details(self) -> CostDetails:
        """What the call costs, so far as it is known."""
        from .._money.cost import details_of

        return details_of(self.snapshot())

    @property
    def meta(self) -> Meta:
        """How the call went so far."""
        return self._meta(self._total)

    def _meta(self, total: float | None) -> Meta:
        usage = self.usage
        return self._call.meta(
            self._reply,
            to_first_token=self._parser.first_token,
            total=total,
            completion_tokens=usage.completion_tokens if usage else None,
        )
