"""One chat call to its whole answer, blocking and async."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._transport.telling import told, told_async

if TYPE_CHECKING:
    from .._core.call import ChatCall
    from .._transport import AsyncTransport, Transport
    from .._transport.clocks import Clocks
    from ..types import ChatCompletion


def complete(transport: Transport, call: ChatCall, clocks: Clocks) -> ChatCompletion:
    """The answer, of which the client's hooks have heard."""
    reply = transport.run(call.flow(), call.key, clocks, call.journal)
    if (watch := call.journal.watch) is None:
        return call.completion(reply)
    return told(watch, clocks, lambda: call.completion(reply))


async def complete_async(transport: AsyncTransport, call: ChatCall, clocks: Clocks) -> ChatCompletion:
    """The answer, of which the client's hooks have heard."""
    reply = await transport.run(call.flow(), call.key, clocks, call.journal)
    if (watch := call.journal.watch) is None:
        return call.completion(reply)
    return await told_async(watch, clocks, lambda: call.completion(reply))
