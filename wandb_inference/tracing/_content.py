"""What was said, in the form of the conventions: messages of parts, as JSON. Files in it are named, not copied.

Source: the JSON schemas of https://github.com/open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pydantic import BaseModel

from .._core.reading import without_surrogates
from .._core.redaction import without_secrets

if TYPE_CHECKING:
    from ..types import ChatCompletion, Choice
    from ._attributes import Attributes

Part: TypeAlias = dict[str, Any]

_MEDIA = {"image_url": "image", "audio_url": "audio", "video_url": "video"}
_INSTRUCTIONS = ("system", "developer")
_FINISH = {"tool_calls": "tool_call", "function_call": "tool_call"}


def of_request(messages: Sequence[Any], tools: object) -> Attributes:
    """What the model is told.

    Args:
        messages: A request's.
        tools: What it may call.
    """
    read = [_mapping(message) for message in messages]
    found: Attributes = {"gen_ai.input.messages": to_json([_message(message) for message in read])}
    instructions: list[Part] = []
    for message in read:
        if message.get("role") not in _INSTRUCTIONS:
            break
        instructions += _parts(message.get("content"))
    if instructions:
        found["gen_ai.system_instructions"] = to_json(instructions)
    if isinstance(tools, (list, tuple)) and tools:
        definitions = [_definition(_mapping(tool)) for tool in cast("Iterable[object]", tools)]
        found["gen_ai.tool.definitions"] = to_json(definitions)
    return found


def of_answer(answer: ChatCompletion) -> Attributes:
    """What the model said, choice by choice."""
    return {"gen_ai.output.messages": to_json([_choice(choice) for choice in answer.choices])}


def to_json(value: object) -> str:
    """The value as JSON; what has no form in it, by its `repr`."""
    return json.dumps(without_surrogates(value), ensure_ascii=False, default=repr)


def told(content: object) -> str:
    """What a model was told by a tool: text, or content parts as JSON."""
    return content if isinstance(content, str) else to_json(_parts(content))


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_none=True)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _message(message: Mapping[str, Any]) -> Part:
    role = message.get("role")
    if role in ("tool", "function"):
        content = message.get("content")
        response = content if isinstance(content, str) else _parts(content)
        parts = [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": response}]
    else:
        parts = [*_thought(message), *_parts(message.get("content")), *_calls(message)]
    named = {"name": message["name"]} if isinstance(message.get("name"), str) else {}
    return {"role": role, "parts": parts, **named}


def _thought(message: Mapping[str, Any]) -> list[Part]:
    for name in ("reasoning", "reasoning_content"):
        if isinstance(message.get(name), str) and message[name]:
            return [{"type": "reasoning", "content": message[name]}]
    return []


def _calls(message: Mapping[str, Any]) -> list[Part]:
    calls: object = message.get("tool_calls")
    found = [_mapping(call) for call in cast("Iterable[object]", calls)] if isinstance(calls, (list, tuple)) else []
    if message.get("function_call"):
        found.append({"function": message["function_call"]})
    return [_call(call) for call in found]


def _call(call: Mapping[str, Any]) -> Part:
    function = _mapping(call.get("function"))
    arguments: object = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):  # then it is told as the model wrote it
            arguments = json.loads(arguments)
    return {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": arguments}


def _choice(choice: Choice) -> Part:
    message = choice.message
    said = _mapping(message)
    refused = [{"type": "refusal", "content": message.refusal}] if message.refusal else []
    parts = [*_thought(said), *_parts(message.content), *refused, *_calls(said)]
    reason = choice.finish_reason or "error"
    return {"role": message.role, "parts": parts, "finish_reason": _FINISH.get(reason, reason)}


def _parts(content: object) -> list[Part]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    if not isinstance(content, (list, tuple)):
        return []
    return [_part(part) for part in cast("Iterable[object]", content)]


def _part(part: object) -> Part:
    if isinstance(part, str):
        return {"type": "text", "content": part}
    given = _mapping(part)
    kind = str(given.get("type", "unknown"))
    if kind in ("text", "refusal"):
        return {"type": kind, "content": given.get(kind)}
    inner: object = given.get(kind)
    if kind in _MEDIA:
        url = _mapping(inner).get("url", inner)
        return _media(url, _MEDIA[kind]) if isinstance(url, str) else {"type": kind}
    if kind == "input_audio":
        sound = _mapping(inner)
        return _blob(f"audio/{sound.get('format', 'wav')}", "audio", str(sound.get("data", "")))
    if kind == "file":
        file = _mapping(inner)
        if isinstance(file.get("file_id"), str):
            return {"type": "file", "modality": "document", "file_id": file["file_id"]}
        if isinstance(file.get("file_data"), str):
            return _media(file["file_data"], "document")
    return {"type": kind}


def _media(url: str, modality: str) -> Part:
    if not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": without_secrets(url)}
    head, _, data = url.partition(",")
    return _blob(head.removeprefix("data:").partition(";")[0], modality, data)


def _blob(mime_type: str, modality: str, data: str) -> Part:
    # A picture in a trace costs more than it tells; its size tells whether it is the one that was meant.
    size = len(data.rstrip("=")) * 3 // 4
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": "", "bytes": size}


def _definition(tool: Mapping[str, Any]) -> Part:
    function = _mapping(tool.get("function"))
    names = ("name", "description", "parameters")
    return {"type": tool.get("type", "function"), **{name: function[name] for name in names if name in function}}
