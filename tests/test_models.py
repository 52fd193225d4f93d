"""Lists of models: the server's, merged with the table and the public feed, and told apart."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import KEY, MODEL, PROJECT, done
from raw_server import RawServer, answering, whole

from wandb_inference import AsyncClient, Client, InvalidRequestError, ModelNotFoundError
from wandb_inference.catalogue import MODELS
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import Model
from wandb_inference.types.model import ModelList

FEED = "/inference/catalog/models"
SAMPLE = json.loads((Path(__file__).parent / "data" / "feed.json").read_text())
NEW = "new-maker/New-2-70B"
RETIRED = "Qwen/Qwen3.6-27B"
LIVING = [id for id, info in MODELS.items() if info.lifecycle != "retired"]


@pytest.fixture
def service(emulator: Emulator, kind: Any) -> Any:
    """Makes clients of the service's own host, which end at the emulator."""

    def service(**settings: Any) -> Any:
        http = httpx.AsyncClient if kind is AsyncClient else httpx.Client
        own = http(transport=emulator.transport(), **settings)
        return kind(api_key=KEY, project=PROJECT, max_retries=0, http_client=own)

    return service


def lists(emulator: Emulator, *ids: str) -> None:
    """Has the server name these models, and answer 404 for a single one."""
    data = [{"id": id, "object": "model"} for id in ids]
    emulator.reply(json={"object": "list", "data": data}, when=lambda request: request.path == "/v1/models", times=None)
    emulator.fault(Fault.status(404), when=lambda request: request.path.startswith("/v1/models/"), times=None)


def feeds(emulator: Emulator, body: object) -> None:
    """Has the feed say something else."""
    emulator.reply(json=body, when=lambda request: request.path == FEED)


async def test_known(client: Any) -> None:
    """A model of a list has what the table knows of it, and its window as the server says."""
    models = await done(client.models.list())
    found = {model.id: model for model in models}[MODEL]

    assert models.sources == ("live", "table")
    assert found.info == MODELS[MODEL]
    assert (found.sources, found.status, found.lifecycle) == (("live", "table"), "served", "general-availability")
    assert (found.context, found.max_output) == (131_072, 128_000)
    assert (found.input_price, found.output_price, found.cached_price) == (Decimal("0.22"), Decimal("0.22"), None)
    assert found.successor is None
    assert str(found) == f"{MODEL}: 131,072 tokens, $0.22 in and $0.22 out for a million, tools, LoRA"


async def test_another_host(emulator: Emulator, client: Any) -> None:
    """Another server's list is that server's: nothing is added, and what it serves is served."""
    lists(emulator, RETIRED, "my/model", f"wandb/{MODEL}")

    models = await done(client.models.list(feed=emulator.feed_url))
    mine, other, proxied = sorted(models, key=lambda model: model.id.lower())

    assert models.served == models.data
    assert (mine.id, mine.info, mine.sources, mine.context, mine.lifecycle) == ("my/model", None, ("live",), None, None)
    assert (mine.input_price, mine.output_price, mine.cached_price) == (None, None, None)
    assert (mine.max_output, mine.successor, str(mine)) == (None, None, "my/model")
    assert (other.status, other.lifecycle, other.successor) == ("served", "retired", "Qwen/Qwen3.8-27B")
    assert (proxied.id, proxied.info and proxied.info.id) == (f"wandb/{MODEL}", MODEL)


@pytest.mark.parametrize("name", ["max_model_len", "context_length", "context_window"])
async def test_windows_of_other_servers(emulator: Emulator, client: Any, name: str) -> None:
    """What the server says of the window comes before what the table says."""
    data = [{"id": MODEL, name: 4096}, {"id": "openai/gpt-oss-20b", name: "4k"}, {"id": "openai/gpt-oss-120b", name: 0}]
    emulator.reply(json={"data": data}, when=lambda request: request.path == "/v1/models")

    assert [model.context for model in await done(client.models.list())] == [4096, 131_072, 131_072]


async def test_the_service(emulator: Emulator, service: Any) -> None:
    """What lives and is not in the service's list comes at its end; what is retired and still in it is told apart."""
    lists(emulator, "some/new-one", RETIRED, MODEL, "zai-org/GLM-4.5")

    models = await done(service().models.list())

    assert [model.id for model in models][:4] == ["some/new-one", RETIRED, MODEL, "zai-org/GLM-4.5"]
    assert [model.id for model in models][4:] == [id for id in LIVING if id != MODEL]
    assert [model.status for model in models][:5] == ["served", "retired", "served", "retired", "unlisted"]
    assert [model.id for model in models.served] == ["some/new-one", MODEL]
    assert [model.sources for model in models][1:5] == [("live", "table")] * 3 + [("table",)]
    assert models[0].sources == ("live",)
    assert str(models[1]).endswith("retired (now Qwen/Qwen3.8-27B)")
    assert str(models[3]) == "zai-org/GLM-4.5: retired"
    assert str(models[4]).endswith("not in the server's list")
    assert models.meta is not None


async def test_an_empty_list(emulator: Emulator, service: Any) -> None:
    """The service's list has been empty before: then the table stands in for it, with a warning."""
    lists(emulator)
    client = service()

    with pytest.warns(UserWarning, match="list of models is empty.* by the table of"):
        models = await done(client.models.list())

    assert [model.id for model in models] == LIVING
    assert models.served == []
    one = models[LIVING.index(MODEL)]
    assert (one.status, one.sources) == ("unlisted", ("table",))


async def test_one(emulator: Emulator, client: Any, service: Any) -> None:
    """One model has the same as in a list, from its own path or, where there is none, from the list."""
    one = await done(client.models.retrieve(MODEL, feed=emulator.feed_url))
    lists(emulator, RETIRED)

    assert (one.sources, one.status, one.info.prices) == (("live", "feed", "table"), "served", MODELS[MODEL].prices)
    assert (await done(client.models.retrieve(RETIRED))).status == "served"
    assert (await done(service().models.retrieve(RETIRED))).status == "retired"
    assert (await done(service().models.retrieve(MODEL))).status == "unlisted"
    with pytest.raises(ModelNotFoundError) as caught:
        await done(service().models.retrieve("meta-llama/Llama-3.1-70B-Instruct"))
    assert caught.value.successor == "meta-llama/Llama-3.3-70B-Instruct"


async def test_feed(emulator: Emulator, service: Any) -> None:
    """The feed knows more than the table: it comes before it, and the models that only it has come with the list."""
    feeds(emulator, SAMPLE)
    lists(emulator, MODEL, "deepseek-ai/DeepSeek-V3.1", RETIRED)

    models = await done(service().models.list(feed=True))
    found = {model.id: model for model in models}

    assert models.sources == ("live", "feed", "table")
    old = found["deepseek-ai/DeepSeek-V3.1"]
    assert (old.lifecycle, old.context, old.output_price) == ("deprecated", 163_840, Decimal("1.50"))
    assert (old.status, old.sources) == ("served", ("live", "feed", "table"))
    assert str(old).endswith("thinking on, deprecated")
    assert found[NEW].info is not None
    assert (found[NEW].status, found[NEW].sources, found[NEW].info.label) == ("unlisted", ("feed",), "New 2")
    assert found[NEW].cached_price == Decimal("0.013")
    assert found[RETIRED].status == "retired"
    assert found[MODEL].sources == ("live", "table")
    assert emulator.requests[-1].path == FEED


def signed(request: httpx.Request) -> httpx.Request:
    """What an HTTP client of the caller's can do with each request."""
    request.headers["x-signature"] = "1"
    return request


@pytest.mark.parametrize("feed", [True, f"https://feed.example{FEED}"])
async def test_the_feed_gets_nothing(emulator: Emulator, service: Any, feed: Any) -> None:
    """Neither key nor project goes to the feed, nor what an HTTP client of the caller's adds for the service."""
    emulator.reply(json=SAMPLE, when=lambda request: request.path == FEED)
    client = service(
        headers={"authorization": f"Bearer {KEY}", "openai-project": PROJECT, "x-secret": "1"},
        cookies={"session": "1"},
        params={"key": "1"},
        auth=signed,
    ).with_options(default_headers={"authorization": f"Bearer {KEY}", "x-other": "1"})

    await done(client.models.list(feed=feed, extra_headers={"x-more": "1"}))
    live, asked = emulator.requests

    assert {"authorization", "cookie", "openai-project", "x-secret", "x-signature"} < {*live.headers}
    assert sorted(asked.headers) == ["accept", "accept-encoding", "connection", "host", "user-agent"]
    assert asked.headers["host"] == ("trace.wandb.ai" if feed is True else "feed.example")
    assert (live.query, asked.query) == ("key=1", "")


async def test_the_feed_gets_nothing_of_our_own_clients(emulator: Emulator, client: Any) -> None:
    """Over our own connections the feed sees no more than what reads it."""
    await done(client.models.list(feed=emulator.feed_url))

    asked = emulator.requests[1].headers
    assert sorted(asked) == ["accept", "accept-encoding", "host", "user-agent"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault.status(500), "500"),
        (Fault.bad_json(), "no feed"),
        (Fault.html(), "no feed"),
        (Fault.reset(), "connection"),
    ],
    ids=["status", "bad JSON", "HTML", "reset"],
)
async def test_a_feed_that_fails(emulator: Emulator, client: Any, fault: Fault, says: str) -> None:
    """A feed that can't be read is a warning, and the list comes without it; it is not tried again."""
    emulator.fault(fault, when=lambda request: request.path == FEED, times=None)

    with pytest.warns(UserWarning, match=f"without the feed: .*{says}"):
        models = await done(client.models.list(feed=emulator.feed_url))

    assert models.sources == ("live", "table")
    assert len(models) == len(LIVING)
    # A reused connection that was closed in the meantime costs no attempt.
    assert [request.path for request in emulator.requests][: 3 if says != "connection" else 2] == ["/v1/models", FEED]


async def test_a_feed_that_redirects(emulator: Emulator, client: Any) -> None:
    """A redirect to another host is followed no further than any other: the list comes without the feed."""
    elsewhere = {"location": "https://elsewhere.example/feed"}
    emulator.reply(status=302, json={}, headers=elsewhere, when=lambda request: request.path == FEED)

    with pytest.warns(UserWarning, match=r"without the feed: .*redirected to https://elsewhere\.example/feed"):
        assert (await done(client.models.list(feed=emulator.feed_url))).sources == ("live", "table")


async def test_a_feed_for_one_model(emulator: Emulator, client: Any) -> None:
    """A single model comes without the feed, too, where that fails."""
    emulator.fault(Fault.status(503), when=lambda request: request.path == FEED)

    with pytest.warns(UserWarning, match="without the feed"):
        assert (await done(client.models.retrieve(MODEL, feed=emulator.feed_url))).sources == ("live", "table")


async def test_a_feed_that_never_answers(client: Any) -> None:
    """The deadline of the call holds for both requests together."""
    with RawServer(lambda peer: peer.wait_for_end()) as silent:
        began = time.monotonic()
        with pytest.warns(UserWarning, match="without the feed: the deadline"):
            models = await done(client.models.list(feed=silent.base_url, deadline=0.4))

    assert len(models) == len(LIVING)
    assert time.monotonic() - began < 3


async def test_a_feed_without_end(client: Any) -> None:
    """It is read up to a bound, and the list comes without it."""

    def endless(peer: Any) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        for _ in range(40):
            peer.send(b" " * 1024 * 1024)
        peer.wait_for_end()

    with RawServer(endless) as server, pytest.warns(UserWarning, match="without the feed: the answer is no feed"):
        assert (await done(client.models.list(feed=server.base_url))).sources == ("live", "table")


async def test_the_same_model_twice(emulator: Emulator, service: Any) -> None:
    """A model is in the list once, though the server name it twice, or in another case than the table."""
    lists(emulator, MODEL, MODEL, "OPENAI/GPT-OSS-20B")
    found = [model.id for model in await done(service().models.list())]
    assert found.count(MODEL) == 1
    assert "OPENAI/GPT-OSS-20B" in found
    assert "openai/gpt-oss-20b" not in found


async def test_a_list_that_fails(emulator: Emulator, client: Any) -> None:
    """A list that fails is an error, and the feed is not asked."""
    emulator.fault(Fault.status(404), when=lambda request: request.path.startswith("/v1/models"), times=None)

    with pytest.raises(Exception, match="404"):
        await done(client.models.list(feed=emulator.feed_url))
    assert [request.path for request in emulator.requests] == ["/v1/models"]


@pytest.mark.parametrize("feed", ["yes", "", 1, "ftp://x/y", "https://", "https://[x", "https://x:0/y", ["https://x"]])
@pytest.mark.parametrize("method", ["list", "retrieve"])
async def test_no_feed(emulator: Emulator, client: Any, feed: Any, method: str) -> None:
    """What is neither a switch nor a URL is refused before anything is sent."""
    with pytest.raises(InvalidRequestError, match=r"feed is .*, expected True, False, or the URL of a feed"):
        await done(getattr(client.models, method)(*([MODEL] if method == "retrieve" else []), feed=feed))
    assert emulator.requests == []


@pytest.mark.parametrize("feed", [None, False])
async def test_without_feed(client: Any, feed: Any) -> None:
    """The feed is not asked unless it is wanted."""
    assert (await done(client.models.list(feed=feed))).sources == ("live", "table")


async def test_plain_data(emulator: Emulator, client: Any) -> None:
    """Lists and models can be pickled with all that is known; dumped and compared they are the server's."""
    models = await done(client.models.list(feed=emulator.feed_url))
    again = pickle.loads(pickle.dumps(models))

    assert again == models
    assert (again.sources, again[0].info, again[0].status) == (models.sources, models[0].info, models[0].status)
    assert set(models[0].model_dump()) == {"id", "object", "created", "owned_by", "root", "max_model_len"}


def test_of_ones_own_making() -> None:
    """A model or list that no call returned knows nothing more."""
    model, models = Model(id="a/b"), ModelList(data=[])

    assert (model.info, model.sources, model.status, model.context, str(model)) == (None, (), "served", None, "a/b")
    assert (models.sources, models.served) == ((), [])


@pytest.fixture
def raw() -> Iterator[RawServer]:
    """A server whose list of models is as sparse as the service's has been."""
    with RawServer(answering(whole(b'{"data": [{"id": "openai/gpt-oss-20b"}]}'))) as server:
        yield server


def test_a_sparse_list(raw: RawServer) -> None:
    """An id is enough."""
    (model,) = Client(api_key=KEY, project=PROJECT, base_url=raw.base_url).models.list()

    assert str(model) == (
        "openai/gpt-oss-20b: 131,072 tokens, $0.03 in and $0.13 out for a million, tools, thinking always"
    )
