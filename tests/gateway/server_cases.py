"""What the tests of the server need: a gateway on a port, in the loop of the test, and requests to it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvicorn
from uvicorn.server import ServerState

from wandb_inference.gateway.app import Gateway
from wandb_inference.gateway.config import GatewayConfig, load
from wandb_inference.gateway.protocol import GatewayProtocol

MASTER = "a-master-key-0123456789"
ENVIRON = {
    "WANDB_API_KEY": "the-key-of-the-account",
    "WANDB_PROJECT": "team/project",
    "MASTER": MASTER,
    "KEY_A": "a-key-of-somebody-1",
    "KEY_B": "a-key-of-somebody-2",
}
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
ONE = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}}}
"""
KEYED = f"""{ONE}
general_settings: {{master_key: os.environ/MASTER}}
keys:
  - {{name: a, key: os.environ/KEY_A, models: [fast], rpm: 100, tpm: 1000000}}
"""
BODY: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
STREAM = {**BODY, "stream": True}


def configured(folder: Path, text: str = ONE, base_url: str = "http://127.0.0.1:9/v1") -> GatewayConfig:
    """The configuration of a text, whose deployments are all at one address."""
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ=ENVIRON, api_base=base_url, cwd=folder, home=folder)


class Served(NamedTuple):
    """A gateway on a port."""

    gateway: Gateway
    host: str
    port: int
    client: httpx.AsyncClient
    state: ServerState

    async def chat(
        self, body: dict[str, Any] = BODY, path: str = "/v1/chat/completions", **options: Any
    ) -> httpx.Response:
        """The answer to a chat request."""
        return await self.client.post(path, json=body, **options)

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which these bytes were sent."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(data)
        return reader, writer

    def page(self) -> str:
        """The metrics."""
        from wandb_inference.gateway.pages import metrics

        return metrics(self.gateway).decode()


@asynccontextmanager
async def serving(config: GatewayConfig, **options: Any) -> AsyncIterator[Served]:
    """A gateway on a port of its own, with what is left to chance decided."""
    gateway = Gateway(config, seed=1)
    await gateway.open()
    server = uvicorn.Config(
        gateway,  # type: ignore[arg-type]
        http=GatewayProtocol,
        ws="none",
        interface="asgi3",
        proxy_headers=False,
        lifespan="off",
        log_config=None,
        timeout_keep_alive=60,
        **options,
    )
    server.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: server.http_protocol_class(server, state, {}, loop), "127.0.0.1", 0)  # type: ignore[operator,call-arg]
    host, port = listening.sockets[0].getsockname()[:2]
    client = httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=20, trust_env=False)
    try:
        yield Served(gateway, host, port, client, state)
    finally:
        await client.aclose()
        listening.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for _ in range(200):
            if not state.tasks and not state.connections:
                break
            await asyncio.sleep(0.005)
        await gateway.close()
        assert not gateway.calls
        assert not state.tasks


def chat_bytes(body: dict[str, Any] | bytes = BODY, *headers: str, length: int | None = None) -> bytes:
    """A chat request as it goes over the wire."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", *headers]
    lines.append(f"content-length: {len(raw) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def chunk(text: str | None = "hello", *, finish: str | None = None, **fields: Any) -> bytes:
    """An event with a chunk, as densely as the service writes it."""
    delta = {} if text is None else {"content": text}
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        **fields,
    }
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
LAST = chunk(None, finish="stop")
USED = chunk(choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"


def completion(text: str = "hello", **fields: Any) -> bytes:
    """A whole answer."""
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": USAGE,
        **fields,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def events(text: str | bytes) -> list[Any]:
    """What the events of a stream say; comments are left out."""
    raw = text.encode() if isinstance(text, str) else text
    found: list[Any] = []
    for event in raw.split(b"\n\n"):
        if event.startswith(b"data: "):
            data = event[6:]
            found.append("[DONE]" if data == b"[DONE]" else json.loads(data))
    return found


def said(value: list[Any]) -> str:
    """The text that chunks add up to."""
    return "".join(
        choice["delta"].get("content") or ""
        for each in value
        if isinstance(each, dict)
        for choice in each.get("choices", ())
    )


@contextmanager
def free_port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Waits until something holds."""
    for _ in range(int(seconds / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about")
