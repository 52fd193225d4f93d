"""How many tokens a prompt has at least, and what is said of one that has too many; no tokenizer needed.

Better a request too many sent than one refused that would have fitted. In the vocabularies of the service's models no
token reaches from one word over white space into the next: the patterns that cut a text before byte pairs are merged
let white space stand before a word, never within. So each word after white space has a token of its own, whatever the
tokenizer makes of it. Checked on those of Llama 3, gpt-oss (o200k), Qwen 2 to 3.6, DeepSeek V3 and V4, cl100k and
tekken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from ..catalogue import TABLE_DATE
from ..exceptions import InvalidRequestError, RequestProblem
from .fit import ANSWER_LIMITS

_WORD: Final = re.compile(r"[ \t\r\n]\w")

_THINKING: Final = re.compile("think|channel", re.IGNORECASE)
"""What marks thinking in the text of an answer; templates leave that out, up to the whole text."""

_SHORTENING: Final = ("chat_template", "transforms", "truncate_prompt_tokens", "truncation")
"""Fields of a body by which a server leaves out part of a prompt: vLLM's, OpenRouter's and OpenAI's."""


def check_long(body: Mapping[str, object], model: str, window: int, answer: int) -> None:
    """Return unless the prompt's least and the answer's most are more than the window.

    Args:
        body: The request's.
        model: For the message.
        window: Tokens of prompt and answer together.
        answer: Tokens that the answer may have.

    Raises:
        InvalidRequestError: They are; `.errors` has the numbers.
    """
    prompt = 0 if any(name in body for name in _SHORTENING) else least_tokens(body.get("messages"))
    if prompt + answer <= window:
        return
    limit = next((name for name in ANSWER_LIMITS if body.get(name) == answer), "")
    room = f"the window of {model} holds {window:,} for prompt and answer together (table of {TABLE_DATE})"
    if answer > window:
        what = f"{limit} asks for {answer:,} tokens, and {room}"
        path, expected, todo = limit, f"less than {window:,}", f"Lower {limit} or leave it out"
    elif prompt > window:
        what = f"the messages have at least {prompt:,} tokens, and {room}"
        path, expected, todo = "messages", f"less than {window:,} tokens", "Shorten or split the messages"
    else:
        what = f"the messages have at least {prompt:,} tokens, {limit} asks for {answer:,} more, and {room}"
        path, expected = "messages", f"at most {window - answer:,} tokens"
        todo = f"Lower {limit} to less than {window - prompt:,}, or shorten the messages"
    numbers = {"model": model, "window": window, "prompt_tokens": prompt, "max_tokens": answer or None}
    raise InvalidRequestError(
        f"The request can't fit: {what}",
        hint=f"{todo}; where that is wrong, check_context=False sends it as it is.",
        errors=[RequestProblem(path, numbers, expected)],
    )


def least_tokens(messages: object) -> int:
    """Tokens that a prompt has at least.

    Counts the words of what every chat template keeps: what the user says and tools answer, instructions at the very
    beginning, and answers without tool calls and without thinking.
    """
    if not isinstance(messages, list):
        return 0
    return sum(_least(place, message) for place, message in enumerate(cast("list[object]", messages)))


def _least(place: int, message: object) -> int:
    if not isinstance(message, Mapping):
        return 0
    fields = cast("Mapping[str, object]", message)
    role = fields.get("role")
    if role == "assistant":
        if fields.get("tool_calls") or fields.get("function_call"):
            return 0
        return sum(_words(text) for text in _texts(fields) if not _THINKING.search(text))
    return sum(map(_words, _texts(fields))) if role in ("user", "tool") or (role == "system" and place == 0) else 0


def _texts(message: Mapping[str, object]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    parts = cast("Sequence[object]", content) if isinstance(content, (list, tuple)) else ()
    texts = [cast("Mapping[str, object]", part).get("text") for part in parts if isinstance(part, Mapping)]
    return [text for text in texts if isinstance(text, str)]


def _words(text: str) -> int:
    """Words after white space; a template takes away that at both ends of a text."""
    return sum(1 for _ in _WORD.finditer(text.strip()))
