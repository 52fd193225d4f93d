"""What type checkers must infer of recordings. Checked by mypy and pyright, never run."""

from __future__ import annotations

from pathlib import Path

import httpx
from typing_extensions import assert_type

from wandb_inference import APIError, AsyncClient, Client
from wandb_inference.testing import Cassette, CassetteMissError, Emulator

cassette = Cassette("a.json")
Cassette(Path("a.json"), "replay", 1)
Cassette(
    "a.json",
    mode="record",
    speed=0.5,
    match_on=["path", "body"],
    filter=lambda text: text.upper(),
    keep_headers=("cf-ray",),
    drop_headers={"x-tenant"},
    allow_playback_repeats=True,
    transport=Emulator().transport(),
)
Cassette("a.json", transport=httpx.AsyncHTTPTransport())
Cassette("a.json", mode="none")  # type: ignore[arg-type]
Cassette("a.json", filter=len)  # type: ignore[arg-type]
Cassette()  # type: ignore[call-arg]

assert_type(cassette.client(), Client)
assert_type(cassette.async_client(max_retries=0), AsyncClient)
assert_type(cassette.path, Path)
assert_type(cassette.played, int)
assert_type(cassette.recorded, int)
assert_type(cassette.unused, list[str])
httpx.Client(transport=cassette)
httpx.AsyncClient(transport=cassette)

with cassette as same:
    assert_type(same, Cassette)

try:
    pass
except CassetteMissError as miss:
    assert_type(miss.differences, tuple[str, ...])
    error: APIError = miss
