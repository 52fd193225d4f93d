"""What a key, a project and a base URL must look like, each with the message for the one that doesn't."""

from __future__ import annotations

import re
from functools import lru_cache
from inspect import iscoroutine
from typing import Final, SupportsIndex
from urllib.parse import quote, urlsplit

from .exceptions import ConfigurationError

DEFAULT_BASE_URL: Final = "https://api.inference.wandb.ai/v1"
DEFAULT_HOST: Final = "api.inference.wandb.ai"

# Hosts of the web sites and of the core API, which people copy in place of the inference API's.
_OTHER_HOSTS: Final = frozenset(
    {
        "wandb.ai",
        "www.wandb.ai",
        "api.wandb.ai",
        "docs.wandb.ai",
        "inference.wandb.ai",
        "forge.coreweave.com",
        "api.forge.coreweave.com",
    }
)
_ENDPOINT: Final = re.compile(r"/(?:chat/completions|completions|chat|models|responses|embeddings)$", re.IGNORECASE)
_LOCAL: Final = re.compile(r"(?:localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\])(?:[:/]|$)", re.IGNORECASE)

# W&B's own rule for project names (wandb 0.31), and what travels in a header is printable ASCII.
_NOT_IN_PROJECT: Final = re.compile(r"[\\#?%:]|[^\x20-\x7e]")  # a range up to \U0010ffff takes 3 ms to compile
_MAX_PROJECT_NAME: Final = 128

_DATA_URL: Final = re.compile(r"""(data:[\w/+.;=-]*,)[^\s'"\\]+""")

# A key given in the wrong place is not quoted back: new keys, old ones (a private server's have a prefix), tokens.
_KEY_SHAPE: Final = re.compile(r"wandb_v\d+_[\w-]+|(?:[\w-]+-)?[0-9a-fA-F]{40}|eyJ[\w-]*\.[\w-]+\.[\w-]*")


SHORTEST_KEY: Final = 16
"""Characters. What is shorter is a stand-in, and may be a word of an answer or a prompt."""


class Key(str):
    """A key, which debuggers and reporters of errors that show variables by their `repr` don't show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, index: SupportsIndex | slice) -> Key:
        return Key(super().__getitem__(index))  # some cut long texts first


def quoted(value: str) -> str:
    """The value in double quotes, fit for a message: escaped, at most 200 characters, and no API key."""
    if any(_KEY_SHAPE.fullmatch(word) for word in re.split(r"[^\w.-]+", value)):
        return "(not shown, since it looks like an API key)"
    text = repr(value)[1:-1]
    return f'"{text}"' if len(text) <= 200 else f'"{text[:200]}..."'


def check_key(value: object, source: str) -> Key:
    """The key without the white space around it.

    Args:
        value: What was given, or what a callable returned.
        source: Where it came from, for the message.

    Raises:
        ConfigurationError: Not a string, empty, with "Bearer" or quotes around it, or with a character that no header
            takes. The message says where, and never holds any part of the key.
    """
    if not isinstance(value, str):
        hint = "Give the key as a string, or a callable that returns it."
        if iscoroutine(value):
            value.close()  # else Python warns that it was never awaited
            hint = "An async callable needs AsyncClient."
        raise ConfigurationError(f"api_key is of type {type(value).__name__}, not str ({source})", hint=hint)
    key = value.strip()
    if not key:
        hint = "Leave it out to have it looked up in WANDB_API_KEY, netrc and the W&B settings files."
        if source == "api_key()":
            hint = "The callable given as api_key must return the key: nothing else is looked up in its place."
        raise ConfigurationError(f"api_key is empty ({source})", hint=hint)
    if re.match(r"bearer(?:[\s:]|$)", key, re.IGNORECASE):
        raise ConfigurationError(f'api_key begins with "Bearer" ({source})', hint="Give the key alone, without it.")
    if key[0] in "\"'" and key[-1] == key[0]:
        raise ConfigurationError(f"api_key is in quotes ({source})", hint="Give the key without them.")
    if odd := re.search(r"[^\x21-\x7e]", key):
        raise ConfigurationError(
            f"api_key holds {_kind(odd[0])} at index {odd.start()}, counted from 0 ({source})",
            hint="Copy the key again, in one piece.",
        )
    return Key(key)


def check_project(value: object, source: str, team: str | None = None) -> str | None:
    """The project as `team/project`; `None` for a bare name without a team, and `""` for an empty one.

    Args:
        value: What was given: `team/project`, or a project's name alone.
        source: Where it came from, for the message.
        team: The team of a name that stands alone.

    Raises:
        ConfigurationError: Not a string, or not of this form.
    """
    if not isinstance(value, str):
        raise ConfigurationError(
            f"project is of type {type(value).__name__}, not str ({source})", hint='Write project="team/project".'
        )
    text = value.strip()
    if not text:
        return ""
    if "/" not in text and team is not None:
        text = f"{team}/{text}"
    entity, slash, name = (part.strip() for part in text.partition("/"))
    what = f"project {quoted(text)} ({source})"
    if "/" in name or (slash and not (entity and name)):
        raise ConfigurationError(f'{what} is not of the form "team/project"', hint=_meant_project(text))
    if odd := _NOT_IN_PROJECT.search(text):
        raise ConfigurationError(f"{what} holds {_kind(odd[0])}", hint=_meant_project(text))
    if len(name or entity) > _MAX_PROJECT_NAME:
        raise ConfigurationError(
            f"{what} has a name of {len(name or entity)} characters", hint=f"At most {_MAX_PROJECT_NAME} are allowed."
        )
    return f"{entity}/{name}" if slash else None


def check_base_url(value: object, source: str) -> str:
    """The base URL without white space around it and slashes at its end.

    Args:
        value: What was given.
        source: Where it came from, for the message.

    Raises:
        ConfigurationError: It can't be the base of an inference API. The message names it, without the user name and
            password or query it may hold, and the right one.
    """
    if not isinstance(value, str):
        raise ConfigurationError(
            f"base_url is of type {type(value).__name__}, not str ({source})", hint=f'Write "{DEFAULT_BASE_URL}".'
        )
    url = value.strip()
    what = f"base_url {quoted(shown_url(url))} ({source})"
    the_right_one = f'The inference API is "{DEFAULT_BASE_URL}".'
    if not url:
        raise ConfigurationError(f"base_url is empty ({source})", hint=f'Leave it out for "{DEFAULT_BASE_URL}".')
    if odd := [character for character in url if character in " \\" or not character.isprintable()]:
        raise ConfigurationError(f"{what} holds {_kind(odd[0])}", hint=the_right_one)
    if "://" not in url:
        raise ConfigurationError(f"{what} has no scheme", hint=_with_scheme(url) or the_right_one)
    problem = "can't be read"
    try:
        parts = urlsplit(url)
        problem = "has a port that is no number from 1 to 65535"
        port = parts.port  # reading it is the check
    except ValueError:
        raise ConfigurationError(f"{what} {problem}", hint=the_right_one) from None
    if port == 0:
        raise ConfigurationError(f"{what} {problem}", hint=the_right_one)
    if parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"{what} has a scheme other than http and https", hint=the_right_one)
    if not parts.hostname:
        raise ConfigurationError(f"{what} has no host", hint=the_right_one)
    if parts.hostname.rstrip(".") in _OTHER_HOSTS:
        raise ConfigurationError(f"{what} is not the inference API", hint=the_right_one)
    if parts.hostname == DEFAULT_HOST and parts.scheme == "http":
        raise ConfigurationError(f"{what} would send the key in clear", hint=the_right_one)
    if parts.username is not None:
        raise ConfigurationError(
            f"{what} has a user name", hint="The key is api_key; other headers are default_headers."
        )
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise ConfigurationError(f"{what} has a host that is no name", hint=the_right_one) from None
    if "?" in url or "#" in url:
        raise ConfigurationError(
            f"{what} has a query or a fragment", hint="Give the URL up to and with /v1; extra_query adds parameters."
        )
    if not parts.path.isascii():
        written = quote(parts.path, safe="/%:")
        raise ConfigurationError(
            f"{what} holds a non-ASCII character in its path", hint=f"Write the path as {quoted(written)}."
        )
    base = url.rstrip("/")
    if endpoint := _ENDPOINT.search(base):
        base = shown_url(base[: -len(endpoint[0])])
        raise ConfigurationError(f"{what} is an endpoint, not the base of all", hint=f"Write {quoted(base)}.")
    return base


@lru_cache(maxsize=128)  # each request asks it for its client's base
def shown_url(url: str) -> str:
    """The URL without what may be secret in it: user name and password, query, fragment."""
    # Everything up to the last "@": a password with a slash in it is none of urlsplit's user info.
    hidden = re.sub(r"^([a-zA-Z][\w+.-]*://)?.*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"([?#]).*", r"\1...", hidden, count=1, flags=re.DOTALL)


def without_data(text: str) -> str:
    """The text with each `data:` URL in it cut after its comma: a picture in an error helps nobody."""
    return _DATA_URL.sub(r"\1...", text)


def _kind(character: str) -> str:
    if character in "\r\n":
        return "a line break"
    if character == " ":
        return "a space"
    if not character.isascii():
        return "a non-ASCII character"
    return f'"{character}"' if character.isprintable() else "a control character"


def _meant_project(text: str) -> str:
    """What to write in place of a project of the wrong form: read out of a pasted address where it is one."""
    parts = [part for part in re.split("[/?#]", text.rpartition("://")[2]) if part]
    if "://" in text or (parts and parts[0].lower() in _OTHER_HOSTS):
        del parts[0:1]
    if len(parts) > 1 and not any(_NOT_IN_PROJECT.search(part) for part in parts[:2]):
        return f"Write {quoted(f'{parts[0]}/{parts[1]}')}."
    return 'Write "team/project", the names in the address wandb.ai/team/project.'


def _with_scheme(url: str) -> str | None:
    """The advice to put a scheme before a URL; `None` where what follows is no host, or not the inference API's."""
    bare = shown_url(url.lstrip("/"))
    if _LOCAL.match(bare):
        return f"Write {quoted(f'http://{bare}')}."
    host = re.split("[:/]", bare)[0].lower()
    if "." not in host or host in _OTHER_HOSTS:
        return None
    return f"Write {quoted(f'https://{bare}')}."
