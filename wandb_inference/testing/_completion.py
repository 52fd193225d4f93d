"""A completion as the model makes it: token by token. Streams and whole answers are two views of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from . import _tokens

Kind = Literal["reasoning", "content", "refusal", "call", "arguments"]


class Token(NamedTuple):
    """One token of an answer."""

    kind: Kind
    """Where it belongs. `call` opens a tool call with the tool's name; `arguments` are that call's."""
    text: str
    call: int = 0
    """Which tool call, counting from 0."""


class Choice(NamedTuple):
    """One answer."""

    tokens: tuple[Token, ...]
    finish_reason: str | None

    def text(self, kind: Kind, call: int = 0) -> str:
        """The tokens of one kind, joined."""
        return "".join(token.text for token in self.tokens if token.kind == kind and token.call == call)


class Completion(NamedTuple):
    """All answers to one request."""

    id: str
    created: int
    """Seconds since the epoch."""
    model: str
    choices: tuple[Choice, ...]
    prompt: tuple[str, ...]
    """The prompt's tokens."""
    cached: int
    """How many of the prompt's tokens were cached."""
    usage_override: Mapping[str, object] | None = None
    """Scripted usage, as it is to be sent."""

    @property
    def usage(self) -> Mapping[str, object]:
        """The `usage` object."""
        if self.usage_override is not None:
            return self.usage_override
        tokens = [token for choice in self.choices for token in choice.tokens]
        return {
            "prompt_tokens": len(self.prompt),
            "completion_tokens": len(tokens),
            "total_tokens": len(self.prompt) + len(tokens),
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": sum(token.kind == "reasoning" for token in tokens)},
        }


def tokens_of(kind: Kind, text: str, call: int = 0) -> tuple[Token, ...]:
    """A text as tokens of one kind."""
    return tuple(Token(kind, token, call) for token in _tokens.split(text))


def call_tokens(calls: Iterable[tuple[str, str]]) -> tuple[Token, ...]:
    """Tool calls, each a name and its arguments as JSON text, as tokens."""
    tokens: list[Token] = []
    for index, (name, arguments) in enumerate(calls):
        tokens += [Token("call", name, index), *tokens_of("arguments", arguments, index)]
    return tuple(tokens)
