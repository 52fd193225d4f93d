"""Messages of a request, to build and to check them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias, Union, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from .._checks import without_data
from ._scalars import Text
from .completion import ChatCompletionMessage

# Tags in angle brackets name the branch of a union that was tried; they are left out of the paths that users see.


class RequestModel(BaseModel):
    """A part of a request. Fields that the service may add later pass as they are."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class TextPart(RequestModel):
    """A content part with text."""

    type: Literal["text"] = "text"
    """Kind of part."""
    text: Text
    """The text."""


class ImageURL(RequestModel):
    """Where a picture is."""

    url: Text
    """An `http(s):` or `data:` URL."""

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        for name, value in super().__repr_args__():
            yield name, without_data(value) if isinstance(value, str) else value


class ImagePart(RequestModel):
    """A content part with a picture."""

    type: Literal["image_url"] = "image_url"
    """Kind of part."""
    image_url: ImageURL
    """The picture."""


def field(value: object, name: str) -> object:
    """What a mapping or a model has under this name; `None` where it has nothing."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).get(name)
    return getattr(value, name, None)


def _kind_of_part(value: Any) -> str | None:
    kind = field(value, "type")
    if not isinstance(kind, str):
        return None
    return f"<{kind}>" if kind in ("text", "image_url") else "<other>"


def _kind_of_content(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<parts>" if isinstance(value, (list, tuple)) else None


ContentPart = Annotated[
    Union[
        Annotated[TextPart, Tag("<text>")],
        Annotated[ImagePart, Tag("<image_url>")],
        Annotated[Any, Tag("<other>")],
    ],
    Discriminator(
        _kind_of_part,
        custom_error_type="expected",
        custom_error_message='a content part with a type, such as {"type": "text", "text": "..."}',
    ),
]

Content = Annotated[
    Union[Annotated[Text, Tag("<text>")], Annotated[list[ContentPart], Tag("<parts>")]],
    Discriminator(
        _kind_of_content,
        custom_error_type="expected",
        custom_error_message="text, or a list of content parts",
    ),
]


class SystemMessage(RequestModel):
    """Instructions to the model."""

    role: Literal["system"] = "system"
    """Who speaks."""
    content: Content
    """What is said."""
    name: Text | None = None
    """A name for the speaker."""


class DeveloperMessage(RequestModel):
    """Instructions to the model, in the newer form of `system`."""

    role: Literal["developer"] = "developer"
    """Who speaks."""
    content: Content
    """What is said."""
    name: Text | None = None
    """A name for the speaker."""


class UserMessage(RequestModel):
    """What the user says."""

    role: Literal["user"] = "user"
    """Who speaks."""
    content: Content
    """What is said: text, or a list of parts."""
    name: Text | None = None
    """A name for the speaker."""


class CalledFunction(RequestModel):
    """A function call of an earlier answer."""

    name: Text
    """Which function."""
    arguments: Text
    """Its arguments, as JSON text."""


class CalledTool(RequestModel):
    """A tool call of an earlier answer."""

    id: Text | None = None
    """The id that the tool's answer refers to."""
    type: Text = "function"
    """Kind of tool."""
    function: CalledFunction | None = None
    """The function and its arguments."""


class AssistantMessage(RequestModel):
    """What the model said earlier."""

    role: Literal["assistant"] = "assistant"
    """Who speaks."""
    content: Content | None = None
    """What was said; `None` where there were only tool calls."""
    tool_calls: list[CalledTool] | None = None
    """Tools the model wanted called."""
    name: Text | None = None
    """A name for the speaker."""


class ToolMessage(RequestModel):
    """What a tool answered."""

    role: Literal["tool"] = "tool"
    """Who speaks."""
    content: Content
    """The tool's answer: text, JSON text for values."""
    tool_call_id: Text
    """The `id` of the tool call it answers."""


class FunctionMessage(RequestModel):
    """What a function answered, in the older form of `tool`."""

    role: Literal["function"] = "function"
    """Who speaks."""
    content: Content | None
    """The function's answer."""
    name: Text
    """The function's name."""


ROLES = ("assistant", "developer", "function", "system", "tool", "user")


def _role(value: Any) -> str | None:
    role = field(value, "role")
    return f"<{role}>" if role in ROLES else None


CheckedMessage = Annotated[
    Union[
        Annotated[SystemMessage, Tag("<system>")],
        Annotated[DeveloperMessage, Tag("<developer>")],
        Annotated[UserMessage, Tag("<user>")],
        Annotated[AssistantMessage, Tag("<assistant>")],
        Annotated[ToolMessage, Tag("<tool>")],
        Annotated[FunctionMessage, Tag("<function>")],
    ],
    Discriminator(_role, custom_error_type="role", custom_error_message="one of " + ", ".join(ROLES)),
]

CheckedMessages = Annotated[list[CheckedMessage], Field(min_length=1)]

Message: TypeAlias = Union[
    SystemMessage, DeveloperMessage, UserMessage, AssistantMessage, ToolMessage, FunctionMessage, ChatCompletionMessage
]
"""A message as one of our models: one of a request, or an answer's own `message`."""

MessageParam: TypeAlias = Union[Mapping[str, Any], Message]
"""A message of a request: a mapping with `role` and `content`, or a model."""
