"""A request as a command for the shell."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

_MAX_ARGUMENT = 100_000
"""Bytes. Linux takes 128 KiB in one argument (MAX_ARG_STRLEN, execve(2)); a longer body goes through standard input."""

_OF_CURL = ("accept", "content-type", "user-agent")
"""Headers that curl adds where it is not told to leave them out."""

_PLAIN = re.compile(r"[\w ./:?&=%+,@~-]*", re.ASCII)
"""What means the same within double quotes as without."""

Word: TypeAlias = "tuple[str, ...]"
"""A text with secrets taken out: what stands before the first, the name of its variable, what follows it, and so on."""


class SentRequest(NamedTuple):
    """What is kept of a request to repeat it; no secret is in it."""

    method: str
    url: Word
    headers: tuple[tuple[str, Word], ...]
    """Names and values."""
    body: tuple[bytes, ...] | None
    """JSON, and so in UTF-8 and without a line break; between two parts stood the key."""
    stream: bool

    def __repr__(self) -> str:
        return f"<{self.method} {''.join(self.url[:1])}>"  # the body may be long, and is nobody else's business


def command(sent: SentRequest) -> str:
    """The command that sends it again."""
    words = ["curl -N" if sent.stream else "curl"]
    if sent.method != "GET":
        words.append(f"-X {sent.method}")
    if any(set("[]{}") & set(literal) for literal in sent.url):
        words.append("--globoff")  # else curl takes brackets for a range of addresses
    words.append(_quoted(sent.url))
    lines = [" ".join(words)]
    lines += [f"-H {_quoted(_header(name, value))}" for name, value in sent.headers]
    names = {name for name, _ in sent.headers}
    lines += [f"-H '{name}:'" for name in _OF_CURL if name not in names and (name != "content-type" or sent.body)]
    end = ""
    if sent.body is not None:
        parts = [part.decode() for part in sent.body]
        if sum(map(len, sent.body)) <= _MAX_ARGUMENT:
            word = [part for literal in parts for part in ("WANDB_API_KEY", literal)][1:]
            lines.append(f"--data-raw {_quoted(tuple(word))}")
        elif len(parts) == 1:
            lines.append("--data-binary @- <<'JSON'")
            end = f"\n{parts[0]}\nJSON"
        else:  # without quotes around its end's name the shell fills in what is in the text
            lines.append("--data-binary @- <<JSON")
            end = "${WANDB_API_KEY}".join(re.sub(r"[\\$`]", r"\\\g<0>", part) for part in parts)
            end = f"\n{end}\nJSON"
    return " \\\n  ".join(lines) + end


def _header(name: str, value: Word) -> Word:
    if value == ("",):
        return (f"{name};",)  # a colon with nothing behind it would take the header out
    return (f"{name}: {value[0]}", *value[1:])


def _quoted(word: Word) -> str:
    """The word as one argument, whose variables the shell fills in."""
    literals = word[::2]
    if len(word) > 1 and all(_PLAIN.fullmatch(literal) for literal in literals):
        return '"' + "".join(f"${part}" if number % 2 else part for number, part in enumerate(word)) + '"'
    parts = [f'"${part}"' if number % 2 else _single(part) for number, part in enumerate(word) if part]
    return "".join(parts)


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
