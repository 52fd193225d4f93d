"""Asking an emulator with a plain HTTP client, as any program in any language would."""

from __future__ import annotations

import json
from typing import Any

import httpx

from wandb_inference.testing import Emulator

HEADERS = {"authorization": "Bearer key", "openai-project": "team/project"}
PLAIN = "meta-llama/Llama-3.1-8B-Instruct"
THINKING = "openai/gpt-oss-20b"
SEEING = "google/gemma-4-31B-it"


def http(emulator: Emulator, **options: Any) -> httpx.Client:
    """A client of an emulator: over its port where it is open, else in process."""
    if "127.0.0.1" not in emulator.base_url:
        options["transport"] = emulator.transport()
    return httpx.Client(**{"base_url": emulator.base_url, "headers": HEADERS, "trust_env": False, **options})


def request(text: str = "Hello", **body: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    return {"model": PLAIN, "messages": [{"role": "user", "content": text}], **body}


def ask(emulator: Emulator, text: str = "Hello", **body: Any) -> httpx.Response:
    """The answer to one message."""
    with http(emulator) as client:
        return client.post("/chat/completions", json=request(text, **body))


def choice(emulator: Emulator, text: str = "Hello", **body: Any) -> dict[str, Any]:
    """The first choice of the answer to one message."""
    answer = ask(emulator, text, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]


def content(emulator: Emulator, text: str = "Hello", **body: Any) -> str:
    """The text of the answer to one message."""
    return choice(emulator, text, **body)["message"]["content"]


def events(text: str) -> list[str]:
    """The data of each event of a stream, in order."""
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]


def chunks(emulator: Emulator, text: str = "Hello", **body: Any) -> list[dict[str, Any]]:
    """The chunks of the streamed answer to one message; that it ends with `[DONE]` is checked."""
    *data, done = events(ask(emulator, text, stream=True, **body).text)
    assert done == "[DONE]"
    return [json.loads(item) for item in data]


def joined(chunks: list[dict[str, Any]], field: str, index: int = 0) -> str:
    """A text field of the deltas of one choice, joined."""
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(delta.get(field) or "" for delta in deltas)
