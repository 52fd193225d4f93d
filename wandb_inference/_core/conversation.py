"""What is said in a conversation, as messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import BaseModel

from ..types import ChatCompletion
from ..types.messages import field
from .validate import check_request, invalid, message_list

_SAID = ("content", "refusal", "reasoning", "reasoning_content")
_CALLS = ("tool_calls", "function_call")


def opening(system: object, messages: object) -> list[Any]:
    """The messages that a conversation begins with.

    Args:
        system: Instructions to it; `None` for none.
        messages: What was said before; `None` for nothing.

    Raises:
        InvalidRequestError: These are no messages, or instructions are given twice.
    """
    said = [] if messages is None else message_list(messages)
    check_messages(said)
    if system is None:
        return said
    if isinstance(system, (bytes, Mapping, BaseModel)) or not isinstance(system, Iterable):
        raise invalid("system", cast("Any", system), "text, or a list of content parts")
    if said and said[0]["role"] in ("system", "developer"):
        raise invalid("messages[0].role", said[0]["role"], "no second message of the system beside system=")
    content = system if isinstance(system, str) else _parts(cast("Iterable[object]", system))
    first = [{"role": "system", "content": content}]
    check_messages(first)
    return first + said


def check_messages(messages: list[Any]) -> None:
    """Return if a request could have these messages, or if there are none.

    Raises:
        InvalidRequestError: It could not.
    """
    if messages:
        check_request({"model": "-", "messages": message_list(messages)})


def said(content: object) -> list[Any]:
    """New messages from what was said: text, content parts, a message or several; from `None` none.

    Raises:
        InvalidRequestError: It is none of these.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    expected = "text, content parts, a message or messages"
    if isinstance(content, (Mapping, BaseModel)):
        items: list[object] = [cast("object", content)]
    elif isinstance(content, Iterable) and not isinstance(content, (bytes, bytearray)):
        items = list(cast("Iterable[object]", content))
    else:
        raise invalid("content", content, expected)
    messages = [item for item in items if field(item, "role") is not None]
    if not items or 0 < len(messages) < len(items):
        raise invalid("content", cast("object", content), expected)
    return message_list(messages) if messages else [{"role": "user", "content": _parts(items)}]


def _parts(parts: Iterable[object]) -> list[object]:
    """Content parts as a list of their own; texts among them become parts."""
    return [{"type": "text", "text": part} if isinstance(part, str) else _part(part) for part in parts]


def _part(part: object) -> object:
    if isinstance(part, BaseModel):
        return part.model_dump(exclude_none=True)
    return dict(cast("Mapping[str, object]", part)) if isinstance(part, Mapping) else part


def answered(completion: ChatCompletion, *, cut: bool = False) -> dict[str, Any] | None:
    """The first answer as a message to go on with; `None` where nothing was said.

    A tool call whose arguments are no JSON object, such as one that `max_tokens` has cut, is left out: servers refuse
    each later request that has it.

    Args:
        completion: The answer.
        cut: Whether it did not come to its end. Its tool calls are left out then: half of one can't be answered.
    """
    if not completion.choices:
        return None
    # A server's own word for the role would be refused when it is sent back.
    message: dict[str, Any] = {"role": "", **message_list([completion.choices[0].message])[0]}
    message["role"] = "assistant"
    message["tool_calls"] = [call for call in message.get("tool_calls") or () if _is_whole(call.get("function"))]
    if not _is_whole(message.get("function_call")):
        del message["function_call"]
    for name in _CALLS:
        if cut or not message.get(name):
            message.pop(name, None)
    if cut and not any(message.get(name) for name in _SAID):
        return None
    if message["content"] is None and not any(name in message for name in _CALLS):
        # Some servers refuse a null that no tool call explains.
        message["content"] = ""
    return message


def _is_whole(function: dict[str, Any] | None) -> bool:
    """Whether a call's arguments are a JSON object, which they are made where it is clear what is meant."""
    if function is None:
        return True
    # Models write nothing for a function without parameters, and some write the JSON text as a JSON string.
    text: str = function["arguments"].strip() or "{}"
    try:
        value: object = json.loads(text)
        if isinstance(value, str):
            text, value = value, json.loads(value)
    except (ValueError, RecursionError):
        return False
    function["arguments"] = text
    return isinstance(value, dict)
