"""What a recording leaves out: keys, cookies, the project, and what tells who recorded it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from .._checks import SHORTEST_KEY
from .._core.redaction import is_secret, without_secrets
from ._events import Document, Leaf, document_in, leaves_of
from ._json import dumps, parse
from ._pieces import Piece, Span, recut, replaced

Filter = Callable[[str], str]
"""Gives a text back without what is to stay out of the file."""

HIDDEN: Final = "***"
PROJECT: Final = "team/project"
"""What stands in place of the project."""

# Of a request: what every client adds in its own way, and cookies. None of it decides the answer.
_OF_REQUESTS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "user-agent",
    }
)
# Of an answer: cookies, what says where and by whom it was recorded, and how the bytes came, which are kept decoded.
_OF_ANSWERS: Final = frozenset(
    {
        "alt-svc",
        "cf-cache-status",
        "cf-ray",
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "nel",
        "openai-organization",
        "openai-project",
        "report-to",
        "reporting-endpoints",
        "server-timing",
        "set-cookie",
        "set-cookie2",
        "strict-transport-security",
        "transfer-encoding",
        "via",
        "x-amz-cf-id",
        "x-amz-cf-pop",
        "x-cache",
        "x-forwarded-for",
        "x-real-ip",
        "x-served-by",
    }
)
_NOISE: Final = ("sec-", "x-stainless-")
"""How headers begin that say no more than which client it was."""

_LIMITS: Final = re.compile("rate-?limit")
"""Headers of rate limits have `tokens` in their names, and no secret in them."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS: Final = frozenset(
    {"apikey", "authorization", "cookie", "credential", "credentials", "passphrase", "passwd", "password", "secret"}
)
_KEYS: Final = frozenset({"access", "api", "auth", "encryption", "master", "private", "secret", "signing"})
"""Whose keys are secret: the `key` of something else is no more than its name."""
_TOKENS: Final = frozenset({"bos", "eos", "end", "first", "last", "mask", "next", "pad", "sep", "start", "stop", "unk"})
"""Whose tokens are a text's."""

_SPELT: Final = frozenset({"logprobs", "prompt_logprobs", "prompt_token_ids", "token_ids"})
"""Fields of an answer that spell its text, or the prompt's, once more and in small pieces."""

_KEY_SHAPE: Final = re.compile(r"wandb_v\d+_[\w-]{16,}")
_ADAPTER: Final = re.compile(r"(wandb-artifact:/*)[^/\s\"']+/[^/\s\"']+/")
_PICTURE: Final = re.compile(r"(data:[\w/+.;=-]{0,100};base64,)([\w+/=-]{256,})")


class Scrubber:
    """Takes out of texts what must not be written down.

    Args:
        keep: Names of headers to keep that are left out by default. Values that are secret stay hidden.
        drop: Names of headers to leave out as well.
        filter: What else to take out.
        secrets: Keys that are known before the first request.
    """

    def __init__(
        self,
        *,
        keep: Iterable[str] = (),
        drop: Iterable[str] = (),
        filter: Filter | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        kept, dropped = ({name.lower() for name in names} for names in (keep, drop))
        self._kept = kept - dropped
        self._of_requests = (_OF_REQUESTS - kept) | dropped
        self._of_answers = (_OF_ANSWERS - kept) | dropped
        self._filter = filter
        self._known: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self._learn(secret, HIDDEN)

    def learn(self, url: str, headers: Mapping[str, str]) -> bool:
        """Remember keys and project of a request; whether there was anything new."""
        before = len(self._known)
        query = parse_qsl(urlsplit(url).query)
        for name, value in (*headers.items(), *query):
            if name == "cookie":
                for cookie in value.split(";"):
                    self._learn(cookie.partition("=")[2], HIDDEN)
            elif is_secret(name):
                self._learn(value.rpartition(" ")[2], HIDDEN)
        project = headers.get("openai-project", "")
        if "/" in project and project != PROJECT:
            self._learn(project, PROJECT)
        return len(self._known) > before

    def _learn(self, secret: str, stand_in: str) -> None:
        # What is shorter may be a word of the prompt; a project is known by its form.
        if len(secret) < SHORTEST_KEY and stand_in is HIDDEN:
            return
        for write in (str, _in_json, _in_json_of_php, quote, quote_plus, _quoted_whole):
            self._known.setdefault(write(secret), write(stand_in) if stand_in is PROJECT else HIDDEN)
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_searched, longest_first)))

    def text(self, text: str) -> str:
        """The text without secrets, and without what the user's filter takes out."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda match: self._known[match[0]], text)
        text = _ADAPTER.sub(rf"\1{PROJECT}/", _KEY_SHAPE.sub(HIDDEN, text))
        if self._filter is None:
            return text
        filtered = cast("object", self._filter(text))
        if not isinstance(filtered, str):
            raise TypeError(f"filter gave back {type(filtered).__name__}, not the text")
        return filtered

    def value(self, value: object) -> object:
        """A JSON value without secrets; it shares nothing with what was given."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            fields = cast("dict[str, object]", value)
            is_counted = "logprob" in fields or "token_id" in fields  # then its token is a text's
            return {
                self.text(name): _hidden(self.value(item))
                if _is_secret_field(name) and not is_counted
                else self.value(item)
                for name, item in fields.items()
            }
        return value

    def url(self, url: str) -> str:
        """The URL without secrets."""
        return self.text(without_secrets(url))

    def of_request(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of a request that are written down."""
        return self._headers(headers, self._of_requests)

    def of_answer(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of an answer that are written down."""
        return self._headers(headers, self._of_answers)

    def _headers(self, headers: Mapping[str, str], left_out: Iterable[str]) -> dict[str, str]:
        return {
            name: HIDDEN if is_secret(name) and not _LIMITS.search(name) else self._header(name, value)
            for name, value in sorted(headers.items())
            if name not in left_out and (name in self._kept or not name.startswith(_NOISE))
        }

    def _header(self, name: str, value: str) -> str:
        if name == "openai-project" and value:
            value = PROJECT
        return self.text(value)

    def body(self, data: bytes, *, spelt: bool = False) -> bytes:
        """A body without secrets, as it was apart from them.

        Args:
            data: The body.
            spelt: Whether it may spell a secret of the request, in tokens.
        """
        clean = self._line(data)
        if not spelt and clean == data:
            return clean
        try:
            value = parse(clean)
        except ValueError:
            return clean
        return clean if (bare := _without_spelling(value)) == value else dumps(bare)

    def events(self, pieces: list[Piece], *, spelt: bool = False) -> list[Piece]:
        """A stream of events without secrets, though they be spread over several of its pieces, or of its events.

        Args:
            pieces: The stream.
            spelt: Whether it may spell a secret of the request, in tokens.
        """
        whole = b"".join(piece.data for piece in pieces)
        spans: list[Span] = []
        documents: list[Document] = []
        at = 0
        for line in whole.splitlines(keepends=True):
            text = line.rstrip(b"\r\n")
            found = document_in(text, at)
            if found is not None:
                documents.append(found)
            elif (clean := self._line(text)) != text:
                spans.append(Span(at, at + len(text), clean))
            at += len(line)
        for document in documents:
            document.clean = self.value(document.value)
        self._deltas(documents)
        if spelt or any(document.clean != document.value for document in documents):
            for document in documents:
                document.clean = _without_spelling(document.clean)
        spans += [document.span for document in documents if document.clean != document.value]
        return replaced(pieces, sorted(spans))

    def _deltas(self, documents: list[Document]) -> None:
        """Take out what is spread over the deltas of a stream."""
        parts: dict[tuple[str, ...], list[Leaf]] = {}
        for document in documents:
            for path, leaf in leaves_of(document.value, document.clean):
                # `text` is what `/v1/completions` has in place of deltas.
                is_piece = "delta" in path or (path[:1] == ("choices",) and path[-1] == "text")
                if is_piece and not _is_secret_field(path[-1]):
                    parts.setdefault(path, []).append(leaf)
        for leaves in parts.values():
            texts = [leaf.text for leaf in leaves]
            clean = self.text("".join(texts))
            if clean != "".join([leaf.clean for leaf in leaves]):
                for leaf, text in zip(leaves, recut(texts, clean), strict=True):
                    leaf.clean = text

    def _line(self, data: bytes) -> bytes:
        try:
            value = parse(data)
        except ValueError:
            # What is no UTF-8 comes out as it went in.
            text = data.decode("utf-8", "surrogateescape")
            clean = self.text(text)
            return data if clean == text else clean.encode("utf-8", "surrogateescape")
        clean_value = self.value(value)
        return data if clean_value == value else dumps(clean_value)


def without_pictures(value: object) -> object:
    """A JSON value with a hash in place of each picture's data: enough to tell whether it is the same."""
    if isinstance(value, str):
        return _PICTURE.sub(lambda match: f"{match[1]}sha256-{hashlib.sha256(match[2].encode()).hexdigest()}", value)
    if isinstance(value, list):
        return [without_pictures(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {name: without_pictures(item) for name, item in cast("dict[str, object]", value).items()}
    return value


def _is_secret_field(name: str) -> bool:
    """Whether a field of JSON has a secret for its text, by its last words: `api_key`, `accessToken`, `PASSWORD`."""
    if name == "cache_salt":
        return True
    *before, last = [word.lower() for word in _WORDS.findall(name)] or [""]
    whose = before[-1] if before else ""
    if last == "key":
        return whose in _KEYS
    return last in _SECRET_WORDS or (last == "token" and whose not in _TOKENS)


def _hidden(value: object) -> object:
    """What stands in place of a secret field's value. An object is left: a schema has one for a field of that name."""
    if isinstance(value, list):
        return [_hidden(item) for item in cast("list[object]", value)]
    return HIDDEN if isinstance(value, str) and value else value


def _without_spelling(value: object) -> object:
    """A JSON value without the fields that tell a text token by token."""
    if isinstance(value, list):
        return [_without_spelling(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: None if name in _SPELT else _without_spelling(item) for name, item in fields.items()}
    return value


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _in_json_of_php(text: str) -> str:
    return _in_json(text).replace("/", "\\/")


def _quoted_whole(text: str) -> str:
    return quote(text, safe="")


def _searched(secret: str) -> str:
    """What finds it; a short project not within other words, which it may be a part of."""
    pattern = re.escape(secret)
    return pattern if len(secret) >= SHORTEST_KEY else rf"(?<![\w.-]){pattern}(?![\w-])"
