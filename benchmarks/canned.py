"""What the benchmarks' server answers: a completion, streams, and an answer with 32,000 log probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import NamedTuple

LOGPROBS = 32_000
"""Tokens of the answer with log probabilities: about 3 MB."""

_HEAD = (
    "HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\nserver: canned\r\nx-request-id: req_0123456789abcdef\r\n"
    "cache-control: no-cache\r\nvary: Origin\r\nstrict-transport-security: max-age=31536000\r\nvia: 1.1 balancer\r\n"
    'x-envoy-upstream-service-time: 7\r\nalt-svc: h3=":443"\r\nconnection: keep-alive\r\n'
)


class Answer(NamedTuple):
    """An answer, ready to be sent."""

    writes: tuple[bytes, ...]
    """What is sent, each in a `send()` of its own."""
    units: int
    """Calls or chunks that a client is charged with."""


@cache
def answer(path: str) -> Answer:
    """The answer to a path: `/now/`, `/slow/`, `/logprobs/`, or `/stream/CHUNKS/AT_ONCE/`, then anything.

    Args:
        path: `CHUNKS` is the number of chunks with text, one more ends the stream; `AT_ONCE` how many share one HTTP
            chunk and one write.
    """
    kind, *numbers = path.strip("/").split("/")
    if kind == "stream":
        chunks, at_once = int(numbers[0]), int(numbers[1])
        return Answer(tuple(_stream(chunks, at_once)), chunks + 1)
    body = _completion(LOGPROBS if kind == "logprobs" else 0)
    return Answer((whole(body),), 1)


def whole(body: bytes) -> bytes:
    """A whole answer with this JSON."""
    return f"{_HEAD}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _completion(logprobs: int) -> bytes:
    text = "A prime above one hundred is one hundred and one. " * 12
    token = {"token": " prime", "logprob": -0.12345678, "bytes": [32, 112, 114, 105, 109, 101], "top_logprobs": []}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        "logprobs": {"content": [token] * logprobs} if logprobs else None,
    }
    answered = {
        "id": "chatcmpl-0123456789",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 150, "completion_tokens": 120, "total_tokens": 270},
    }
    return json.dumps(answered).encode()


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


def _stream(chunks: int, at_once: int) -> Iterator[bytes]:
    text = _event({"content": "token "})
    yield f"{_HEAD}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    yield from _chunked([*[text] * chunks, _event({}, "stop"), b"data: [DONE]\n\n"], at_once)
    yield b"0\r\n\r\n"


def _chunked(events: Iterable[bytes], at_once: int) -> Iterator[bytes]:
    remaining = iter(events)
    while batch := b"".join(islice(remaining, at_once)):
        yield b"%x\r\n%s\r\n" % (len(batch), batch)
