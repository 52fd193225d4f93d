from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wandb_inference._checks import (
    DEFAULT_BASE_URL,
    check_base_url,
    check_key,
    check_project,
    quoted,
    shown_url,
)
from wandb_inference.exceptions import ConfigurationError

NEW_KEY = "wandb_v1_" + "Ab3" * 25
OLD_KEY = "0123456789" * 4


def complaint(check, *args):
    """The text of the error that a check raises."""
    with pytest.raises(ConfigurationError) as caught:
        check(*args)
    return str(caught.value)


def test_a_callable_that_returns_nothing():
    """The advice about an empty key is about the callable it came from."""
    assert "callable" in complaint(check_key, "", "api_key()")
    assert "WANDB_API_KEY" not in complaint(check_key, "", "api_key()")


@pytest.mark.parametrize("key", ["k", OLD_KEY, NEW_KEY, f"local-{OLD_KEY}", "a.b-c_d~+/=", "bearerless"])
def test_key_of_any_length_passes(key):
    """A key is taken as it is, whatever its length."""
    assert check_key(key, "argument") == key


@pytest.mark.parametrize("around", [" {} ", "{}\n", "\r\n{}\t", "\u00a0{}", "{}\u2028"])
def test_key_is_stripped(around):
    """White space around a key, a line break from a file for one, is no part of it."""
    assert check_key(around.format("key"), "argument") == "key"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "api_key is empty (argument)"),
        (" \n", "api_key is empty (argument)"),
        ("SECRET\nSECRET", "api_key holds a line break at index 6, counted from 0 (argument)"),
        ("SECRET\rSECRET", "api_key holds a line break at index 6"),
        (" SECRET SECRET", "api_key holds a space at index 6"),
        ("SECRET\tSECRET", "api_key holds a control character at index 6"),
        ("SECRET\x00SECRET", "api_key holds a control character at index 6"),
        ("SECRET\x7fSECRET", "api_key holds a control character at index 6"),
        ("SECRET\u2026SECRET", "api_key holds a non-ASCII character at index 6"),
        ("SECRET\udce9SECRET", "api_key holds a non-ASCII character at index 6"),
        ("Authorization: Bearer SECRET", "api_key holds a space at index 14"),
        ("Bearer SECRET", 'api_key begins with "Bearer" (argument). Give the key alone'),
        ("bearer: SECRET", 'api_key begins with "Bearer"'),
        ("Bearer", 'api_key begins with "Bearer"'),
        ('"SECRET"', "api_key is in quotes (argument)"),
        ("'SECRET'", "api_key is in quotes"),
        (b"SECRET", "api_key is of type bytes, not str"),
        (7, "api_key is of type int, not str"),
        (None, "api_key is of type NoneType, not str"),
    ],
)
def test_wrong_key_is_refused_without_showing_it(key, text):
    """The message says what is wrong and where, and holds no part of the key."""
    said = complaint(check_key, key, "argument")

    assert text in said
    assert "SECRET" not in said


def test_key_source_is_named():
    """The message says where the key came from."""
    assert "(WANDB_API_KEY)" in complaint(check_key, "a b", "WANDB_API_KEY")


def test_coroutine_in_place_of_a_key():
    """A coroutine points to the async client, and leaves no warning about never having been awaited."""

    async def ask() -> str:
        raise AssertionError("never awaited")

    assert "An async callable needs AsyncClient" in complaint(check_key, ask(), "argument")


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("team/project", "team/project"),
        ("  team/project\n", "team/project"),
        ("team / my project", "team/my project"),
        ("t_e-a.m/p(1)@", "t_e-a.m/p(1)@"),
        ("team/" + "p" * 128, "team/" + "p" * 128),
        ("", ""),
        (" ", ""),
        ("project", None),
    ],
)
def test_project_form(given_, expected):
    """`team/project` is stripped, an empty text means none, and a name alone is not enough."""
    assert check_project(given_, "argument") == expected


def test_bare_project_takes_the_team():
    """A name alone takes the team; a full name keeps its own."""
    assert check_project("project", "argument", "team") == "team/project"
    assert check_project("own/project", "argument", "team") == "own/project"


@pytest.mark.parametrize(
    ("project", "text"),
    [
        ("/", 'project "/" (argument) is not of the form "team/project". Write "team/project", the names in'),
        ("team/", 'project "team/" (argument) is not of the form'),
        ("/project", 'project "/project" (argument) is not of the form'),
        ("team/ /", "is not of the form"),
        ("a/b/c", 'project "a/b/c" (argument) is not of the form "team/project". Write "a/b".'),
        ("/team/project", 'Write "team/project".'),
        ("https://wandb.ai/acme/bot", 'project "https://wandb.ai/acme/bot" (argument) is not of the form'),
        ("https://wandb.ai/acme/bot", 'Write "acme/bot".'),
        ("https://wandb.ai/acme/bot/runs/abc?nw=1", 'Write "acme/bot".'),
        ("wandb.ai/acme/bot", 'Write "acme/bot".'),
        ("https://wandb.ai", 'Write "team/project", the names in'),
        ("te:am/project", 'project "te:am/project" (argument) holds ":"'),
        ("team/pro?ject", 'holds "?"'),
        ("team\\project", 'holds "\\"'),
        ("team/pro\nject", 'project "team/pro\\nject" (argument) holds a line break'),
        ("team/pro\tject", "holds a control character"),
        ("team/proj\u00e9", "holds a non-ASCII character"),
        ("team/" + "p" * 129, "has a name of 129 characters. At most 128 are allowed."),
        ("p" * 129, "has a name of 129 characters"),
        (7, 'project is of type int, not str (argument). Write project="team/project".'),
    ],
)
def test_wrong_project_is_refused(project, text):
    """The message shows the value and what to write in its place, read out of a pasted address where it is one."""
    assert text in complaint(check_project, project, "argument")


@given(st.text(alphabet="ab/ :?\n\u00e9", max_size=12))
def test_project_fits_a_header(text):
    """Whatever passes is `team/project` in printable ASCII, and passes again unchanged."""
    try:
        project = check_project(text, "argument", "team")
    except ConfigurationError:
        return
    if project:
        assert project.count("/") == 1
        assert project.isascii()
        assert project.isprintable()
        assert check_project(project, "argument") == project


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (DEFAULT_BASE_URL, DEFAULT_BASE_URL),
        (f" {DEFAULT_BASE_URL}// ", DEFAULT_BASE_URL),
        ("https://api.inference.wandb.ai", "https://api.inference.wandb.ai"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("HTTP://localhost", "HTTP://localhost"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://b\u00fccher.example/v1", "https://b\u00fccher.example/v1"),
        ("https://notwandb.ai/v1", "https://notwandb.ai/v1"),
        ("https://models.example/mymodels", "https://models.example/mymodels"),
    ],
)
def test_base_url_passes(url, expected):
    """White space and slashes at the end are dropped; any host but W&B's other ones is taken."""
    assert check_base_url(url, "argument") == expected


@pytest.mark.parametrize(
    ("url", "problem", "advice"),
    [
        ("", "base_url is empty (argument)", f'Leave it out for "{DEFAULT_BASE_URL}".'),
        (
            "api.inference.wandb.ai/v1",
            'base_url "api.inference.wandb.ai/v1" (argument) has no scheme',
            DEFAULT_BASE_URL,
        ),
        ("//my.host/v1", "has no scheme", 'Write "https://my.host/v1".'),
        ("localhost:8000/v1", "has no scheme", 'Write "http://localhost:8000/v1".'),
        ("127.0.0.1", "has no scheme", 'Write "http://127.0.0.1".'),
        ("wandb.ai/team/project", "has no scheme", f'The inference API is "{DEFAULT_BASE_URL}".'),
        ("https:/my.host/v1", "has no scheme", DEFAULT_BASE_URL),
        ("nonsense", "has no scheme", DEFAULT_BASE_URL),
        ("ftp://my.host/v1", "has a scheme other than http and https", DEFAULT_BASE_URL),
        ("https://", "has no host", DEFAULT_BASE_URL),
        ("https:///v1", "has no host", DEFAULT_BASE_URL),
        ("http://api.inference.wandb.ai/v1", "would send the key in clear", DEFAULT_BASE_URL),
        ("https://user:word@my.host/v1", "has a user name", "The key is api_key"),
        ("https://my..host/v1", "has a host that is no name", DEFAULT_BASE_URL),
        ("https://my.host:port/v1", "has a port that is no number", DEFAULT_BASE_URL),
        ("https://my.host:0/v1", "has a port that is no number from 1 to 65535", DEFAULT_BASE_URL),
        ("https://my.host:70000/v1", "has a port that is no number", DEFAULT_BASE_URL),
        ("https://[::1/v1", "can't be read", DEFAULT_BASE_URL),
        ("https://my host/v1", "holds a space", DEFAULT_BASE_URL),
        ("https://my.host/\nv1", "holds a line break", DEFAULT_BASE_URL),
        ("https://my.host/\tv1", "holds a control character", DEFAULT_BASE_URL),
        ("https://my.host\u200b/v1", "holds a non-ASCII character", DEFAULT_BASE_URL),
        ("https://my.host/caf\u00e9/v1/", "holds a non-ASCII character in its path", "/caf%C3%A9/v1/"),
        ("https://my.host\\v1", 'holds "\\"', DEFAULT_BASE_URL),
        ("https://my.host/v1?", "has a query or a fragment", "up to and with /v1"),
        ("https://my.host/v1#top", "has a query or a fragment", "up to and with /v1"),
        (f"{DEFAULT_BASE_URL}/chat/completions", "is an endpoint", f'Write "{DEFAULT_BASE_URL}".'),
        (f"{DEFAULT_BASE_URL}/chat/completions/", "is an endpoint", f'Write "{DEFAULT_BASE_URL}".'),
        ("http://my.host/v1/chat", "is an endpoint", 'Write "http://my.host/v1".'),
        ("http://my.host/v1/completions", "is an endpoint", 'Write "http://my.host/v1".'),
        ("http://my.host/v1/Models", "is an endpoint", 'Write "http://my.host/v1".'),
        ("http://my.host/v1/responses", "is an endpoint", 'Write "http://my.host/v1".'),
        ("http://my.host/embeddings", "is an endpoint", 'Write "http://my.host".'),
        (7, "base_url is of type int, not str", DEFAULT_BASE_URL),
    ],
)
def test_wrong_base_url_is_refused(url, problem, advice):
    """The message names the value, what is wrong with it, and the right one."""
    said = complaint(check_base_url, url, "argument")

    assert problem in said
    assert advice in said


@pytest.mark.parametrize(
    "host",
    [
        "wandb.ai",
        "www.wandb.ai",
        "api.wandb.ai",
        "docs.wandb.ai",
        "inference.wandb.ai",
        "forge.coreweave.com",
        "api.forge.coreweave.com",
        "API.Wandb.ai",
        "wandb.ai.",
        "wandb.ai:443",
    ],
)
def test_site_and_core_api_are_not_the_inference_api(host):
    """The hosts that people copy in place of the right one are refused, with the right one."""
    said = complaint(check_base_url, f"https://{host}/v1", "WANDB_API_BASE")

    assert f'base_url "https://{host}/v1" (WANDB_API_BASE) is not the inference API' in said
    assert DEFAULT_BASE_URL in said


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:SECRET@my.host/v1",
        "user:SECRET@my.host/v1",
        "https://user:SE/SECRET@my.host/v1",
        "https://user:SECRET@my.host/v1/chat/completions",
        "https://my.host/v1?api_key=SECRET",
        "https://my.host/v1#SECRET",
        f"https://{NEW_KEY.replace('Ab3', 'SECRET')}/v1 ",
        "https://user:SECRET\n@my.host/v1",
    ],
)
def test_base_url_error_hides_secrets(url):
    """Passwords and queries of a refused URL are not shown."""
    with pytest.raises(ConfigurationError) as caught:
        check_base_url(url.strip() + "/models", "argument")

    assert "SECRET" not in str(caught.value)


def test_shown_url():
    """A URL is shown without user name, password, query and fragment."""
    assert shown_url("https://my.host/v1") == "https://my.host/v1"
    assert shown_url("https://user:word@my.host/v1?key=1#x") == "https://***@my.host/v1?..."


@pytest.mark.parametrize("key", [NEW_KEY, OLD_KEY, f"local-{OLD_KEY}", "eyJhbGci.eyJzdWIi.c2ln", f"team/{OLD_KEY}"])
@pytest.mark.parametrize("check", [check_project, check_base_url])
def test_key_in_the_wrong_place_is_not_shown(check, key):
    """A key that was given as another setting is not quoted back."""
    said = complaint(check, f"{key}/a/b", "argument")

    assert "not shown" in said
    assert key not in said


def test_quoted():
    """A value is shown on one line, in double quotes, and cut after 200 characters."""
    assert quoted("a\nb") == '"a\\nb"'
    assert quoted("x" * 200) == f'"{"x" * 200}"'
    assert quoted("x" * 201) == f'"{"x" * 200}..."'
