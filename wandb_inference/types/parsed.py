"""Answers with the value that was read from them."""

from __future__ import annotations

from typing import Generic, NoReturn, cast

from typing_extensions import TypeVar

from ..exceptions import ParseError
from .completion import ChatCompletion, ChatCompletionMessage, Choice

T_co = TypeVar("T_co", covariant=True)

# Values and rounds lie beside the fields, as `_meta` does: neither dumped nor compared, and kept by `pickle`. So that a
# message can be sent back as it is, and `model_dump()` gives what the server sent.


class ParsedMessage(ChatCompletionMessage, Generic[T_co]):
    """What the model said, and its value."""

    @property
    def parsed(self) -> T_co:
        """The value of the text.

        Raises:
            ParseError: There is none, because the model called tools in place of an answer.
        """
        if "_parsed" not in self.__dict__:
            no_value(ChatCompletion(choices=[Choice(message=self)]))
        return cast("T_co", self.__dict__["_parsed"])


class ParsedChoice(Choice, Generic[T_co]):
    """One of the `n` answers, and its value."""

    message: ParsedMessage[T_co]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen: see below
    """What the model said."""

    @property
    def parsed(self) -> T_co:
        """The value of the text.

        Raises:
            ParseError: There is none, because the model called tools in place of an answer.
        """
        return self.message.parsed


class ParsedChatCompletion(ChatCompletion, Generic[T_co]):
    """A complete answer, and its value."""

    # Frozen, so that narrower types are safe.
    choices: list[ParsedChoice[T_co]]  # type: ignore[assignment]
    """The answers, `n` of them."""

    @property
    def parsed(self) -> T_co:
        """The first choice's value.

        Raises:
            ParseError: There is none, because the model called tools in place of an answer.
        """
        if not self.choices or "_parsed" not in self.choices[0].message.__dict__:
            no_value(self)
        return self.choices[0].message.parsed

    @property
    def rounds(self) -> tuple[ChatCompletion, ...]:
        """Every answer as it came, in order: the first, then one for each repair. `usage` adds them up."""
        return cast("tuple[ChatCompletion, ...]", self.__dict__.get("_rounds", (self,)))


def no_value(completion: ChatCompletion) -> NoReturn:
    """Raise the error for an answer without a value."""
    raise ParseError(
        "This answer has no parsed value",
        completion=completion,
        text=completion.text,
        hint="Where the model called tools, answer them and ask again: .choices[0].message.tool_calls.",
    )
