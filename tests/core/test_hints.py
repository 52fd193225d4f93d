from __future__ import annotations

import pytest

from wandb_inference._core import hints
from wandb_inference._core.errors import ErrorBody
from wandb_inference._core.wire import Context
from wandb_inference.exceptions import APIStatusError, AuthenticationError, InternalServerError

V1 = "https://api.inference.wandb.ai/v1"


@pytest.mark.parametrize(
    ("clock", "word"),
    [
        ("connect", "proxy"),
        ("read", "`stream=True`"),
        ("write", "`timeout`"),
        ("stall", "`stall_timeout`"),
        ("deadline", "`deadline`"),
    ],
)
def test_clocks(clock, word):
    """Each clock's hint names the setting that moves it, or what else may help."""
    assert word in hints.for_clock(clock)
    assert set(hints.TIMED_OUT) == {"connect", "read", "write", "stall", "deadline"}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("connection refused", f"Nothing listens there: check the base URL {V1!r}."),
        ("the host name can't be resolved", f"Check the spelling of the base URL {V1!r}, and the network."),
        (
            "certificate has expired",
            "Give your own CA in SSL_CERT_FILE or network=Network(verify=...), or check the clock and the base URL.",
        ),
        ("it asks for a client certificate", "Give it as network=Network(cert=...)."),
        ("TLS failed: WRONG_VERSION_NUMBER", f"Does the server speak TLS? Check the base URL {V1!r}."),
        (
            "through the proxy http://p: connection refused",
            "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the host in NO_PROXY.",
        ),
        ("connection reset by peer", "Check the network, or try again."),
    ],
)
def test_failures(reason, expected):
    """Each reason for having no answer has its own advice."""
    assert hints.for_failure(reason, Context(V1)) == expected


@pytest.mark.parametrize("why", ["connection refused", "its name can't be resolved (unknown)", "407"])
def test_proxies(why):
    """Whatever a proxy fails by, the advice is about the proxy, where it came from."""
    reason = f"through the proxy http://p: {why}"

    assert "HTTPS_PROXY" in hints.for_failure(reason, Context(V1))
    assert hints.for_failure(reason, Context(V1), is_own_proxy=True) == "Check network=Network(proxy=...)."


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("connection refused", "network=Network(uds=...)"),
        ("[Errno 2] No such file or directory", "network=Network(uds=...)"),
        ("its certificate does not hold: expired", "SSL_CERT_FILE"),
    ],
)
def test_unix_sockets(reason, word):
    """Where nothing listens on a Unix socket, its path is to be checked, and no base URL."""
    assert word in hints.for_failure(reason, Context(V1), uds="/a")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("Qwen/Qwen3.6-27B", "Qwen/Qwen3.6-27B is retired; use Qwen/Qwen3.8-27B."),
        ("qwen/qwen3.6-27b", "Qwen/Qwen3.6-27B is retired; use Qwen/Qwen3.8-27B."),
        (
            "microsoft/Phi-4-mini-instruct",
            "microsoft/Phi-4-mini-instruct is retired, without a successor; "
            "`client.models.list()` shows what there is.",
        ),
        ("openai/GPT-OSS-20B", "Write openai/gpt-oss-20b: ids are case-sensitive."),
        ("gpt-oss-20", "Did you mean openai/gpt-oss-20b or openai/gpt-oss-120b?"),
        ("no/such-thing-at-all", "`client.models.list()` shows what there is."),
        ("", "`client.models.list()` shows what there is."),
    ],
)
def test_models(model, expected):
    """A model that was not found leads to its successor, its right spelling, the nearest ids or the list."""
    assert hints.for_model(model) == expected


def test_adapters():
    """A LoRA has its own reasons not to be found."""
    hint = hints.for_model("wandb-artifact:///team/project/name:v0")

    for word in ("version", "`lora`", "coreweave-us", "`wandb.base_model`"):
        assert word in hint


def test_paths():
    """Where /v1 is missing the hint shows the URL with it."""
    assert hints.for_path(Context("http://localhost:8000")) == (
        "The base URL 'http://localhost:8000' does not end in /v1: try 'http://localhost:8000/v1'."
    )
    assert hints.for_path(Context(V1)) == f"Check the base URL {V1!r}."


def test_key_without_project():
    """A 401 without a project names the project too: the service answers so for a wrong one."""
    hint = hints.for_status(AuthenticationError, ErrorBody("no"), Context(V1, key_source="netrc"), {}, 0)

    assert hint == (
        "The key came from netrc. No project was sent; W&B's service wants one, and answers 401 without it."
    )


@pytest.mark.parametrize(("size", "word"), [(2_400_000, "2.4 MB"), (2_000, "try again")])
def test_gateway(size, word):
    """A gateway that failed on a large request leads to the size of its images; on a small one, to another try."""
    hint = hints.for_status(InternalServerError, ErrorBody("ext_proc failed"), Context(V1), {}, size)

    assert word in (hint or "")


def test_personal_account():
    """Whatever the status, a personal account leads to a team."""
    body = ErrorBody("W&B Inference isn't available for Personal Accounts.")

    hint = hints.for_status(APIStatusError, body, Context(V1), {}, 0)

    assert hint == "Create a team at wandb.ai, and name it in the project: `team/project`."


def test_nothing_to_add():
    """Where nothing more is known there is no hint."""
    assert hints.for_status(APIStatusError, ErrorBody("no"), Context(V1), {}, 0) is None
