"""The fixture and marker of recordings, as a user's own tests see them."""

from __future__ import annotations

import json

import pytest

from wandb_inference.testing import Emulator

pytest_plugins = ["pytester"]

PLUGIN = "wandb_inference.testing.pytest_plugin"
KEY = "a-real-key-0123456789"


@pytest.fixture
def emulator():
    """The service, at the address that the environment names."""
    with Emulator(api_key=KEY) as emulator:
        yield emulator


@pytest.fixture
def run(pytester, monkeypatch, emulator):
    """Runs a test file, with a key or without, and demands an outcome."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)

    def run(source, *options, key=True, **outcomes):
        with monkeypatch.context() as patch:
            if key:
                patch.setenv("WANDB_API_KEY", KEY)
                patch.setenv("WANDB_PROJECT", "hill/plans")
                patch.setenv("WANDB_API_BASE", emulator.base_url)
            pytester.makepyfile(test_it=source)
            result = pytester.runpytest_inprocess("-p", PLUGIN, "--strict-markers", *options)
            result.assert_outcomes(**outcomes)
            return result

    return run


CALL = """
import asyncio, os
import httpx, pytest
from wandb_inference import AsyncClient, Client, completion
from wandb_inference.testing import CassetteMissError

ASK = {"model": "meta-llama/Llama-3.1-8B-Instruct", "messages": [{"role": "user", "content": "Hello"}]}
"""


def test_unchanged_code(run, pytester, emulator):
    """Whatever is built on httpx is recorded with a key, and played without key, project, address and network."""
    source = (
        CALL
        + """
@pytest.mark.wandb_cassette
def test_client():
    assert Client().chat.completions.create(**ASK).text

def test_async_client(wandb_cassette):
    async def run():
        async with AsyncClient() as client:
            return "".join([chunk.text async for chunk in await client.chat.completions.create(stream=True, **ASK)])

    assert asyncio.run(run())

@pytest.mark.wandb_cassette
def test_completion():
    assert completion(**ASK).text

@pytest.mark.wandb_cassette
class TestOthers:
    @pytest.mark.parametrize("path", ["/models", "/models/a/b"])
    def test_httpx(self, path):
        headers = {"authorization": "Bearer " + os.environ["WANDB_API_KEY"]}
        with httpx.Client(headers=headers) as http:
            assert http.get(os.environ["WANDB_API_BASE"] + path).status_code in (200, 404)

    def test_of_the_cassette(self, wandb_cassette):
        assert wandb_cassette.client().chat.completions.create(**ASK).text
        async def run():
            async with wandb_cassette.async_client() as client:
                return (await client.chat.completions.create(**ASK)).text
        assert asyncio.run(run())
        assert len(wandb_cassette.unused) == 0
"""
    )
    run(source, passed=6)
    asked = len(emulator.requests)
    emulator.stop()
    run(source, key=False, passed=6)
    run(source, "--wandb-record=none", key=False, passed=6)

    assert asked == 7
    folder = pytester.path / "cassettes" / "test_it"
    names = sorted(path.name for path in folder.iterdir())
    assert names[1:] == [
        "TestOthers.test_httpx[-models]-28769336.json",
        "TestOthers.test_of_the_cassette.json",
        "test_async_client.json",
        "test_client.json",
        "test_completion.json",
    ]
    assert KEY not in "".join(path.read_text() for path in folder.iterdir())


MISS = (
    CALL
    + """
@pytest.mark.wandb_cassette
def test_it():
    assert Client().chat.completions.create(**ASK).text
"""
)


@pytest.mark.parametrize(
    ("ci", "options", "passed"),
    [("true", [], 0), ("0", [], 1), ("", [], 1), ("1", ["--wandb-record=auto"], 1), ("", ["--wandb-record=replay"], 0)],
)
def test_nothing_is_recorded_in_ci(run, monkeypatch, ci, options, passed):
    """Where CI is set nothing is recorded unless the command line says so, and the error says how to."""
    monkeypatch.setenv("CI", ci)
    result = run(MISS, *options, passed=passed, failed=1 - passed)

    if not passed:
        result.stdout.fnmatch_lines(["*is not in the cassette 'cassettes/test_it/test_it.json', which is empty.*"])
        result.stdout.fnmatch_lines(["*run pytest --wandb-record=auto with a key and a project*"])


def test_recorded_anew(run, pytester, emulator):
    """The command line goes before the marker, and `all` records all of it anew."""
    run(MISS, passed=1)
    first = (pytester.path / "cassettes" / "test_it" / "test_it.json").read_bytes()
    run(MISS.replace("wandb_cassette", "wandb_cassette(mode='replay')"), "--wandb-record=all", passed=1)

    assert (pytester.path / "cassettes" / "test_it" / "test_it.json").read_bytes() != first
    assert len(emulator.requests) == 2


def test_the_marker(run, pytester, tmp_path):
    """A marker names another file, gives options, and can be strict about what was not played."""
    other = tmp_path / "other.json"
    source = (
        CALL
        + f"""
@pytest.mark.wandb_cassette("shared.json", match_on=["method", "path"])
def test_shared(wandb_cassette):
    first = Client().chat.completions.create(**ASK).text
    assert wandb_cassette.played or wandb_cassette.recorded

@pytest.mark.wandb_cassette(path={str(other)!r}, mode="auto", strict=True)
def test_strict(wandb_cassette):
    if wandb_cassette.mode == "auto" and not wandb_cassette.unused:
        Client().chat.completions.create(**ASK)
"""
    )
    run(source, passed=2)
    assert (pytester.path / "shared.json").exists()
    assert len(json.loads(other.read_text())["exchanges"]) == 1
    result = run(source.replace('"Hello"', '"Other"'), key=False, passed=2, errors=1)
    result.stdout.fnmatch_lines(["*1 of the cassette '*other.json' were not played:"])
    run(source, "--wandb-record=record", passed=2)


def test_other_traffic(run):
    """What asks no model is neither recorded nor played."""
    run(
        CALL
        + """
@pytest.fixture(autouse=True)
def network(monkeypatch):
    answer = lambda self, request: httpx.Response(200, text="the world")
    async def async_answer(self, request):
        return answer(self, request)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", async_answer)

def test_httpx(network, wandb_cassette):
    with httpx.Client() as client:
        assert client.get("https://example.com").text == "the world"
    async def run():
        async with httpx.AsyncClient() as client:
            return await client.get("https://example.com")
    assert asyncio.run(run()).text == "the world"
    assert (wandb_cassette.played, wandb_cassette.recorded) == (0, 0)
""",
        passed=1,
    )


def test_files_of_tests(run):
    """Things that are no tests of Python are none of the marker's business."""
    run(
        CALL
        + '''
def add():
    """
    >>> 1 + 1
    2
    """
''',
        "--doctest-modules",
        passed=1,
    )


def test_options_are_told_of(pytester, monkeypatch):
    """The command line and the marker say what they are."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    pytester.runpytest_inprocess("-p", PLUGIN, "--help").stdout.fnmatch_lines(["*--wandb-record*"])
    pytester.runpytest_inprocess("-p", PLUGIN, "--markers").stdout.fnmatch_lines(["*wandb_cassette(path, strict=*"])


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("5", "path is 5"),
        ("'a.json', 'b.json'", "takes one path"),
        ("'a.json', path='b.json'", "takes one path"),
        ("record_mode='none'", 'Write mode="replay"'),
        ("mode='none'", 'Write mode="replay"'),
    ],
)
def test_what_a_marker_can_be_given(run, marker, said):
    """What makes no sense, or is vcrpy's, is an error that says what to write."""
    source = f"""
import pytest
@pytest.mark.wandb_cassette({marker})
def test_it(): ...
"""
    assert said in "\n".join(run(source, errors=1).outlines)
