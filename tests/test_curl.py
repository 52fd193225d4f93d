"""The command that repeats a request, run by a shell in which a stand-in for curl writes down what it was told."""

from __future__ import annotations

import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, PROJECT, ask, done
from raw_server import RawServer, answering, whole

from wandb_inference import APIError, ConfigurationError, InvalidRequestError
from wandb_inference._core.redaction import sent_request, shown_headers, without_secrets
from wandb_inference._core.wire import Context, Request, Timeouts
from wandb_inference._curl import command

BASE_URL = "https://api.inference.wandb.ai/v1"
HEADERS = {"accept": "application/json", "user-agent": "u", "content-type": "application/json"}
# What the shell knows: some values would do harm if they were read again, others are their own names.
VARIABLES = {
    "API_KEY": "$API_KEY",
    "AUTHORIZATION": "Basic x",
    "COOKIE": "a=b",
    "TOKEN": "$TOKEN",
    "WANDB_API_KEY": "key's",
    "X_API_KEY": "other $key",
    "X_KEY": "hidden",
    "_0TOKEN": "$_0TOKEN",
}


class Ran:
    """What the stand-in was told: its arguments, and its standard input."""

    def __init__(self, text: str, tmp_path: Path, variables: dict[str, str] = VARIABLES) -> None:
        stand_in, script = tmp_path / "curl", tmp_path / "script"
        stand_in.write_text("""#!/bin/sh\nprintf '%s\\0' "$@" > arguments\ncat > input\n""")
        stand_in.chmod(0o755)
        script.write_text(text)
        environment = {**variables, "PATH": f"{tmp_path}:/usr/bin:/bin"}
        subprocess.run(["sh", script], cwd=tmp_path, env=environment, check=True, stdin=subprocess.DEVNULL, timeout=30)
        self.arguments = (tmp_path / "arguments").read_bytes().decode().split("\0")[:-1]
        self.input = (tmp_path / "input").read_bytes().decode()

    def after(self, option: str) -> list[str]:
        """The values of an option."""
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        return [value for name, value in pairs if name == option]


def request(url: str = f"{BASE_URL}/chat/completions", body: bytes | None = b"{}", **changes: Any) -> Request:
    """A request."""
    base = Request("POST", url, HEADERS, body, Timeouts(), Context(BASE_URL, "m"))
    return base._replace(**changes)


def run(sent: Request, tmp_path: Path) -> Ran:
    """What curl is told to send for a request."""
    return Ran(command(sent_request(sent)), tmp_path)


async def test_it_repeats_the_request(connect: Any, tmp_path: Path) -> None:
    """Method, URL, headers and body are those that were sent, with the key from the environment."""
    with RawServer(answering(whole(b"{}", 400))) as server:
        client = connect(server, default_headers={"x-api-key": "hush", "x-empty": ""})
        with pytest.raises(APIError) as caught:
            await ask(client, stream=True, extra_query={"a": "b c", "cookie": "hush"})
        await done(client.close())
        sent = server.requests[0]
    text = caught.value.as_curl()
    assert text is not None
    ran = Ran(text, tmp_path)
    head, _, body = sent.partition(b"\r\n\r\n")

    assert f"{KEY[:8]}" not in text
    assert "hush" not in text
    assert '"Authorization: Bearer $WANDB_API_KEY"' in text
    assert ran.arguments[0] == "-N"
    assert ran.after("-X") == ["POST"]
    assert f"{server.base_url}/chat/completions?a=b+c&cookie=a=b" in ran.arguments
    assert ran.after("--data-raw") == [body.decode()]
    given = {tuple(line.lower().split(": ", 1)) for line in ran.after("-H")}
    lines = {tuple(line.lower().split(": ", 1)) for line in head.decode().split("\r\n")[1:]}
    changed = {"authorization", "x-api-key", "x-empty", "x-empty:", "host", "content-length", "accept-encoding"}
    assert {line for line in lines if line[0] not in changed} <= given
    assert ("authorization", "bearer key's") in given
    assert ("x-api-key", "other $key") in given
    assert ("x-empty;",) in given


async def test_it_travels_with_the_error(connect: Any) -> None:
    """A pickled error repeats the same request, and neither it nor what it holds shows key or prompt."""
    with RawServer(answering(whole(b"{}", 400))) as server:
        client = connect(server)
        with pytest.raises(APIError) as caught:
            await ask(client, messages=[{"role": "user", "content": "private words"}])
        await done(client.close())

    again = pickle.loads(pickle.dumps(caught.value))

    assert again.as_curl() == caught.value.as_curl()
    assert "private words" in again.as_curl()
    assert "private words" not in f"{again} {again!r} {vars(again)}"
    assert repr(vars(again)["_sent"]) == f"<POST {server.base_url}/chat/completions>"


async def test_a_get(connect: Any, tmp_path: Path) -> None:
    """A request without a body has no method, no body and no content type to leave out."""
    with RawServer(answering(whole(b"{}", 401))) as server:
        client = connect(server)
        with pytest.raises(APIError) as caught:
            await done(client.models.list())
        await done(client.close())
    ran = Ran(caught.value.as_curl() or "", tmp_path)

    assert ran.arguments[0] == f"{server.base_url}/models"
    assert not {"-X", "-N", "--data-raw"} & set(ran.arguments)
    assert "content-type:" not in ran.after("-H")


async def test_without_a_request(kind: Any) -> None:
    """Where no request was made there is none to repeat."""
    with pytest.raises(ConfigurationError) as no_key:
        await ask(kind(project=PROJECT))
    client = kind(api_key=KEY, project=PROJECT)
    with pytest.raises(InvalidRequestError) as wrong:
        await ask(client, temperature="hot")

    assert no_key.value.as_curl() is None
    assert wrong.value.as_curl() is None
    assert wrong.value.meta is None
    assert APIError("made by hand").as_curl() is None


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        "'''",
        '"',
        "$HOME `id` $(id) \\ \\n",
        "a\nb\r\n\tc",
        "\0",
        "h\u00e9 \u6f22 \U0001f600",
        "!!",
        "%s",
        "@a",
        "",
    ],
)
@pytest.mark.parametrize("filling", [0, 150_000], ids=["argument", "input"])
def test_bodies(text: str, filling: int, tmp_path: Path) -> None:
    """Whatever a body holds, and however long it is, curl is told it as it was."""
    body = json.dumps({"content": text + "x" * filling}, ensure_ascii=False).encode()

    ran = run(request(body=body), tmp_path)

    told = ran.input.removesuffix("\n") if ran.after("--data-binary") == ["@-"] else ran.after("--data-raw")[0]
    assert told.encode() == body
    assert bool(filling) is bool(ran.input)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://h/v1/x?a=1&api_key=s3cret&b=2", "http://h/v1/x?a=1&api_key=$API_KEY&b=2"),
        ("http://h/v1/x?%61pi%2Dkey=s3cret", "http://h/v1/x?%61pi%2Dkey=$API_KEY"),
        ("http://h/v1/x?0token=s3cret&key", "http://h/v1/x?0token=$_0TOKEN&key"),
        ("http://me:s3cret@h/v1/x#s3cret", "http://h/v1/x"),
        ("http://h/v1/it's?token=s3cret&it's", "http://h/v1/it's?token=$TOKEN&it's"),
        ("http://[::1]:8/v1/{a}", "http://[::1]:8/v1/{a}"),
    ],
)
def test_urls(url: str, told: str, tmp_path: Path) -> None:
    """Secrets of the query are variables, user and password are gone, and the rest is as it was."""
    sent = request(url)
    text = command(sent_request(sent)).replace('"$WANDB_API_KEY"', "")
    ran = run(sent, tmp_path)

    assert told in ran.arguments
    assert ("--globoff" in ran.arguments) is ("[" in url)
    assert "s3cret" not in text
    assert without_secrets(url) == told.replace("$API_KEY", "***").replace("$_0TOKEN", "***").replace("$TOKEN", "***")


@pytest.mark.parametrize(
    ("headers", "sent", "told"),
    [
        ({}, True, "Authorization: Bearer key's"),
        ({"authorization": "Bearer mine"}, False, "authorization: Bearer key's"),
        ({"authorization": "Basic mine"}, False, "authorization: Basic x"),
        ({"x-api-key": "mine"}, True, "x-api-key: other $key"),
        ({"x-it's": "it's"}, True, "x-it's: it's"),
        ({"x-$`key": "mine"}, True, "x-$`key: hidden"),
    ],
)
def test_headers(headers: dict[str, str], sent: bool, told: str, tmp_path: Path) -> None:
    """The key and what looks like one come from the environment, and nothing in a name is run."""
    made = request(headers={**HEADERS, **headers, "accept-encoding": "gzip"})
    ran = run(made._replace(context=made.context._replace(key_sent=sent)), tmp_path)

    assert told in ran.after("-H")
    assert not [line for line in ran.after("-H") if "encoding" in line]


def test_headers_left_out(tmp_path: Path) -> None:
    """Headers that the client was told to leave out are not added by curl."""
    ran = run(request(headers={}), tmp_path)

    assert ran.after("-H")[1:] == ["accept:", "content-type:", "user-agent:"]


def test_shown_headers() -> None:
    """Secret values are stars; names stay."""
    names = (
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "api-key",
        "x-auth-token",
        "my-secret",
        "pwd",
    )
    hidden = shown_headers({**dict.fromkeys(names, "hush"), "openai-project": "a/b"})

    assert hidden == {**dict.fromkeys(names[:-1], "***"), "pwd": "hush", "openai-project": "a/b"}
