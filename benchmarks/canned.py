"""A server with canned answers, in a process of its own: it costs the clients nothing, and answers all of them alike.

Prints its port. `/v1` answers at once, `/slow/v1` after 5 ms, so that many calls are really in flight. What the last
message says decides the stream's shape: `single` writes each event by itself, `burst` writes 64 at a time.
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import islice
from typing import cast

CHUNKS = 1000
DELAY = 0.005

_USAGE = {"prompt_tokens": 150, "completion_tokens": CHUNKS, "total_tokens": 150 + CHUNKS}
_HEAD = (
    "HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\nserver: canned\r\nx-request-id: req_0123456789abcdef\r\n"
    "cache-control: no-cache\r\nvary: Origin\r\nstrict-transport-security: max-age=31536000\r\nvia: 1.1 balancer\r\n"
    'x-envoy-upstream-service-time: 7\r\nalt-svc: h3=":443"\r\nconnection: keep-alive\r\n'
)


def _completion() -> bytes:
    message = {"role": "assistant", "content": "A prime above one hundred is one hundred and one. " * 12}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = json.dumps(
        {
            "id": "chatcmpl-0123456789",
            "object": "chat.completion",
            "created": 1790000000,
            "model": "m",
            "choices": [choice],
            "usage": _USAGE,
        }
    ).encode()
    return f"{_HEAD}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    chunk = {
        "id": "chatcmpl-0123456789abcdef0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "system_fingerprint": "fp_0123456789abcdef",
        "choices": [choice],
        "usage": None,
    }
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n".encode()


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _stream(at_once: int) -> list[bytes]:
    """The writes of a stream, so many events in each."""
    events = iter([*(_event({"content": "token "}) for _ in range(CHUNKS)), _event({}, "stop"), b"data: [DONE]\n\n"])
    head = f"{_HEAD}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    writes = [head]
    while batch := b"".join(islice(events, at_once)):
        writes.append(_chunked(batch))
    return [*writes, b"0\r\n\r\n"]


COMPLETION = _completion()
STREAMS = {b"single": _stream(1), b"burst": _stream(64)}


class Canned(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answers each request once it is whole."""
        self._pending += data
        head, found, body = self._pending.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        length = int(lower[start:].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._pending = body[length:]
        shape = next((name for name in STREAMS if name in body), None)
        if shape is not None:
            for write in STREAMS[shape]:
                self._transport.write(write)
        elif b" /slow/" in head:
            asyncio.get_running_loop().call_later(DELAY, self._transport.write, COMPLETION)
        else:
            self._transport.write(COMPLETION)


async def main() -> None:
    """Serves until it is killed."""
    server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
