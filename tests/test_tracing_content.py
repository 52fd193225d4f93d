"""Messages as the parts of OpenTelemetry's conventions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wandb_inference.tracing import _content
from wandb_inference.tracing._attributes import described
from wandb_inference.types import ChatCompletion, UserMessage

DATA = "QUJDRA=="


def blob(modality: str, mime_type: str, size: int = 4) -> dict[str, Any]:
    """A file that was sent."""
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": "", "bytes": size}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("plain", {"type": "text", "content": "plain"}),
        ({"type": "text", "text": "a"}, {"type": "text", "content": "a"}),
        ({"type": "refusal", "refusal": "no"}, {"type": "refusal", "content": "no"}),
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}, blob("image", "image/png")),
        ({"type": "image_url", "image_url": f"data:image/png;base64,{DATA}"}, blob("image", "image/png")),
        ({"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{DATA}"}}, blob("audio", "audio/wav")),
        (
            {"type": "video_url", "video_url": {"url": "https://u:p@a.b/c"}},
            {"type": "uri", "modality": "video", "uri": "https://a.b/c"},
        ),
        ({"type": "image_url", "image_url": {"url": 3}}, {"type": "image_url"}),
        ({"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}, blob("audio", "audio/mp3")),
        ({"type": "file", "file": {"file_id": "f1"}}, {"type": "file", "modality": "document", "file_id": "f1"}),
        (
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}"}},
            blob("document", "application/pdf"),
        ),
        ({"type": "file", "file": {}}, {"type": "file"}),
        ({"type": "hologram", "hologram": "x"}, {"type": "hologram"}),
        (7, {"type": "unknown"}),
    ],
    ids=str,
)
def test_parts(part: Any, expected: dict[str, Any]) -> None:
    """Each kind of content part has its form; what is not known has its kind alone."""
    found = _content.of_request([{"role": "user", "content": [part]}], None)

    assert json.loads(str(found["gen_ai.input.messages"]))[0]["parts"] == [expected]


def test_messages() -> None:
    """Messages may be models, results may be parts, and calls may be of the older form."""
    messages = [
        UserMessage(content="Hi"),
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "Hm",
            "function_call": {"name": "f", "arguments": "{"},
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": 3},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
        "no message",
    ]
    found = json.loads(str(_content.of_request(messages, ())["gen_ai.input.messages"]))

    assert [message["parts"] for message in found] == [
        [{"type": "text", "content": "Hi"}],
        [
            {"type": "reasoning", "content": "Hm"},
            {"type": "tool_call", "id": None, "name": "f", "arguments": "{"},
        ],
        [{"type": "tool_call_response", "id": "c", "response": [{"type": "text", "content": "a"}]}],
        [],
        [{"type": "tool_call", "id": "c", "name": "f", "arguments": None}],
        [],
    ]


def test_instructions() -> None:
    """The messages of the system that come first are also by themselves."""
    messages = [
        {"role": "system", "content": "One"},
        {"role": "developer", "content": [{"type": "text", "text": "Two"}]},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Later"},
    ]
    found = _content.of_request(messages, None)

    said = [part["content"] for part in json.loads(str(found["gen_ai.system_instructions"]))]
    assert said == ["One", "Two"]
    only = _content.of_request(messages[:1], None)
    assert json.loads(str(only["gen_ai.system_instructions"])) == [{"type": "text", "content": "One"}]


def test_tools() -> None:
    """Tools are told with their descriptions and parameters."""
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}, {}]
    found = _content.of_request([], tools)

    assert json.loads(str(found["gen_ai.tool.definitions"])) == [
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"type": "function"},
    ]


def test_answers() -> None:
    """A refusal is a part; a choice that did not come to its end is an error."""
    choices = [{"message": {"refusal": "No."}}, {"message": {"content": "Yes."}, "finish_reason": "tool_calls"}]
    found = _content.of_answer(ChatCompletion.model_validate({"choices": choices}))

    assert json.loads(str(found["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": [{"type": "refusal", "content": "No."}], "finish_reason": "error"},
        {"role": "assistant", "parts": [{"type": "text", "content": "Yes."}], "finish_reason": "tool_call"},
    ]


def test_results() -> None:
    """A result of content parts is told without its files."""
    parts = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}]

    assert json.loads(_content.told(parts)) == [blob("image", "image/png")]
    assert _content.told("text") == "text"
    assert _content.to_json({1}) == '"{1}"'


class Mute(Exception):
    """An error that can't be shown."""

    def __str__(self) -> str:
        raise LookupError


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Mute(), "Mute"), (ValueError(), "ValueError"), (ValueError("no"), "ValueError: no")],
    ids=["mute", "empty", "with words"],
)
def test_errors(error: Exception, expected: str) -> None:
    """An error is its class and its words, where it has any."""
    assert described(error, content=True) == expected
    assert described(error, content=False) == type(error).__name__
