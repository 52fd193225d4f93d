"""Text as tokens: a stand-in for a tokenizer, good enough to count, cut and stream by."""

from __future__ import annotations

import hashlib
import re
import zlib

from ._json import as_dict, as_list, as_str, dumps

# A word with the space before it, in pieces of at most 12 letters, or one sign: joined, they are the text again.
_TOKEN = re.compile(r"\s?\w{1,12}|\s?[^\w\s]|\s")

_IMAGE_TOKENS = 85  # what a small picture costs at OpenAI, as good a number as any
_BLOCK = 16  # tokens per cache block, as in vLLM: shorter prefixes are never cached
_MOST_BLOCKS = 100_000  # blocks to remember: an emulator may run for months


def split(text: str) -> list[str]:
    """The tokens of a text, in order; joined they are the text."""
    return _TOKEN.findall(text)


def token_id(token: str) -> int:
    """A number for a token, 0 to 99,999, always the same."""
    return zlib.crc32(token.encode("utf-8", "backslashreplace")) % 100_000


def message_text(message: dict[str, object]) -> str:
    """The text of a message, its parts joined; empty where it has none."""
    content = message.get("content")
    parts = [as_str(as_dict(part).get("text")) for part in as_list(content)]
    return as_str(content) or " ".join(filter(None, parts))


def prompt_tokens(messages: list[dict[str, object]], tools: list[object]) -> list[str]:
    """The prompt as the model would see it: the tools, then each message between marks of its role."""
    tokens: list[str] = []
    if tools:
        tokens += ["<|tools|>", *split(dumps(tools).decode())]
    for message in messages:
        tokens.append(f"<|{as_str(message.get('role'))}|>")
        for part in as_list(message.get("content")):
            if as_dict(part).get("type") == "image_url":
                tokens += ["<|image|>"] * _IMAGE_TOKENS
        tokens += split(message_text(message))
        for call in as_list(message.get("tool_calls")):
            tokens += split(dumps(call).decode())
        tokens.append("<|end|>")
    return [*tokens, "<|assistant|>"]


class PrefixCache:
    """Remembers prompts by their first blocks of 16 tokens."""

    def __init__(self) -> None:
        self._blocks: set[bytes] = set()

    def hit(self, salt: str, tokens: list[str]) -> int:
        """Tokens at the prompt's beginning that were sent before with this salt; from now on, all of them were."""
        digest = hashlib.sha256(salt.encode("utf-8", "backslashreplace"))
        cached = 0
        if len(self._blocks) > _MOST_BLOCKS:
            self._blocks.clear()
        for start in range(0, len(tokens) - len(tokens) % _BLOCK, _BLOCK):
            block = "\0".join(tokens[start : start + _BLOCK])
            digest.update(block.encode("utf-8", "backslashreplace"))
            if digest.digest() in self._blocks:
                cached = start + _BLOCK
            self._blocks.add(digest.digest())
        return cached
