"""The service behind all gateways: says the same to everybody, at once or at a pace. Run as a process of its own.

    python -m benchmarks.gateway.upstream PORT CHUNKS SECONDS_BETWEEN [FAULTS]

With FAULTS, a share from 0 to 1, that many requests are answered wrongly in one way or another.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from typing import cast

ABOUT = {"id": "chatcmpl-1", "created": 1764000000, "model": "meta-llama/Llama-3.1-8B-Instruct"}
USAGE = {"prompt_tokens": 250, "completion_tokens": 150, "total_tokens": 400}
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": "x" * 600}, "finish_reason": "stop"}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FAULTS = ("reset", "half", "500", "429", "early", "cut", "stall")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _whole(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _chunked(b"data: " + _json({**ABOUT, "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n")


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


ANSWER = _whole(_json({**ABOUT, "object": "chat.completion", "choices": [_CHOICE], "usage": USAGE}))
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = _event({"content": " word"})
_USED = {**ABOUT, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
USED = _chunked(b"data: " + _json(_USED) + b"\n\n")
LAST = _event({}, "stop") + USED + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Service(asyncio.Protocol):
    """One connection. Requests come one after the other.

    Args:
        chunks: Of a stream.
        pause: Seconds between two.
        faults: The share of requests that are answered wrongly.
    """

    def __init__(self, chunks: int, pause: float, faults: float) -> None:
        self._chunks = chunks
        self._pause = pause
        self._faults = faults
        self._data = b""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection."""
        # No `isinstance`: uvloop's are asyncio's by their methods alone.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answers what is whole."""
        data = self._data + data if self._data else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(data, 0, end)
            over = end + 4 + (int(length[1]) if length else 0)
            if len(data) < over:
                break
            self._answer(data[end + 4 : over])
            data = data[over:]
        self._data = data

    def _answer(self, body: bytes) -> None:
        streams = b'"stream":true' in body or b'"stream": true' in body
        if self._faults and random.random() < self._faults:
            self._break(random.choice(_FAULTS), streams=streams)
        elif not streams:
            self._transport.write(ANSWER)
        elif not self._pause:
            self._transport.write(HEAD + CHUNK * self._chunks + LAST)
        else:
            self._transport.write(HEAD)
            self._next(self._chunks)

    def _break(self, way: str, *, streams: bool) -> None:
        write = self._transport.write
        if way == "reset":
            self._transport.abort()
        elif way == "half":
            write(ANSWER[:200])
            self._loop.call_later(0.01, self._transport.abort)
        elif way == "500":
            write(_whole(b'{"error":{"message":"engine overloaded"}}', "500 Internal Server Error"))
        elif way == "429" or not streams:
            write(_whole(b'{"error":{"message":"slow down"}}', "429 Too Many Requests"))
        elif way == "early":
            write(HEAD + CHUNK * 3 + b"0\r\n\r\n")
        elif way == "cut":
            write(HEAD + CHUNK * 3)
            self._loop.call_later(0.01, self._transport.abort)
        else:
            write(HEAD + CHUNK * 3)  # and no more

    def _next(self, left: int) -> None:
        if self._transport.is_closing():
            return
        if not left:
            self._transport.write(LAST)
            return
        self._transport.write(CHUNK)
        self._loop.call_later(self._pause, self._next, left - 1)


async def main(port: int, chunks: int, pause: float, faults: float) -> None:
    """Serves for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Service(chunks, pause, faults), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    port, chunks, pause, *more = sys.argv[1:]
    asyncio.run(main(int(port), int(chunks), float(pause), float(more[0]) if more else 0.0))
