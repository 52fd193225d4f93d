"""Everything but chat: models, health, metrics, pages, methods, sizes, CORS, and other servers than our own."""

from __future__ import annotations

import asyncio
import json
from operator import attrgetter
from typing import Any

import httpx
import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    KEYED,
    LAST,
    MASTER,
    MODEL,
    ONE,
    STREAM,
    chat_bytes,
    chunk,
    completion,
    configured,
    events,
    serving,
    until,
)
from tests.raw_server import Peer, RawServer, answering, streaming, whole
from wandb_inference.gateway.app import Gateway, _wake
from wandb_inference.gateway.call import Call
from wandb_inference.gateway.routing import Waiter
from wandb_inference.testing import Emulator

ADMIN = {"authorization": f"Bearer {MASTER}"}
SOMEBODY = {"authorization": f"Bearer {ENVIRON['KEY_A']}"}
MANY = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, rpm: 10, input_cost_per_token: 0.000001}}
    model_info: {{id: one, max_input_tokens: 1000, supports_vision: false}}
  - model_name: team/other
    litellm_params: {{model: openai/other, api_base: http://127.0.0.1:9/v1, api_key: none}}
  - model_name: "wandb/*"
    litellm_params: {{model: "wandb/*"}}
  - model_name: "llamas/*"
    litellm_params: {{model: "wandb/meta-llama/*"}}
router_settings: {{model_group_alias: {{gpt-4: fast, secret: {{model: fast, hidden: true}}}}}}
general_settings: {{master_key: os.environ/MASTER}}
litellm_settings: {{callbacks: [prometheus]}}
keys: [{{name: a, key: os.environ/KEY_A, models: [fast]}}]
"""


async def test_models(tmp_path):
    """The list has what a key may use; of a pattern it has the catalogue's models, marked."""
    async with serving(configured(tmp_path, MANY)) as served:
        everything = (await served.client.get("/v1/models", headers=ADMIN)).json()
        some = (await served.client.get("/models", headers=SOMEBODY)).json()

    found = {each["id"]: each for each in everything["data"]}
    assert everything["object"] == "list"
    assert [each["id"] for each in some["data"]] == ["fast", "gpt-4"]
    assert {"fast", "team/other", "gpt-4"} <= set(found)
    assert "secret" not in found
    assert found["fast"]["max_input_tokens"] == 1000
    assert found["team/other"]["owned_by"] == "openai"
    assert found[f"wandb/{MODEL}"]["expanded_from"] == "wandb/*"
    assert [id for id, each in found.items() if each.get("expanded_from") == "llamas/*"]
    assert not any("gpt" in id for id, each in found.items() if each.get("expanded_from") == "llamas/*")


async def test_one_model(tmp_path):
    """A model is found by its name, slashes and all; one that the key may not use is not there."""
    async with serving(configured(tmp_path, MANY)) as served:
        good = await served.client.get("/v1/models/team/other", headers=ADMIN)
        hidden = await served.client.get("/v1/models/secret", headers=ADMIN)
        bad = await served.client.get("/v1/models/nope", headers=ADMIN)
        other = await served.client.get("/models/team/other", headers=SOMEBODY)

    assert good.json()["id"] == "team/other"
    assert hidden.status_code == 200
    assert (bad.status_code, other.status_code) == (404, 404)
    assert bad.json()["error"]["code"] == "model_not_found"


async def test_model_info(tmp_path):
    """Deployments are shown without keys, and their addresses to the admin alone."""
    async with serving(configured(tmp_path, MANY)) as served:
        admin = (await served.client.get("/model/info", headers=ADMIN)).json()["data"]
        some = (await served.client.get("/v1/model/info", headers=SOMEBODY)).json()["data"]

    assert admin[0]["litellm_params"]["api_base"] == "http://127.0.0.1:9/v1"
    assert admin[0]["litellm_params"]["project"] == "team/project"
    assert some == [
        {
            "model_name": "fast",
            "litellm_params": {"model": f"wandb/{MODEL}", "rpm": 10},
            "model_info": {
                "id": "one",
                "mode": "chat",
                "max_input_tokens": 1000,
                "supports_vision": False,
                "input_cost_per_token": 0.000001,
            },
        }
    ]
    assert ENVIRON["WANDB_API_KEY"] not in json.dumps(admin)


async def test_health(tmp_path):
    """How deployments are is known from what was seen; nothing is sent for it."""
    with RawServer(answering(whole(b'{"message": "down"}', 500))) as upstream:
        text = MANY + "router_settings: {num_retries: 0, allowed_fails: 0}\n"
        text = text.replace("router_settings: {model_group_alias", "aliases_unused: {model_group_alias").replace(
            "aliases_unused: {model_group_alias: {gpt-4: fast, secret: {model: fast, hidden: true}}}\n", ""
        )
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            before = (await served.client.get("/health", headers=ADMIN)).json()
            await served.chat(headers=ADMIN)
            after = (await served.client.get("/health", headers=ADMIN)).json()
            some = (await served.client.get("/health", headers=SOMEBODY)).json()
            ready = await served.client.get("/health/readiness")
            details = await served.client.get("/health/readiness/details", headers=ADMIN)
            page = (await served.client.get("/metrics", headers=ADMIN)).text

    assert (before["healthy_count"], before["unhealthy_count"]) == (4, 0)
    assert after["unhealthy_endpoints"][0]["model_id"] == "one"
    assert after["unhealthy_endpoints"][0]["state"] == "cooling"
    assert some["healthy_count"] + some["unhealthy_count"] == 1
    assert ready.json() == {"status": "healthy", "db": "Not connected"}
    assert details.json()["models"] == 4
    assert len(upstream.requests) == 1
    assert 'wandb_inference_gateway_deployment_state{model="fast",deployment="one"} 2' in page
    assert 'litellm_deployment_state{model="fast",deployment="one"} 2' in page


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/", 200, "text/html"),
        ("/health/liveliness", 200, "application/json"),
        ("/health/liveness/", 200, "application/json"),
        ("/health/readiness", 200, "application/json"),
        ("/openapi.json", 200, "application/json"),
        ("/metrics", 401, "application/json"),
        ("/v1/models", 401, "application/json"),
        ("/nope", 401, "application/json"),
    ],
)
async def test_what_needs_no_key(tmp_path, path, status, kind):
    """Pages that tell nothing need no key; all others do, whether they are there or not."""
    async with serving(configured(tmp_path, KEYED)) as served:
        answer = await served.client.get(path)
        head = await served.client.head(path)

    assert (answer.status_code, head.status_code) == (status, status)
    assert answer.headers["content-type"].startswith(kind)
    assert head.content == b""


async def test_the_liveness_body(tmp_path):
    """The body is LiteLLM's, which probes compare."""
    async with serving(configured(tmp_path)) as served:
        assert (await served.client.get("/health/liveliness")).json() == "I'm alive!"


async def test_readiness_with_details(tmp_path):
    """Details are public only where the configuration says so."""
    text = ONE + "general_settings: {allow_public_health_readiness_details: true}\n"
    async with serving(configured(tmp_path, text)) as served:
        assert (await served.client.get("/health/readiness")).json()["models"] == 1


async def test_metrics(tmp_path):
    """The metrics take the master key, unless the configuration says otherwise."""
    text = KEYED + "litellm_settings: {require_auth_for_metrics_endpoint: false}\n"
    with Emulator() as emulator:
        emulator.start()
        async with serving(configured(tmp_path, KEYED, emulator.base_url)) as served:
            await served.chat(headers=SOMEBODY)
            closed = await served.client.get("/metrics", headers=SOMEBODY)
            good = await served.client.get("/metrics", headers=ADMIN)
    async with serving(configured(tmp_path, text)) as served:
        public = await served.client.get("/metrics")

    assert (closed.status_code, good.status_code, public.status_code) == (403, 200, 200)
    assert 'errors_total{status="403"} 1' in good.text
    assert 'requests_total{model="fast",key="a",status="200"} 1' in good.text
    assert 'request_seconds_bucket{model="fast",le="+Inf"} 1' in good.text
    assert "litellm_" not in good.text


async def test_the_openapi_document(tmp_path):
    """The document lists the gateway's own paths, and the list of routes is the same."""
    async with serving(configured(tmp_path)) as served:
        document = (await served.client.get("/openapi.json")).json()
        routes = (await served.client.get("/routes")).json()["routes"]

    assert document["openapi"] == "3.1.0"
    assert routes == list(document["paths"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/health/readiness", 405),
        ("POST", "/metrics", 405),
        ("GET", "/engines/x/chat/completions", 405),
        ("POST", "/engines/chat/completions", 404),
        ("POST", "/v1/embeddings", 404),
        ("OPTIONS", "/v1/models", 405),
    ],
)
async def test_methods_and_paths(tmp_path, method, path, status):
    """A path that takes other methods is 405, one that leads nowhere 404, in OpenAI's shape."""
    async with serving(configured(tmp_path)) as served:
        answer = await served.client.request(method, path)

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_body_that_is_too_large(tmp_path):
    """What is declared as too large is not read; what turns out so is not read further."""
    config = configured(tmp_path)
    object.__setattr__(config.server, "max_request_bytes", 1000)

    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 100

    async with serving(config) as served:
        reader, writer = await served.raw(chat_bytes(b"", length=10**15))
        declared = await asyncio.wait_for(reader.readuntil(b"}}"), 5)
        writer.close()
        reader, writer = await served.raw(chat_bytes(b"", length=1001))
        more = await asyncio.wait_for(reader.readuntil(b"}}"), 5)
        writer.write(b"x" * 1001 + chat_bytes(b"{"))
        after = await asyncio.wait_for(reader.readuntil(b"}}"), 5)
        writer.close()
        found = await served.client.post("/v1/chat/completions", content=pieces())

    assert declared.startswith(b"HTTP/1.1 413 ")
    assert more.startswith(b"HTTP/1.1 413 ")
    assert after.startswith(b"HTTP/1.1 400 ")
    assert found.status_code == 413
    assert found.json()["error"]["code"] == "request_too_large"


async def test_a_body_in_pieces(tmp_path):
    """A body without a length that comes in pieces is one."""
    raw = json.dumps(BODY).encode()

    async def pieces() -> Any:
        for at in range(0, len(raw), 20):
            yield raw[at : at + 20]
            await asyncio.sleep(0)

    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            answer = await served.client.post("/v1/chat/completions", content=pieces())

    assert answer.status_code == 200
    assert json.loads(upstream.requests[0].partition(b"\r\n\r\n")[2]) == {**BODY, "model": MODEL}


async def test_a_body_that_is_no_json(tmp_path):
    """Mistakes of the request have their status, and the id of the call where that is asked for."""
    text = ONE + "general_settings: {include_call_id_in_error_body: true}\n"
    async with serving(configured(tmp_path, text)) as served:
        answer = await served.client.post("/v1/chat/completions", content=b"{", headers={"x-request-id": "mine"})

    assert answer.status_code == 400
    assert answer.json()["error"]["call_id"] == "mine"


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (("https://a.example",), "https://a.example", "https://a.example"),
        (("*",), "https://b.example", "*"),
        (("https://a.example",), "http://localhost", None),
        ((), "http://localhost", None),
    ],
)
async def test_cors(tmp_path, origins, origin, allowed):
    """Pages of the sites that are named may read answers, errors too; others not."""
    config = configured(tmp_path)
    object.__setattr__(config.server, "cors_origins", origins)
    asks = {"origin": origin, "access-control-request-method": "POST"}
    with RawServer(answering(whole(completion()))) as upstream:
        config = configured(tmp_path, ONE, upstream.base_url)
        object.__setattr__(config.server, "cors_origins", origins)
        async with serving(config) as served:
            preflight = await served.client.options("/v1/chat/completions", headers=asks)
            answer = await served.chat(headers={"origin": origin})
            error = await served.client.get("/nope", headers={"origin": origin})

    assert preflight.status_code == (204 if allowed else 403)
    for each in (preflight, answer, error):
        assert each.headers.get("access-control-allow-origin") == allowed
    assert ("access-control-allow-headers" in preflight.headers) == bool(allowed)


async def test_addresses_that_may_not(tmp_path):
    """Where only some networks may connect, others get 403 everywhere."""
    text = KEYED.replace("master_key: os.environ/MASTER", "master_key: os.environ/MASTER, allowed_ips: [10.0.0.0/8]")
    async with serving(configured(tmp_path, text)) as served:
        answer = await served.client.get("/", headers=ADMIN)

    assert answer.status_code == 403


async def test_while_it_drains(tmp_path):
    """No new work is taken, and readiness says so; what is under way goes on."""
    ready = asyncio.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(whole(completion()), pause=0.0)

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            served.gateway.drain()
            answer = await served.chat()
            readiness = await served.client.get("/health/readiness")
            alive = await served.client.get("/health/liveness")

    assert answer.status_code == 503
    assert answer.headers["connection"] == "close"
    assert answer.json()["error"]["code"] == "draining"
    assert (readiness.status_code, alive.status_code) == (503, 200)
    assert not ready.is_set()


async def test_what_does_not_end_in_time(tmp_path):
    """A stream that is still under way gets an error event, a call an error."""
    with RawServer(
        streaming(chunk("a"), end=False, then=lambda peer: peer.wait_for_end() and None),
        lambda peer: peer.wait_for_end() and None,
    ) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            reader, writer = await served.raw(chat_bytes(STREAM))
            await reader.readuntil(b"data: ")
            call = asyncio.ensure_future(served.chat())
            await until(lambda: len(served.gateway.calls) == 2 and upstream.connections == 2)
            served.gateway.interrupt()
            served.gateway.interrupt()
            rest = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
            answer = await call
            writer.close()

    assert b"the gateway is stopping" in rest
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")


async def test_a_configuration_that_changes(tmp_path):
    """Requests under way end as they began, and new ones go by the new configuration."""
    go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(peer: Peer) -> None:
        while peer.request():
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result(5)
            peer.send(whole(completion()))

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            under_way = asyncio.ensure_future(served.chat())
            await until(lambda: upstream.requests)
            served.gateway.configure(configured(tmp_path, ONE.replace("fast", "quick"), upstream.base_url))
            gone = await served.chat()
            go.set()
            new = await served.chat({**BODY, "model": "quick"})
            old = await under_way

    assert (old.status_code, gone.status_code, new.status_code) == (200, 404, 200)
    assert old.json()["model"] == "fast"


@pytest.mark.parametrize("where", ["router.ride", "upstream.pool.take"])
async def test_a_mistake_of_its_own(tmp_path, monkeypatch, caplog, where):
    """What should not happen is 500 without details, and its traceback is in the log alone."""
    async with serving(configured(tmp_path)) as served:
        owner, _, name = where.rpartition(".")
        monkeypatch.setattr(attrgetter(owner)(served.gateway), name, None)
        monkeypatch.setattr(served.gateway.router, "admit", None)
        answer = await served.chat()

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "NoneType" not in answer.text
    assert "mistake of the gateway's own" in caplog.text


async def test_a_mistake_of_its_own_in_a_stream(tmp_path, monkeypatch, caplog):
    """After the head was sent there is only one way to say so: the connection breaks."""
    with RawServer(streaming(chunk("a"), LAST, DONE)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            monkeypatch.setattr("wandb_inference.gateway.attempt.Attempt._pass_on", None)
            with pytest.raises(httpx.RemoteProtocolError):
                await served.chat(STREAM)

    assert "mistake of the gateway's own" in caplog.text


# Other servers


class Asgi:
    """A server that knows nothing but ASGI."""

    def __init__(self, gateway: Gateway, body: dict[str, Any]) -> None:
        self.gateway = gateway
        self.messages: list[Any] = [{"type": "http.request", "body": json.dumps(body).encode()}]
        self.came = asyncio.Event()
        self.sent: list[Any] = []
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": [],
            "client": None,
        }

    async def receive(self) -> Any:
        while not self.messages:
            self.came.clear()
            await self.came.wait()
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def leave(self) -> None:
        self.messages += [{"type": "http.request"}, {"type": "http.disconnect"}]
        self.came.set()

    async def run(self) -> None:
        await self.gateway(self.scope, self.receive, self.send)


async def test_another_server(tmp_path):
    """Under a server that is not our own all works the same, but for the single write."""
    with RawServer(answering(whole(completion()))) as upstream:
        gateway = Gateway(configured(tmp_path, ONE, upstream.base_url))
        await gateway.open()
        server = Asgi(gateway, BODY)
        await server.run()
        await gateway.close()

    assert server.sent[0]["status"] == 200
    assert json.loads(server.sent[1]["body"])["model"] == "fast"


async def test_a_page_on_another_server(tmp_path):
    """Pages need no watch for clients that leave."""
    server = Asgi(Gateway(configured(tmp_path)), BODY)
    server.scope |= {"method": "GET", "path": "/health/liveness"}
    await server.run()

    assert server.sent[0]["status"] == 200


async def test_what_ends_just_as_it_is_stopped(tmp_path):
    """A call whose answer is complete is not told that the gateway stops, and nobody waits who was not waiting."""
    server = Asgi(Gateway(configured(tmp_path)), BODY)
    call = Call.of(server.scope, server.receive, server.send)
    call.is_over = True
    await server.gateway._interrupted(call)
    call.stop("drained")
    _wake(Waiter("", (), 0.0, 0))

    assert call.reason is None
    assert not server.sent


async def test_a_connection_that_is_not_kept(tmp_path):
    """An answer in one write closes the connection where the client wants that, and has the server's headers."""
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            answer = await served.chat(headers={"connection": "close"})
            kept = await served.chat()

    assert (answer.headers["connection"], answer.headers["date"]) == ("close", "today")
    assert "connection" not in kept.headers


async def test_leaving_another_server(tmp_path):
    """A disconnect that ASGI tells of ends the request as well."""
    with RawServer(lambda peer: peer.request() and peer.wait_for_end() and None) as upstream:
        gateway = Gateway(configured(tmp_path, ONE, upstream.base_url))
        await gateway.open()
        server = Asgi(gateway, BODY)
        running = asyncio.ensure_future(server.run())
        await until(lambda: upstream.requests)
        server.leave()
        await asyncio.wait_for(running, 5)
        await gateway.close()

    assert not server.sent


async def test_a_server_that_cancels(tmp_path):
    """A cancellation that is not the gateway's own goes on to where it came from."""
    with RawServer(lambda peer: peer.request() and peer.wait_for_end() and None) as upstream:
        gateway = Gateway(configured(tmp_path, ONE, upstream.base_url))
        await gateway.open()
        running = asyncio.ensure_future(Asgi(gateway, BODY).run())
        await until(lambda: upstream.requests)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await gateway.close()


async def test_its_life(tmp_path):
    """The server's lifespan opens and closes the gateway."""
    gateway = Gateway(configured(tmp_path))
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await gateway({"type": "lifespan"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert events(b"") == []
