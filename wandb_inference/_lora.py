"""Addresses of LoRA adapters."""

from __future__ import annotations

import re
from typing import Final, cast
from urllib.parse import unquote

from ._checks import quoted
from .exceptions import InvalidRequestError, RequestProblem

FORM: Final = "team/project/name:version"

# As in a model's address: three slashes, and what W&B allows in the names of projects and artifacts.
_PARTS: Final = re.compile(r"([^/:\\#?%\x00-\x1f]+)/([^/:\\#?%\x00-\x1f]+)/([^/:@\\#?%\s]+)(?::([^/:\s]+))?")
_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")
_SCHEME: Final = re.compile(r"(?:wandb/)?wandb-artifact:/*", re.IGNORECASE)
_PAGE: Final = re.compile(
    r"https?://(?:www\.)?(?:wandb\.ai|forge\.coreweave\.com)/([^/]+/[^/]+)/artifacts/([^/]+)/([^/?#]+)(?:/([^/?#]+))?.*"
)

# What can stand behind a name on its page and is no version: the tabs.
_TABS: Final = frozenset({"overview", "versions", "metadata", "usage", "files", "lineage", "graph", "api"})


def lora(name: str) -> str:
    """The address of a LoRA adapter, to be given as `model`: `wandb-artifact:///team/project/name:version`.

    It is served with its base model, at the base's price, and sees no pictures. `:latest` may be another version
    tomorrow: pin one for results that last.

    Args:
        name: `team/project/name:version`, where the version is `v3` or an alias; without one it is `latest`, spelt out.
            An address that is complete, and the artifact's page at wandb.ai, do as well.

    Raises:
        InvalidRequestError: Another form.
    """
    if not isinstance(cast("object", name), str):
        hint = "Give its .qualified_name." if hasattr(name, "qualified_name") else None
        raise _wrong(f"the LoRA is of type {type(name).__name__}", hint)
    text = _SCHEME.sub("", name.strip(), count=1)
    if page := _PAGE.fullmatch(text):
        path, kind, artifact, version = (unquote(group or "") for group in page.groups())
        if version in _TABS:
            version = ""
        if kind.lower() != "lora":
            raise _wrong(f"{quoted(text)} is of type {quoted(kind)}", "Only artifacts of type `lora` are served.")
        text = f"{path}/{artifact}:{version or 'latest'}"
    elif _ESCAPE.search(text):
        plain = _named(unquote(text))
        raise _wrong(f"{quoted(name)} holds an escape of URLs", f"Write {quoted(unquote(text))}." if plain else None)
    if not (parts := _named(text)):
        raise _wrong(f"{quoted(name)} is no LoRA", _meant(text))
    team, project, artifact, version = parts.groups()
    return f"wandb-artifact:///{team}/{project}/{artifact}:{version or 'latest'}"


def _named(text: str) -> re.Match[str] | None:
    """The parts of an adapter's name; `None` where it is none, or a path."""
    parts = _PARTS.fullmatch(text)
    return None if parts is None or {".", ".."} & set(parts.groups()) else parts


def _meant(text: str) -> str | None:
    """What to write in place of a name that lacks something; `None` where that is not known."""
    if {".", ".."} & set(re.split("[/:]", text)):
        return "It is a path: adapters are served from W&B's artifacts, not from files."
    if _PARTS.fullmatch(":".join(text.rsplit("@", 1))):
        return f"The version stands behind a colon: write {quoted(':'.join(text.rsplit('@', 1)))}."
    if _PARTS.fullmatch(f"team/{text}"):
        return f"It names no team: write {quoted(f'team/{text}')}."
    if _PARTS.fullmatch(f"team/project/{text}"):
        return f"It names no team and no project: write {quoted(f'team/project/{text}')}."
    if text.endswith(":"):
        return f"Its version is empty: write {quoted(f'{text}v3')}."
    name, _, last = text.rpartition("/")
    if last in _TABS and _PARTS.fullmatch(name):
        return f"Write {quoted(name)}."
    if _PARTS.fullmatch(":".join(text.rsplit("/", 1))):
        return f"The version stands behind a colon: write {quoted(':'.join(text.rsplit('/', 1)))}."
    return None


def _wrong(what: str, hint: str | None) -> InvalidRequestError:
    said = f'Expected "{FORM}".' if hint is None else f'Expected "{FORM}". {hint}'
    return InvalidRequestError(what, hint=said, errors=[RequestProblem("lora", what, FORM)])
