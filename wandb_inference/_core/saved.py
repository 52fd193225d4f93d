"""A conversation as a file: JSON in UTF-8, with a format that has a version."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from ..exceptions import InvalidRequestError
from .conversation import check_messages
from .trimming import check_tokens
from .validate import invalid, message_list, to_json

FORMAT: Final = "wandb_inference.conversation"
VERSION: Final = 1

_KEYS = (("model", str, "a model id"), ("messages", list, "a list"), ("params", dict, "an object"))

_SECRETS = ("extra_headers", "extra_query", "cache_salt")
"""Parameters that hold secrets, or may: they are for this process, and never written to a file."""


class Saved(NamedTuple):
    """What a file keeps of a conversation."""

    model: str
    """The model's id, as it was given."""
    messages: list[Any]
    """What was said, oldest first."""
    params: dict[str, Any]
    """Parameters of its calls."""
    window: int | None = None
    """Tokens of the model's window, where it was given."""


def dump(saved: Saved) -> bytes:
    """The file's text.

    Raises:
        InvalidRequestError: Something in it means nothing in JSON.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "model": saved.model,
        "window": saved.window,
        "params": _without_secrets(saved.params),
        "messages": message_list(saved.messages),
    }
    try:
        plain: object = json.loads(to_json(document))
    except InvalidRequestError as error:
        raise InvalidRequestError(f"The conversation can't be saved: {error.message}", hint=error.hint) from None
    return json.dumps(plain, ensure_ascii=False, indent=1).encode() + b"\n"


def _without_secrets(params: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in params.items() if name not in _SECRETS}
    if isinstance(extra := kept.get("extra_body"), Mapping):
        body = cast("Mapping[str, object]", extra)
        kept["extra_body"] = {name: value for name, value in body.items() if name not in _SECRETS}
    if isinstance(tools := kept.get("tools"), (list, tuple)):
        # A tool that is an object is written as what is sent of it.
        kept["tools"] = [_tool(tool) for tool in cast("Iterable[object]", tools)]
    return kept


def _tool(tool: Any) -> object:
    return tool.as_param() if hasattr(tool, "as_param") else tool


def load(data: bytes, name: str, known: Container[str]) -> Saved:
    """The conversation that a file keeps.

    Args:
        data: The file's text.
        name: The file's name, for the message of an error.
        known: Names of the parameters there are.

    Raises:
        InvalidRequestError: It is not JSON, of another version, or no conversation.
    """
    try:
        document: object = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _refusal(name, f"it is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:  # pyright: ignore[reportUnknownMemberType]
        raise _refusal(name, "it holds no conversation", "Conversation.save() writes such files.")
    found = cast("dict[str, Any]", document)
    if found.get("version") != VERSION:
        raise _refusal(
            name,
            f"its version is {found.get('version')!r}, and this package reads {VERSION}",
            "Update wandb-inference, or save it with the version at hand.",
        )
    try:
        return _checked(found, known)
    except InvalidRequestError as error:
        refusal = _refusal(name, error.message.partition(": ")[2] or error.message)
        refusal.errors = error.errors
        raise refusal from None


def _checked(found: Mapping[str, Any], known: Container[str]) -> Saved:
    for key, kind, expected in _KEYS:
        if not isinstance(found.get(key), kind):
            raise invalid(key, found.get(key), expected)
    saved = Saved(found["model"], found["messages"], found["params"], found.get("window"))
    for name, value in saved.params.items():
        if name not in known:
            raise invalid(f"params.{name}", value, "no such parameter")
    if saved.window is not None:
        check_tokens("window", saved.window)
    check_messages(saved.messages)
    return saved


def _refusal(name: str, reason: str, hint: str | None = None) -> InvalidRequestError:
    return InvalidRequestError(f"The conversation in {name!r} can't be loaded: {reason}", hint=hint)
