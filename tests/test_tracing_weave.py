"""Traces for Weave: what is sent where, by whom, and what is said when it does not arrive."""

from __future__ import annotations

import base64
import logging
import multiprocessing
import os
import re
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, MODEL, PROJECT, ask, done
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext
from otlp import Receiver
from spans import traced

from wandb_inference import Client, tracing
from wandb_inference._core import following
from wandb_inference.testing import Emulator
from wandb_inference.tracing import WeaveTraces, _export, to_weave
from wandb_inference.tracing._export import Delivery, Session


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes traces."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def weave(receiver: Receiver) -> Iterator[WeaveTraces]:
    """Traces to it."""
    with to_weave(project=PROJECT, endpoint=f"{receiver.url}/agents/otel", api_key=KEY) as traces:
        yield traces


async def test_what_is_sent(client: Any, emulator: Emulator, receiver: Receiver, weave: WeaveTraces) -> None:
    """A call arrives as protobuf, with team and project, and with the key in both documented forms."""
    answer = await ask(client)
    assert weave.flush()

    [post] = receiver.posts
    assert post.path == "/agents/otel/v1/traces"
    assert post.headers["content-type"] == "application/x-protobuf"
    assert post.headers["content-encoding"] == "gzip"
    assert post.headers["wandb-api-key"] == KEY
    assert base64.b64decode(post.headers["authorization"].removeprefix("Basic ")) == f"api:{KEY}".encode()
    assert post.headers["project_id"] == PROJECT
    [span] = receiver.spans
    assert (span.name, span.attributes["gen_ai.response.id"]) == (f"chat {MODEL}", answer.id)
    assert span.resource["wandb.entity"] == "team"
    assert span.resource["wandb.project"] == "project"
    assert KEY.encode() not in post.body
    assert weave.lost == 0


async def test_a_run_arrives_as_one_tree(
    client: Any, emulator: Emulator, receiver: Receiver, weave: WeaveTraces
) -> None:
    """The spans of a run bear the ids that make them one tree."""

    def get_weather(city: str) -> str:
        """Says the weather."""
        return "cold"

    emulator.reply(tool_calls=[("get_weather", {"city": "Oslo"})])
    emulator.reply("Cold.")
    run = client.chat.completions.run_tools
    await done(run(model=MODEL, messages=[{"role": "user", "content": "Hi"}], tools=[get_weather]))
    weave.flush()

    [agent] = [span for span in receiver.spans if span.name == "invoke_agent"]
    below = [span for span in receiver.spans if span is not agent and span.parent_id == agent.span_id]
    assert [span.name for span in below] == [f"chat {MODEL}", "execute_tool get_weather", f"chat {MODEL}"]
    assert len({span.trace_id for span in receiver.spans}) == 1


def test_only_our_headers_are_sent(monkeypatch: pytest.MonkeyPatch, receiver: Receiver, tmp_path: Path) -> None:
    """Neither another backend's secrets in the environment nor a password of netrc go to Weave."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-other-key=secret")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with to_weave(project=PROJECT, endpoint=receiver.url, api_key=KEY) as weave, Emulator() as emulator:
        emulator.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
        weave.flush()

    [post] = receiver.posts
    assert "x-other-key" not in post.headers
    assert post.headers["wandb-api-key"] == KEY
    assert base64.b64decode(post.headers["authorization"].removeprefix("Basic ")) == f"api:{KEY}".encode()


def test_the_key_and_the_project_of_the_environment(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """What is not given is found where a client finds it, and the server where Weave does."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_ENTITY", "us")
    monkeypatch.setenv("WF_TRACE_SERVER_URL", receiver.url)
    with to_weave() as weave, Emulator() as emulator:
        emulator.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])

    assert weave.project == "us/mine"
    assert weave.endpoint == f"{receiver.url}/agents/otel/v1/traces"
    assert receiver.spans[0].resource["wandb.project"] == "mine"


def test_no_key_is_shown(weave: WeaveTraces) -> None:
    """The key is in no `repr` of what holds it."""
    shown = [repr(weave), repr(vars(weave)), repr(vars(weave._delivery)), repr(vars(weave._delivery._session))]

    assert not [text for text in shown if KEY in text or base64.b64encode(f"api:{KEY}".encode()).decode() in text]
    assert repr(weave) == f"WeaveTraces(project='team/project', endpoint='{weave.endpoint}', lost=0)"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "answered 401. The key came from argument: check that it is right"),
        (403, "answered 403. The key came from argument"),
        (404, "answered 404. Check endpoint= and WF_TRACE_SERVER_URL: the base goes before /v1/traces."),
        (400, "answered 400. Later traces are tried again."),
        (307, "answered 307. Give endpoint= the address it leads to: no redirect is followed."),
    ],
)
def test_traces_that_are_refused(receiver: Receiver, status: int, said: str, caplog: Any) -> None:
    """A refusal is warned of once, with what to do, and the call goes on; what is lost is counted."""
    receiver.status = status
    with Emulator() as emulator, to_weave(project=PROJECT, endpoint=receiver.url, api_key=KEY) as weave:
        client = emulator.client()
        with pytest.warns(UserWarning, match="are lost") as caught:
            for _ in range(2):
                assert client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}]).text
                assert not weave.flush()
        assert weave.lost == 2

    [warning] = caught
    text = str(warning.message)
    assert said in text
    assert "wandb_inference: traces for team/project are lost: http://127.0.0.1" in text
    assert KEY not in text


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, that is what the warning says."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Emulator() as emulator, to_weave(project=PROJECT, endpoint=f"http://127.0.0.1:{port}", api_key=KEY) as weave:
        emulator.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
        with pytest.warns(UserWarning, match=r"was not reached \(ConnectionError\)\. Check the address"):
            assert not weave.flush()


@pytest.mark.parametrize("why", ["", "too old\nby far"])
def test_spans_that_are_not_taken(receiver: Receiver, weave: WeaveTraces, why: str) -> None:
    """What a server says it did not take, of a request that it took, is lost as well."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 1
    answer.partial_success.error_message = why
    receiver.answer = answer.SerializeToString()
    said = f"{weave.endpoint} did not take 1. It says: {' '.join(why.split()) or 'nothing more'}."
    with Emulator() as emulator:
        emulator.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
    with pytest.warns(UserWarning, match=re.escape(said)):
        assert not weave.flush()
    assert weave.lost == 1


def test_an_answer_that_is_none(receiver: Receiver, weave: WeaveTraces) -> None:
    """A server that answers in another form, with success, has taken all."""
    receiver.answer = b"{}"
    with Emulator() as emulator:
        emulator.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
    assert weave.flush()


def test_more_spans_than_can_wait(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """Spans that had no room in the queue are lost, and told as such."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "3")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    receiver.hold.clear()
    with to_weave(project=PROJECT, endpoint=receiver.url, api_key=KEY) as weave:
        tracer = weave.tracer_provider.get_tracer("test")
        with pytest.warns(UserWarning, match="more than 3 were waiting. OTEL_BSP_MAX_QUEUE_SIZE makes room"):
            for _ in range(20):
                tracer.start_span("one").end()
        receiver.hold.set()
        assert weave.flush()
        only_recorded = ReadableSpan("two", SpanContext(1, 2, is_remote=False))
        weave.tracer_provider._active_span_processor.on_end(only_recorded)
    assert weave.lost + len(receiver.spans) == 20
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")
    with to_weave(project=PROJECT, endpoint=receiver.url, api_key=KEY):
        assert _export._room() == 2048


def test_a_flush_that_has_little_time(receiver: Receiver) -> None:
    """It is over when its time is, whatever the server does."""
    receiver.hold.clear()
    with Emulator() as emulator, to_weave(project=PROJECT, endpoint=receiver.url, api_key=KEY) as weave:
        emulator.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
        began = time.monotonic()
        assert not weave.flush(0.05)
        assert time.monotonic() - began < 5
        receiver.hold.set()
        assert weave.flush()


def test_what_was_traced_before(weave: WeaveTraces) -> None:
    """It is traced again once Weave's is over."""
    before = following.trace
    with to_weave(project=PROJECT, endpoint="http://127.0.0.1:9", api_key=KEY):
        assert following.trace is not before
    assert following.trace is before


ANY_SPANS: Any = [object()]


class Deaf(SpanExporter):
    """An exporter that fails without a request."""

    def export(self, spans: Any) -> SpanExportResult:
        if spans:
            raise LookupError("no spans")
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Does nothing."""


def test_warnings_that_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    """Where warnings are errors, the loss is logged: no background thread raises it."""
    lost = Delivery(Deaf(), Session({}), "http://here", "argument", PROJECT)
    with warnings.catch_warnings(), caplog.at_level(logging.ERROR, "wandb_inference"):
        warnings.simplefilter("error")
        assert lost.export([]) is SpanExportResult.FAILURE
    with pytest.warns(UserWarning, match="they could not be sent"):
        assert lost.export(ANY_SPANS) is SpanExportResult.FAILURE
    assert lost.lost == 1
    lost.shutdown()

    assert "they could not be sent. The log of opentelemetry says why." in caplog.text
    assert lost.force_flush()


def test_shutdown(weave: WeaveTraces) -> None:
    """After shutdown() nothing is traced; it leaves alone what took its place meanwhile."""
    with traced():
        follow = following.trace
        weave.shutdown()
        assert following.trace is follow
    again = to_weave(project=PROJECT, endpoint="http://127.0.0.1:9", api_key=KEY)
    assert following.trace is not None
    again.shutdown()
    assert following.trace is None
    again.shutdown()


def test_without_the_whole_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """With OpenTelemetry's API alone, the error says what to install."""
    monkeypatch.delitem(sys.modules, "wandb_inference.tracing._export")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ImportError, match=r"pip install 'wandb-inference\[otel\]'"):
        to_weave(project=PROJECT, api_key=KEY)
    assert following.trace is None


def _child(base_url: str, weave: WeaveTraces, connection: Any) -> None:
    with Client(api_key=KEY, project=PROJECT, base_url=base_url) as client:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "child"}])
    connection.send((os.getpid(), weave.flush()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forks(emulator: Emulator, receiver: Receiver, weave: WeaveTraces) -> None:
    """A forked process traces by itself."""
    with Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "parent"}])
        weave.flush()
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=_child, args=(emulator.base_url, weave, theirs))
        process.start()
        pid, arrived = ours.recv()
        process.join()
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "parent"}])
        weave.flush()

    assert pid != os.getpid()
    assert arrived
    assert len(receiver.spans) == 3


def test_public_names() -> None:
    """What the module promises is there."""
    assert all(hasattr(tracing, name) for name in tracing.__all__)
