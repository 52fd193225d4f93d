"""Calls of both clients: what is sent, what comes back, and what a client is."""

from __future__ import annotations

import asyncio
import inspect
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each, texts
from raw_server import RawServer, answering, whole

import wandb_inference
from wandb_inference import (
    APIError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    InvalidRequestError,
    ModelNotFoundError,
    acompletion,
    completion,
)
from wandb_inference.testing import Emulator, Fault, Reply
from wandb_inference.types import ChatCompletion, UserMessage

ROOT = Path(__file__).parent.parent
ANSWER = whole(
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
)


async def test_answer(client: Any, emulator: Emulator) -> None:
    """An answer is a completion, and knows how its call went."""
    emulator.reply("Hello.")

    answer = await ask(client, temperature=0.5, max_tokens=None, stop=("a", "b"), extra_body={"top_k": 3, "seed": None})

    assert (answer.text, answer.choices[0].finish_reason) == ("Hello.", "stop")
    assert answer.meta.request_id == answer.meta.headers["x-request-id"] == answer.meta.attempts[0].request_id
    assert answer.meta.to_first_token is None
    assert 0 < answer.meta.to_headers <= answer.meta.total
    assert answer.meta.tokens_per_second > 0
    request = emulator.requests[0]
    assert request.body == {
        "model": MODEL,
        "messages": MESSAGES,
        "temperature": 0.5,
        "stop": ["a", "b"],
        "top_k": 3,
        "seed": None,
    }
    assert request.headers["openai-project"] == PROJECT
    assert request.headers["user-agent"].startswith("wandb-inference-python/")
    assert request.headers["content-type"] == "application/json"


async def test_history_goes_back(client: Any, emulator: Emulator) -> None:
    """An answer's own message can be sent on, with what it holds and nothing else."""
    emulator.reply(Reply(tool_calls=[("add", {"a": 1})]))
    message = (await ask(client)).choices[0].message

    await ask(client, messages=[UserMessage(content="1 + 1"), message, {"role": "user", "content": "And?"}])

    sent = emulator.requests[1].messages
    assert sent[0] == {"role": "user", "content": "1 + 1"}
    assert sent[1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a":1}'}
    assert sent[1]["content"] is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "nothing instead of a completion"),
        (b"<html><title>Hi</title></html>", "HTML page"),
        (b'{"error": {"message": "No capacity"}}', "No capacity"),
        (b'{"choices": null}', "instead of a completion"),
        (b'{"error": {"message": "No capacity"}, "choices": [{"message": {"content": ""}}]}', "No capacity"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": [{"index": 0}]}', "message"),
        (b"[1]", "instead of a completion"),
    ],
)
async def test_no_answer(kind: Any, body: bytes, says: str) -> None:
    """A success that is no completion is an error, never an object full of `None`."""
    with RawServer(answering(whole(body))) as server:
        client = kind(api_key=KEY, project=PROJECT, base_url=server.base_url)
        with pytest.raises(wandb_inference.APIResponseValidationError) as caught:
            await ask(client)
        await done(client.close())

    assert says in str(caught.value)
    assert caught.value.body == body.decode()
    assert len(caught.value.attempts) == len(server.requests) == 1


async def test_models(client: Any, emulator: Emulator) -> None:
    """The list is a list of models; one of them can be asked for."""
    models = await done(client.models.list())
    one = await done(client.models.retrieve(MODEL))

    assert MODEL in [model.id for model in models] == [model.id for model in models.data]
    assert (len(models), models[0].id, one.id) == (len(models.data), models.data[0].id, MODEL)
    assert emulator.requests[1].path == f"/v1/models/{MODEL}"
    with pytest.raises(ModelNotFoundError, match="Did you mean") as caught:
        await done(client.models.retrieve("meta-llama/Lama-3.1-8B-Instruct"))
    assert MODEL in caught.value.suggestions
    with pytest.raises(TypeError, match="'timeot'; did you mean 'timeout'"):
        await done(client.models.list(timeot=1))


async def test_model_names(client: Any, emulator: Emulator) -> None:
    """`retrieve` takes names as `create` does, and no paths."""
    assert (await done(client.models.retrieve(f"wandb/{MODEL}"))).id == MODEL
    for wrong in (None, "", "../chat/completions"):
        with pytest.raises(InvalidRequestError, match="model"):
            await done(client.models.retrieve(wrong))
    assert len(emulator.requests) == 1


async def test_model_of_a_server_with_a_list_only(kind: Any) -> None:
    """Where a server has no path for one model, the list knows it."""
    listed = whole(b'{"data": [{"id": "a/b"}]}')
    with RawServer(answering(whole(b'{"detail": "Not Found"}', 404), listed)) as server:
        client = kind(api_key=KEY, project="", base_url=server.base_url)
        assert (await done(client.models.retrieve("a/b"))).id == "a/b"
        await done(client.close())


async def test_headers(kind: Any, emulator: Emulator) -> None:
    """Headers of the caller's own come on top, and take the place of key and project."""
    client = kind(
        base_url=emulator.base_url,
        default_headers={"Authorization": f"Bearer {KEY}", "X-One": "1", "X-Two": "2"},
    )
    with pytest.raises(ConfigurationError, match="no project"):
        await ask(client)
    await ask(client, extra_headers={"OpenAI-Project": "a/b", "x-one": None, "X-Two": "3"}, extra_query={"q": True})
    await done(client.close())

    request = emulator.requests[0]
    assert (request.headers["openai-project"], request.headers["x-two"]) == ("a/b", "3")
    assert "x-one" not in request.headers
    assert request.path.partition("?")[0] == "/v1/chat/completions"


async def test_no_project_on_request(make: Any, emulator: Emulator) -> None:
    """`project=""` sends none."""
    client = make(project="")
    with pytest.raises(AuthenticationError):
        await ask(client)
    await ask(client, project="team/other")
    await done(client.close())

    assert "openai-project" not in emulator.requests[0].headers
    assert emulator.requests[1].headers["openai-project"] == "team/other"


async def test_with_options(make: Any, emulator: Emulator) -> None:
    """A clone has its own settings on the same connections."""
    client = make()
    other = client.with_options(
        api_key="another-key",
        project="team/other",
        timeout=3,
        stall_timeout=None,
        deadline=5,
        max_retries=0,
        default_headers={"X-Clone": "1"},
    )
    await ask(client)
    await ask(other)

    assert emulator.connections == 1
    assert emulator.requests[1].headers["openai-project"] == "team/other"
    assert emulator.requests[1].headers["x-clone"] == "1"
    assert "x-clone" not in emulator.requests[0].headers
    assert "timeout=(3.0, 3.0), stall_timeout=None, deadline=5.0, max_retries=0" in repr(other)
    assert (other.project, client.project, other.base_url) == ("team/other", PROJECT, emulator.base_url)
    elsewhere = client.with_options(base_url="http://127.0.0.1:9/v1", max_retries=None)
    assert elsewhere.base_url == "http://127.0.0.1:9/v1"
    with pytest.raises(TypeError, match="'api_base'; did you mean 'base_url'"):
        client.with_options(api_base="http://x/v1")
    await done(other.close())
    with pytest.raises(ConfigurationError, match="closed"):
        await ask(client)


async def test_repr(make: Any) -> None:
    """What a client will do is in its `repr`, minus the key."""
    client = make()

    assert f"project='{PROJECT}' <from argument>" in repr(client)
    assert "api_key=<from argument>" in repr(client)
    assert KEY not in repr(client)
    await done(client.close())


async def test_callable_key(make: Any, emulator: Emulator) -> None:
    """A callable is asked for the key before each attempt."""
    keys = iter(["one", "two", "three"])
    emulator.fault(Fault.status(503))
    client = make(api_key=lambda: next(keys))

    await ask(client)

    assert next(keys) == "three"
    await done(client.close())


async def test_callable_key_without_sense(make: Any, emulator: Emulator) -> None:
    """What a callable returns is checked like any key."""
    client = make(api_key=lambda: 5)
    with pytest.raises(ConfigurationError, match="int"):
        await ask(client)
    await done(client.close())
    assert not emulator.requests


async def test_async_callable_key(emulator: Emulator) -> None:
    """An async callable is for the async client; the other one says so."""

    async def key() -> str:
        return KEY

    async with AsyncClient(api_key=key, project=PROJECT, base_url=emulator.base_url) as client:
        assert (await ask(client)).text
    wrong: Any = key
    with (
        Client(api_key=wrong, project=PROJECT, base_url=emulator.base_url) as client,
        pytest.raises(ConfigurationError, match="AsyncClient"),
    ):
        await ask(client)


async def test_own_http_client(kind: Any) -> None:
    """A client of the caller's own is used with its headers and hooks, and stays open."""
    emulator = Emulator()
    seen: list[str] = []

    def hook(request: httpx.Request) -> None:
        seen.append(request.url.path)

    async def async_hook(request: httpx.Request) -> None:
        seen.append(request.url.path)

    settings = {"transport": emulator.transport(), "headers": {"X-Mine": "1"}}
    if kind is Client:
        http: Any = httpx.Client(**settings, event_hooks={"request": [hook]})
    else:
        http = httpx.AsyncClient(**settings, event_hooks={"request": [async_hook]})
    client = kind(api_key=KEY, project=PROJECT, base_url=emulator.base_url, http_client=http)
    assert (await ask(client)).text
    assert "".join(await texts(await ask(client, stream=True)))
    await done(client.close())

    assert seen == ["/v1/chat/completions"] * 2
    assert emulator.requests[0].headers["x-mine"] == "1"
    assert not http.is_closed
    await done(http.close() if kind is Client else http.aclose())


async def test_hooks_may_fail(kind: Any) -> None:
    """An error of a hook of the caller's own is theirs, unchanged."""

    def hook(request: httpx.Request) -> None:
        raise KeyError("mine")

    async def async_hook(request: httpx.Request) -> None:
        raise KeyError("mine")

    if kind is Client:
        http: Any = httpx.Client(event_hooks={"request": [hook]})
    else:
        http = httpx.AsyncClient(event_hooks={"request": [async_hook]})
    client = kind(api_key=KEY, project=PROJECT, base_url="http://127.0.0.1:9/v1", http_client=http)
    with pytest.raises(KeyError, match="mine"):
        await ask(client)
    await done(http.close() if kind is Client else http.aclose())


async def test_emulators_own_clients() -> None:
    """The emulator makes clients that reach it without a port."""
    emulator = Emulator()
    emulator.reply("One.", times=2)

    with emulator.client() as client:
        assert client.chat.completions.create(model=MODEL, messages=MESSAGES).text == "One."
    async with emulator.async_client() as async_client:
        assert (await async_client.chat.completions.create(model=MODEL, messages=MESSAGES)).text == "One."


def test_many_threads(emulator: Emulator) -> None:
    """One client serves many threads."""
    with Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        got: list[str] = []

        def work() -> None:
            got.extend(client.chat.completions.create(model=MODEL, messages=MESSAGES).text for _ in range(5))

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(got) == 80
    assert len(set(got)) == 1


def test_loop_after_loop(emulator: Emulator) -> None:
    """One async client serves one event loop after the other."""
    client = AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url)

    async def main() -> str:
        return "".join(await texts(await ask(client, stream=True))) + (await ask(client)).text

    assert len({asyncio.run(main()) for _ in range(4)}) == 1


async def test_tasks(emulator: Emulator) -> None:
    """The answer of an async call can be awaited, gathered, waited for and made a task of."""
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        first = await asyncio.create_task(client.chat.completions.create(model=MODEL, messages=MESSAGES))
        second, third = await asyncio.gather(
            client.chat.completions.create(model=MODEL, messages=MESSAGES),
            client.models.list(),
        )
        fourth = await asyncio.wait_for(client.chat.completions.create(model=MODEL, messages=MESSAGES), 5)

    assert first.text == second.text == fourth.text
    assert len(third) > 0


async def test_cancelled_task(emulator: Emulator) -> None:
    """A task that is cancelled while it waits ends at once, and the client goes on."""
    emulator.reply(Reply(text="Late.", delay=30))
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        task = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=MESSAGES))
        while not emulator.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await ask(client)).text


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_not_awaited() -> None:
    """A call that is not awaited shows what it is, and can be ended."""
    answer: Any = AsyncClient(api_key=KEY, project=PROJECT).chat.completions.create(model=MODEL, messages=MESSAGES)

    assert repr(answer) == "<create(), not awaited>"
    with pytest.raises(KeyError):
        answer.throw(KeyError("x"))
    other: Any = AsyncClient(api_key=KEY).models.list()
    with pytest.raises(KeyError):
        other.throw(KeyError, KeyError("x"))
    answer.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_after_fork(emulator: Emulator) -> None:
    """A client that was used before a fork works on both sides of it."""
    with Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        before = client.chat.completions.create(model=MODEL, messages=MESSAGES).text
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover  runs in another process
            try:
                text = client.chat.completions.create(model=MODEL, messages=MESSAGES).text
                client.close()
                os.write(writer, text.encode())
            finally:
                os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        with open(reader, "rb") as pipe:
            assert pipe.read().decode() == before
        assert client.chat.completions.create(model=MODEL, messages=MESSAGES).text == before


# --- Pickling --------------------------------------------------------------------------------------------------------


def importable_key() -> str:
    """A key from somewhere."""
    return KEY


async def test_pickle(kind: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client pickles as its configuration, without the key, which is looked up again."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    client = kind(project=PROJECT, base_url=emulator.base_url, timeout=7, max_retries=1)
    pickled = pickle.dumps(client)
    copy = pickle.loads(pickled)

    assert KEY.encode() not in pickled
    assert (await ask(copy)).text == (await ask(client)).text
    assert repr(copy) == repr(client)
    await done(copy.close())
    await done(client.close())
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(ConfigurationError, match="no API key"):
        await ask(pickle.loads(pickled))


async def test_pickle_with_a_callable(make: Any) -> None:
    """A callable that can be imported travels along."""
    copy = pickle.loads(pickle.dumps(make(api_key=importable_key)))
    assert (await ask(copy)).text
    await done(copy.close())


async def test_no_pickle(make: Any, kind: Any) -> None:
    """A key given as text does not travel, nor do connections of the caller's own."""
    with pytest.raises(TypeError, match="WANDB_API_KEY"):
        pickle.dumps(make())
    for name in ("Authorization", "X-Api-Key", "cookie"):
        with pytest.raises(TypeError, match=f"{name.lower()}' among the default_headers"):
            pickle.dumps(make(api_key=importable_key, default_headers={name: "hush"}))
    http: Any = httpx.Client() if kind is Client else httpx.AsyncClient()
    with pytest.raises(TypeError, match="http_client"):
        pickle.dumps(make(api_key=importable_key, http_client=http))
    await done(http.close() if kind is Client else http.aclose())


async def test_results_pickle(client: Any, emulator: Emulator) -> None:
    """Answers, chunks and errors travel whole."""
    answer = await ask(client)
    chunks = [chunk async for chunk in each(await ask(client, stream=True))]
    emulator.fault(Fault.cut(after_chunks=2))
    with pytest.raises(APIError) as caught:
        await texts(await ask(client, stream=True))

    copy = pickle.loads(pickle.dumps(answer))
    assert (copy, copy.meta) == (answer, answer.meta)
    assert ChatCompletion.model_validate(answer.model_dump()) == answer
    assert pickle.loads(pickle.dumps(chunks)) == chunks
    error = pickle.loads(pickle.dumps(caught.value))
    assert (str(error), error.partial, error.attempts) == (
        str(caught.value),
        caught.value.partial,
        caught.value.attempts,
    )
    assert KEY.encode() not in pickle.dumps(caught.value)


def call_in_a_process(client: Client) -> str:
    """One answer, for another process."""
    try:
        return client.chat.completions.create(model="no/such-model", messages=MESSAGES).text
    finally:
        client.close()


def test_multiprocessing(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients go to other processes, and their errors come back as they were."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    client = Client(project=PROJECT, base_url=emulator.base_url)
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(ModelNotFoundError, match="404"):
        pool.apply(call_in_a_process, (client,))
    client.close()


# --- Logging ---------------------------------------------------------------------------------------------------------


async def test_quiet(client: Any, emulator: Emulator, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed unless asked for."""
    emulator.fault(Fault.status(503))
    await ask(client)

    assert capfd.readouterr() == ("", "")


async def test_log(client: Any, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG each attempt is a line, without keys, headers or bodies."""
    caplog.set_level(logging.DEBUG, "wandb_inference")
    emulator.fault(Fault.status(503))
    await ask(client, extra_headers={"X-Secret": "hush-1"}, extra_query={"token": "hush-2"})

    lines = [record.getMessage() for record in caplog.records if record.name == "wandb_inference"]
    assert [line.partition(": ")[2][:3] for line in lines] == ["503", "", "200"]
    assert lines[1].startswith("trying again in 0.")
    assert f"POST 127.0.0.1:{emulator.base_url.rpartition(':')[2][:-3]}/v1/chat/completions" in lines[0]
    assert not any(secret in caplog.text for secret in (KEY, "hush-1", "hush-2", "Hello"))


async def test_log_of_a_failure(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An attempt without an answer says why."""
    caplog.set_level(logging.DEBUG, "wandb_inference")
    client = kind(api_key=KEY, project=PROJECT, base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(APIError):
        await ask(client)

    assert "127.0.0.1:9/v1/chat/completions: connection refused after" in caplog.text


def test_log_from_the_environment(emulator: Emulator, tmp_path: Path) -> None:
    """`WANDB_INFERENCE_LOG` shows the log on standard error, each line once."""
    program = (
        "from wandb_inference import completion\n"
        f"for _ in range(2): completion({MODEL!r}, [{{'role': 'user', 'content': 'Hello'}}])\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WANDB_INFERENCE_LOG": "debug",
        "WANDB_API_KEY": KEY,
        "WANDB_PROJECT": PROJECT,
        "WANDB_API_BASE": emulator.base_url,
    }
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.count("wandb_inference DEBUG POST") == 2
    assert KEY not in ran.stderr


def test_log_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """One handler is enough, however many clients."""
    from wandb_inference import _log

    monkeypatch.setattr(_log, "_own", None)
    before = list(_log.logger.handlers)
    level = _log.logger.level
    try:
        _log.set_up(None)
        assert _log.logger.handlers == before
        _log.set_up(logging.INFO)
        _log.set_up(logging.DEBUG)
        assert len(_log.logger.handlers) == len(before) + 1
        assert _log.logger.level == logging.DEBUG
    finally:
        _log.logger.handlers[:] = before
        _log.logger.setLevel(level)


# --- The package -----------------------------------------------------------------------------------------------------


def test_import_is_light() -> None:
    """Importing the package loads nothing, and each name what it needs."""
    program = (
        "import sys; before = set(sys.modules); import wandb_inference as w\n"
        "print(sorted(set(sys.modules) - before))\n"
        "w.APIError; print('httpx' in sys.modules, 'pydantic' in sys.modules)\n"
        "w.Client; print('pydantic' in sys.modules, w.Client is w.Client)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        capture_output=True,
        timeout=30,
    )

    assert ran.stdout.splitlines() == ["['wandb_inference']", "False False", "True True"], ran.stderr


def test_names() -> None:
    """The lists for type checkers and for run time agree, and each name is there."""
    text = (ROOT / "wandb_inference" / "__init__.py").read_text()
    typed = {line.rpartition(" as ")[2] for line in text.splitlines() if line.startswith("    from .")}

    assert typed == {*wandb_inference.__all__, "tracing"} == set(dir(wandb_inference))
    assert all(getattr(wandb_inference, name) for name in dir(wandb_inference))
    errors = set(wandb_inference.exceptions.__all__) - {"AttemptRecord", "RequestProblem"}
    assert errors <= typed


@pytest.mark.parametrize(
    ("blocking", "waiting"),
    [
        (wandb_inference.Client.with_options, wandb_inference.AsyncClient.with_options),
        (Client.__init__, AsyncClient.__init__),
        (Client(api_key=KEY).chat.completions.create, AsyncClient(api_key=KEY).chat.completions.create),
        (Client(api_key=KEY).models.list, AsyncClient(api_key=KEY).models.list),
        (Client(api_key=KEY).models.retrieve, AsyncClient(api_key=KEY).models.retrieve),
        (completion, acompletion),
    ],
    ids=["with_options", "init", "create", "list", "retrieve", "completion"],
)
def test_twins(blocking: Any, waiting: Any) -> None:
    """Both worlds take the same parameters, in the same way, with the same defaults."""
    one, other = (
        [(name, parameter.kind, parameter.default) for name, parameter in inspect.signature(method).parameters.items()]
        for method in (blocking, waiting)
    )

    assert one == other


@pytest.mark.parametrize(
    ("blocking", "waiting"), [(Client, AsyncClient), (wandb_inference.Stream, wandb_inference.AsyncStream)]
)
def test_twins_have_the_same_face(blocking: type, waiting: type) -> None:
    """What one of a pair has, the other has under the same name."""
    one, other = ({name for name in dir(twin) if not name.startswith("_")} for twin in (blocking, waiting))

    assert one == other


def test_help() -> None:
    """`help()` and notebooks show the parameters, what the body holds first."""
    names = list(inspect.signature(Client(api_key=KEY).chat.completions.create).parameters)

    assert names[:5] == ["model", "messages", "stream", "final_only", "temperature"]
    assert names[-1] == "project"
    assert "project" in list(inspect.signature(completion).parameters)[:7]


def test_nothing_at_import() -> None:
    """`completion` makes no connection before its first call, and shares them after it."""
    with Emulator() as emulator:
        for _ in range(3):
            completion(MODEL, MESSAGES, api_key=KEY, project=PROJECT, api_base=emulator.base_url)
        assert emulator.connections == 1


async def test_invalid_before_any_io(client: Any, emulator: Emulator) -> None:
    """A request that can't be sent is refused with path, value and what was expected; nothing is sent."""
    with pytest.raises(InvalidRequestError) as caught:
        await ask(client, temperature="hot", messages=[{"role": "user", "content": [{"type": "text", "text": 5}]}])

    assert [(problem.path, problem.value) for problem in caught.value.errors] == [
        ("messages[0].content[0].text", 5),
        ("temperature", "hot"),
    ]
    assert not emulator.requests
