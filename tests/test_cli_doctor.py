"""`wandb-inference doctor`: what it says of settings and of the service's answers."""

from __future__ import annotations

import datetime
import json
import time

import pytest
from conftest import KEY, PROJECT
from raw_server import RawServer, answering, whole

from wandb_inference.catalogue import TABLE_DATE
from wandb_inference.cli import main
from wandb_inference.cli.doctor import _examine, _service, _settings
from wandb_inference.cli.doctor._finding import Finding, as_data, conclusion, failed
from wandb_inference.cli.doctor._patience import Patience
from wandb_inference.cli.doctor._proxies import judge_proxies
from wandb_inference.exceptions import APIConnectionError, NotFoundError
from wandb_inference.testing import Emulator, Fault

SERVICE = "https://api.inference.wandb.ai/v1"


@pytest.fixture
def examine(capsys):
    """Runs the command; its findings by check, and the exit code."""

    def examine(*argv):
        code = main(["doctor", "--json", *argv])
        out = capsys.readouterr().out
        assert KEY not in out
        data = json.loads(out)
        assert data["ok"] is (code == 0)
        return code, {entry["check"]: Finding(**entry) for entry in data["checks"]}

    return examine


@pytest.fixture(autouse=True)
def _on_the_day_of_the_table(monkeypatch):
    """The table is not yet old."""
    monkeypatch.setattr(_examine, "today", lambda: datetime.date.fromisoformat(TABLE_DATE))


@pytest.fixture
def strict():
    """A service with one good key and one good project."""
    with Emulator(api_key=KEY, project=PROJECT) as emulator:
        yield emulator


@pytest.fixture
def configured(monkeypatch, strict):
    """All is well, until a test changes it."""
    monkeypatch.setenv("WANDB_API_BASE", strict.base_url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_PROJECT", PROJECT)


@pytest.mark.usefixtures("configured")
def test_all_is_well(examine, strict):
    """Every check is there, each with a reason; what a host does not offer is skipped. Nothing is paid for."""
    code, found = examine()

    assert code == 0
    assert {check: finding.status for check, finding in found.items()} == {
        "versions": "ok",
        "key": "ok",
        "project": "ok",
        "base URL": "ok",
        "proxies": "ok",
        "DNS": "skipped",
        "connection": "ok",
        "TLS": "skipped",
        "clock": "skipped",
        "models": "ok",
        "catalogue": "ok",
        "call": "skipped",
    }
    assert found["key"].detail == "40 characters, from WANDB_API_KEY"
    assert found["TLS"].detail == "the base URL is http"
    assert found["clock"].detail == "the server sends no Date header"
    assert found["models"].detail == "the service takes the key and the project, and lists 23 models"
    assert found["call"].detail == "only with --call: it costs at most $0.0000092 (openai/gpt-oss-20b)"
    assert [request.path for request in strict.requests if request.method != "HEAD"] == ["/v1/models"]


@pytest.mark.usefixtures("configured")
def test_as_text(capsys):
    """A line for each check in a pipe, without colours, and the conclusion at the end."""
    assert main(["doctor"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == ["ok"] * 5 + [
        "skipped",
        "ok",
        "skipped",
        "skipped",
        "ok",
        "ok",
        "skipped",
    ]
    assert lines[-2:] == ["", "All is well."]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("name", "value", "blame", "says", "fix"),
    [
        ("WANDB_API_KEY", "b" * 40, "key", "the key is wrong: the service refuses it (401), with and", "WANDB_API_KEY"),
        (
            "WANDB_PROJECT",
            "team/other",
            "project",
            "the key is good, and the project is not: team/other",
            "team/project",
        ),
    ],
)
def test_wrong_key_or_wrong_project(examine, monkeypatch, name, value, blame, says, fix):
    """The service says 401 to both; asked again without the project, it tells them apart."""
    monkeypatch.setenv(name, value)
    code, found = examine()

    assert code == 1
    assert found["models"].blame == blame
    assert found["models"].detail.startswith(says)
    assert fix in (found["models"].fix or "")
    assert conclusion([*found.values()]) == f"Wrong: {blame}."


@pytest.mark.usefixtures("configured")
def test_a_key_that_hides_another(examine, monkeypatch, tmp_path):
    """A wrong key in the environment that hides one in netrc is told so."""
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {KEY}\n")
    monkeypatch.setenv("WANDB_API_KEY", "b" * 40)
    _, found = examine()

    assert found["models"].fix is not None
    assert found["models"].fix.startswith("WANDB_API_KEY hides another key, in netrc ~/.netrc (api.wandb.ai): unset it")


@pytest.mark.usefixtures("configured")
def test_no_v1(examine, strict):
    """A base URL without `/v1` is told from a server that is not there."""
    _, found = examine("--base-url", strict.base_url.removesuffix("/v1"))

    assert found["models"].blame == "base URL"
    assert found["models"].detail.endswith("with /v1 there is an API")
    assert found["models"].fix == f"Write {strict.base_url}"


@pytest.mark.usefixtures("configured")
def test_no_api_at_all(examine):
    """A page of HTML, with and without `/v1`, is no API."""
    page = whole(b"<html>Hello</html>", kind="text/html")
    with RawServer(answering(page)) as server:
        code, found = examine("--base-url", server.base_url.removesuffix("/v1"))

    assert code == 1
    assert found["models"].blame is None
    assert found["call"].status == "skipped"


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("fault", "detail", "fix"),
    [
        (Fault.status(403), "403: Country, region, or territory not supported", "not offered where"),
        (
            Fault.status(403, "The inference gateway is not enabled for your organization"),
            "403: The inference gateway is not enabled for your organization",
            "Ask your organisation's admin",
        ),
        (Fault.status(402), "402: You exceeded your current quota", "Add credits"),
        (Fault.status(503), "503: The engine is currently overloaded", "try again in a minute"),
        (Fault.reset(), "", ""),
    ],
    ids=["region", "gateway", "quota", "overloaded", "reset"],
)
def test_other_refusals(examine, strict, fault, detail, fix):
    """What else the service may say is told in its own words, with what to do."""
    strict.fault(fault, when=lambda request: request.method == "GET")
    code, found = examine()

    assert code == 1
    assert found["models"].detail.startswith(detail)
    assert fix in (found["models"].fix or "")


@pytest.mark.usefixtures("configured")
def test_an_empty_list(examine):
    """An empty list of models is a warning: the service had one for a day."""
    with Emulator(models=[]) as server:
        code, found = examine("--base-url", server.base_url)

    assert code == 0
    assert found["models"].status == "warn"
    assert found["call"].detail.endswith("(openai/gpt-oss-20b)")


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("argv", "model"), [(["--call"], "openai/gpt-oss-20b"), (["--call", "zai-org/GLM-5.2"], "zai-org/GLM-5.2")]
)
def test_a_call(examine, strict, argv, model):
    """With `--call`, one call for one token is made, and its cost is said."""
    code, found = examine(*argv)

    assert code == 0
    assert found["call"].status == "ok"
    assert found["call"].detail.startswith(f"{model} answered in ")
    assert " tokens, for $0.00000" in found["call"].detail
    chat = [request for request in strict.requests if request.path == "/v1/chat/completions"]
    assert [(request.model, request.body["max_tokens"]) for request in chat] == [(model, 1)]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("fault", "says"),
    [(Fault.status(404), "404: "), (Fault.reset(), "it may have cost at most $")],
    ids=["refused", "broken"],
)
def test_a_call_that_fails(examine, strict, fault, says):
    """A call that fails says whether it may have cost something; it is not tried again."""
    strict.fault(fault, when=lambda request: request.path.endswith("completions"), times=None)
    code, found = examine("--call")

    assert code == 1
    assert found["call"].status == "fail"
    assert says in found["call"].detail
    assert len([request for request in strict.requests if request.method == "POST"]) == 1


def test_nothing_is_configured(examine, emulator):
    """All that is missing is told at once, and the rest is looked at as far as it goes."""
    code, found = examine("--base-url", emulator.base_url, "--call")

    assert code == 1
    assert failed(found.values()) == ["key", "project"]
    assert found["key"].detail == "there is none"
    assert "wandb login" in (found["key"].fix or "")
    assert "WANDB_PROJECT=team/project" in (found["project"].fix or "")
    assert found["connection"].status == "ok"
    assert found["models"].detail == found["call"].detail == "there is no key to send"


@pytest.mark.usefixtures("configured")
def test_no_project_on_purpose(examine):
    """`--project ''` is for servers that are not W&B's; without any project no call is tried."""
    with Emulator(require_project=False) as server:
        _, found = examine("--base-url", server.base_url, "--project", "", "--call")
        assert found["project"].status == "skipped"
        assert found["models"].detail.startswith("the service takes the key, and lists")
        assert found["call"].status == "ok"

        code, found = examine("--base-url", server.base_url, "--project", "bare", "--call")
        assert code == 1
        assert found["project"].detail.startswith('there is none; project "bare" names no team')
        assert found["call"].detail == "there is no project to bill"


@pytest.mark.usefixtures("configured")
def test_a_base_url_that_cannot_be(examine):
    """Without a base URL there is nothing to reach; key and project are looked at all the same."""
    code, found = examine("--base-url", "https://api.wandb.ai/v1", "--call")

    assert code == 1
    assert found["base URL"].detail.endswith("is not the inference API")
    assert found["base URL"].fix == f'The inference API is "{SERVICE}".'
    assert (found["key"].status, found["project"].status) == ("ok", "ok")
    assert found["models"].detail == found["call"].detail == "there is no base URL to call"
    assert "DNS" not in found


def look(environ, **options):
    """What a client would find with these variables."""
    connection = _settings.Connection(options.get("base_url"), options.get("project"))
    return _settings.look(connection, environ)


@pytest.mark.parametrize(
    ("environ", "status", "says"),
    [
        ({"WANDB_API_KEY": KEY}, "ok", "40 characters, from WANDB_API_KEY"),
        ({"WANDB_API_KEY": f" {KEY}\n"}, "warn", "with white space around it"),
        ({"WANDB_API_KEY": "short"}, "warn", "5 characters, from WANDB_API_KEY; W&B's keys have 40 or more"),
        ({"WANDB_API_KEY": f'"{KEY}"'}, "fail", "api_key is in quotes (WANDB_API_KEY)"),
        ({"WANDB_API_KEY": f"Bearer {KEY}"}, "fail", 'api_key begins with "Bearer" (WANDB_API_KEY)'),
        ({"WANDB_API_KEY": "caf\xe9" * 10}, "fail", "a non-ASCII character"),
        (
            {"WANDB_API_KEY": KEY, "WANDB_IDENTITY_TOKEN_FILE": "/t"},
            "warn",
            "refuse it beside WANDB_IDENTITY_TOKEN_FILE",
        ),
        ({"WANDB_IDENTITY_TOKEN_FILE": "/t"}, "fail", "there is none; WANDB_IDENTITY_TOKEN_FILE is not read here"),
        ({"NETRC": "/no/such/file"}, "fail", "there is none; /no/such/file was passed over"),
        ({"WANDB_API_KEY": KEY, "NETRC": "/no/such/file"}, "ok", "40 characters"),
    ],
)
def test_key(environ, status, says):
    """A key that is there is told by its source and length alone; what is odd about it is named."""
    finding = _settings.judge_key(look(environ), environ)

    assert (finding.check, finding.status) == ("key", status)
    assert says in finding.detail
    assert KEY not in repr(finding)
    assert finding.fix or status == "ok"


def test_key_with_a_file_that_cannot_be_read(tmp_path):
    """What was passed over on the way to a key is worth a word."""
    (tmp_path / ".netrc").write_text("nonsense {")
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text(f"[default]\napi_key = {KEY}\n")
    finding = _settings.judge_key(look({}), {})

    assert finding.status == "warn"
    assert finding.detail == (
        "40 characters, from settings ./wandb/settings; ~/.netrc was passed over (not in the format of netrc)"
    )


@pytest.mark.parametrize(
    ("environ", "option", "status", "says"),
    [
        ({"WANDB_PROJECT": "team/project"}, None, "ok", "team/project, from WANDB_PROJECT"),
        ({"WANDB_PROJECT": "p", "WANDB_ENTITY": "e"}, None, "ok", "e/p, from WANDB_PROJECT + WANDB_ENTITY"),
        ({}, "team/project", "ok", "team/project, from the command line"),
        ({"WANDB_PROJECT": "p"}, None, "fail", 'there is none; project "p" names no team'),
        ({"WANDB_PROJECT": "a/b/c"}, None, "fail", 'is not of the form "team/project"'),
        ({}, None, "fail", "there is none"),
        ({"WANDB_PROJECT": "team/project"}, "", "skipped", "none is sent, as --project '' says"),
    ],
)
def test_project(environ, option, status, says):
    """A project is told with its source; one that is missing, with how to set it."""
    finding = _settings.judge_project(look(environ, project=option))

    assert finding.status == status
    assert says in finding.detail
    assert bool(finding.fix) is (status == "fail")


def test_project_with_a_file_that_cannot_be_read(tmp_path):
    """What was passed over on the way to a project is worth a word, too."""
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("nonsense")
    (tmp_path / ".config" / "wandb").mkdir(parents=True)
    (tmp_path / ".config" / "wandb" / "settings").write_text("[default]\nproject = p\nentity = e\n")
    finding = _settings.judge_project(look({}))

    assert finding.status == "warn"
    assert finding.detail.startswith("e/p, from settings ~/.config/wandb/settings; ./wandb/settings was passed over")


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        (None, "ok", f"{SERVICE}, the default"),
        ("http://localhost:8000/v1", "ok", "from the command line"),
        ("http://10.0.0.7/v1", "ok", "from the command line"),
        ("http://llm.internal/v1", "ok", "from the command line"),
        ("http://example.com/v1", "warn", "the key travels in clear"),
        ("http://8.8.8.8/v1", "warn", "the key travels in clear"),
        ("example.com", "fail", "has no scheme"),
        ("https://user:secret@example.com/v1", "fail", "has a user name"),
    ],
)
def test_base_url(url, status, says):
    """A base URL is told with its source; one that sends the key in clear to somebody far is a warning."""
    finding = _settings.judge_base_url(look({}, base_url=url))

    assert finding.status == status
    assert says in finding.detail
    assert "secret" not in repr(finding)


def test_versions(monkeypatch):
    """A library that is missing is named."""
    assert _settings.judge_versions().status == "ok"

    def version(name):
        raise _settings.PackageNotFoundError(name)

    monkeypatch.setattr(_settings, "version", version)
    assert _settings.judge_versions().detail == "httpx is not installed"


@pytest.mark.parametrize(
    ("environ", "status", "says"),
    [
        ({}, "ok", "none for https"),
        ({"http_proxy": "http://p:1"}, "ok", "none for https"),
        ({"HTTPS_PROXY": "http://user:secret@p:3128"}, "ok", "http://***@p:3128, from HTTPS_PROXY"),
        ({"all_proxy": "p:3128"}, "ok", "http://p:3128, from all_proxy"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".wandb.ai"}, "ok", "none for api.inference.wandb.ai, by NO_PROXY"),
        ({"HTTPS_PROXY": "ftp://p:1"}, "fail", 'HTTPS_PROXY is "ftp://p:1", of an unknown scheme'),
        ({"HTTPS_PROXY": "http://p:port"}, "fail", "HTTPS_PROXY is"),
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "warn", "https_proxy and HTTPS_PROXY differ"),
        (
            {"NO_PROXY": "*, localhost, 10.0.0.0/8, [::1]:80, ::1, .a.b, *.c, host:80, 1.2.3.4"},
            "ok",
            "none for https",
        ),
        (
            {"NO_PROXY": "http://a.b, 10.0.0.0/99, a;b, 1:2:3"},
            "warn",
            'NO_PROXY holds "http://a.b", "10.0.0.0/99", "a;b", "1:2:3", which stands for nothing',
        ),
        ({"NO_PROXY": "[::1]x"}, "warn", "which stands for nothing"),
    ],
)
def test_proxies(monkeypatch, environ, status, says):
    """The proxy that counts is named with its variable and without its password; what is odd is named, too."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    passage = judge_proxies(SERVICE, environ)

    assert passage.finding.status == status
    assert says in passage.finding.detail
    assert "secret" not in repr(passage.finding)
    assert passage.usable is (status != "fail")


def test_socks_without_its_package(monkeypatch):
    """SOCKS needs one more package."""
    monkeypatch.setenv("ALL_PROXY", "socks5://p:1")
    assert judge_proxies(SERVICE, {"ALL_PROXY": "socks5://p:1"}).proxy == "socks5://p:1"

    monkeypatch.setattr("wandb_inference.cli.doctor._proxies.find_spec", lambda name: None)
    finding = judge_proxies(SERVICE, {}).finding
    assert finding.detail == "the system's settings is socks5://p:1, and SOCKS needs one more package"
    assert finding.fix == 'Run: pip install "httpx[socks]"'


def test_a_proxy_that_cannot_be(examine, configured, monkeypatch):
    """Nothing is sent where the proxy can't be used."""
    monkeypatch.setenv("HTTP_PROXY", "ftp://p:1")
    _, found = examine()

    assert found["proxies"].status == "fail"
    assert found["models"].detail == "the proxy can't be used"
    assert "DNS" not in found


def test_today(monkeypatch):
    """The age is counted to this machine's day."""
    monkeypatch.undo()
    assert abs((_examine.today() - datetime.datetime.now().date()).days) <= 1


@pytest.mark.parametrize(
    ("days", "listed", "is_service", "status"),
    [
        (0, None, True, "ok"),
        (120, ["openai/gpt-oss-20b"], True, "ok"),
        (121, None, True, "warn"),
        (0, ["new/one"], True, "warn"),
        (0, ["my/own"], False, "ok"),
        (0, [f"new/{number}" for number in range(5)], True, "warn"),
    ],
)
def test_catalogue(days, listed, is_service, status):
    """A table that is old, or does not know what the service lists, is worth an update."""
    today = datetime.date.fromisoformat(TABLE_DATE) + datetime.timedelta(days)
    finding = _service.judge_table(today, listed, is_service)

    assert finding.status == status
    assert ("and others" in finding.detail) is (len(listed or ()) > 3)


@pytest.mark.parametrize(
    ("listed", "model"),
    [
        (None, "openai/gpt-oss-20b"),
        (["zai-org/GLM-5.2", "openai/gpt-oss-120b"], "openai/gpt-oss-120b"),
        (["my/own", "another"], "my/own"),
        ([], "openai/gpt-oss-20b"),
    ],
)
def test_cheapest(listed, model):
    """The model of a trial call is the cheapest that is served."""
    assert _service.cheapest(listed) == model


def test_trial_cost():
    """What a call would cost is not guessed."""
    assert _service.trial_cost("my/own") == "an unknown price"
    assert _service.trial_cost("gpt-oss-20b") == "at most $0.0000092"


def test_models_finding_without_a_hint():
    """An error without a hint has no fix, and one that is no status has its message."""
    finding = _service.judge_models(_service.Asked(APIConnectionError("cut")), PROJECT, SERVICE, None)
    assert (finding.detail, finding.fix) == ("cut", None)

    refused = _service.Asked(NotFoundError("gone"), under_v1=NotFoundError("gone"))
    assert _service.judge_models(refused, None, "http://a", None).detail == "404: gone"


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (None, ["key        a detail that is quite long", "                    -> a fix that is longer than that"]),
        (
            42,
            [
                "key        a detail that is quite",
                "                    long",
                "                    -> a fix that is",
                "                       longer than that",
            ],
        ),
    ],
)
def test_lines(width, lines):
    """Texts are wrapped beside the status on a terminal, and whole in a pipe."""
    finding = Finding("key", "fail", "a detail that is quite long", "a fix that is longer than that")

    assert finding.lines(width) == ("fail     ", lines)


def test_conclusion():
    """What is wrong is named once, by what is to be mended."""
    findings = [
        Finding("key", "warn", ""),
        Finding("models", "fail", "", blame="key"),
        Finding("TLS", "fail", ""),
        Finding("call", "fail", "", blame="key"),
    ]
    assert conclusion(findings) == "Wrong: key, TLS. Worth a look: key."
    assert as_data(findings)["ok"] is False


def test_patience():
    """A step has its own seconds, and no more than are left of the whole."""
    patience = Patience(5)
    assert 1.9 < patience.seconds(2) <= 2
    assert 4.9 < patience.seconds(100) <= 5
    assert Patience(-1).seconds(2) == 0.01
    assert Patience(-1).limit(2).due < time.monotonic()
