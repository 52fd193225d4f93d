"""Completions as they cross the wire: one body, or chunk by chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from random import Random

from ._completion import Choice, Completion, Token
from ._json import as_dict, as_int
from ._settings import ReasoningField
from ._tokens import token_id
from ._words import word


def body(completion: Completion, request: dict[str, object], field: ReasoningField) -> dict[str, object]:
    """The completion in one piece."""
    choices: list[dict[str, object]] = []
    for index, choice in enumerate(completion.choices):
        rendered: dict[str, object] = {
            "index": index,
            "message": _message(completion, index, choice, field),
            "logprobs": _logprobs(choice.tokens, request),
            "finish_reason": choice.finish_reason,
        }
        if request.get("return_token_ids") is True:
            rendered["token_ids"] = [token_id(token.text) for token in choice.tokens]
        choices.append(rendered)
    return {
        **_head(completion, "chat.completion"),
        "choices": choices,
        "usage": completion.usage,
        **_prompt_token_ids(completion, request),
    }


def chunks(completion: Completion, request: dict[str, object], field: ReasoningField) -> Iterator[dict[str, object]]:
    """The completion as chunks: roles, then a token each, then finish reasons, then usage where it was asked for."""
    with_usage = as_dict(request.get("stream_options")).get("include_usage") is True
    with_ids = request.get("return_token_ids") is True
    head = _head(completion, "chat.completion.chunk")
    if with_usage:
        head["usage"] = None

    def chunk(index: int, delta: dict[str, object], token: Token | None, finish: str | None) -> dict[str, object]:
        tokens = () if token is None else (token,)
        logprobs = _logprobs(tokens, request) if token else None
        choice: dict[str, object] = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        if with_ids:
            choice["token_ids"] = [token_id(token.text) for token in tokens]
        return {**head, "choices": [choice]}

    for index in range(len(completion.choices)):
        first = chunk(index, {"role": "assistant", "content": ""}, None, None)
        yield {**first, **_prompt_token_ids(completion, request)} if index == 0 else first
    # Choices are generated side by side, so their chunks alternate.
    for row in zip_longest(*(choice.tokens for choice in completion.choices)):
        for index, token in enumerate(row):
            if token is not None:
                yield chunk(index, _delta(completion, index, token, field), token, None)
    for index, choice in enumerate(completion.choices):
        yield chunk(index, {}, None, choice.finish_reason)
    if with_usage:
        yield {**head, "choices": [], "usage": completion.usage}


def _head(completion: Completion, kind: str) -> dict[str, object]:
    return {"id": completion.id, "object": kind, "created": completion.created, "model": completion.model}


def _prompt_token_ids(completion: Completion, request: dict[str, object]) -> dict[str, object]:
    if request.get("return_token_ids") is not True:
        return {}
    return {"prompt_token_ids": [token_id(token) for token in completion.prompt]}


def _message(completion: Completion, index: int, choice: Choice, field: ReasoningField) -> dict[str, object]:
    names = [(token.call, token.text) for token in choice.tokens if token.kind == "call"]
    message: dict[str, object] = {
        "role": "assistant",
        "content": choice.text("content") or (None if choice.tokens else ""),
        field: choice.text("reasoning") or None,
        "refusal": choice.text("refusal") or None,
    }
    if names:
        message["tool_calls"] = [
            {
                "id": _call_id(completion, index, call),
                "type": "function",
                "function": {"name": name, "arguments": choice.text("arguments", call)},
            }
            for call, name in names
        ]
    return message


def _delta(completion: Completion, index: int, token: Token, field: ReasoningField) -> dict[str, object]:
    if token.kind == "call":
        function = {"name": token.text, "arguments": ""}
        id = _call_id(completion, index, token.call)
        return {"tool_calls": [{"index": token.call, "id": id, "type": "function", "function": function}]}
    if token.kind == "arguments":
        return {"tool_calls": [{"index": token.call, "function": {"arguments": token.text}}]}
    return {field if token.kind == "reasoning" else token.kind: token.text}


def _call_id(completion: Completion, index: int, call: int) -> str:
    return "call_" + hashlib.sha256(f"{completion.id}:{index}:{call}".encode()).hexdigest()[:24]


def _logprobs(tokens: tuple[Token, ...], request: dict[str, object]) -> dict[str, object] | None:
    if request.get("logprobs") is not True:
        return None
    top = as_int(request.get("top_logprobs"), 0)
    return {"content": [_logprob(token.text, top) for token in tokens if token.kind == "content"]}


def _logprob(text: str, top: int) -> dict[str, object]:
    random = Random(text)
    logprob = -random.random() / 2
    ranked = {text: logprob}
    for rank in range(1, top):
        ranked.setdefault(f" {word(random)}", logprob - rank - random.random())
    entries = [_entry(token, value) for token, value in sorted(ranked.items(), key=lambda item: -item[1])]
    return {**_entry(text, logprob), "top_logprobs": entries[:top]}


def _entry(token: str, logprob: float) -> dict[str, object]:
    return {"token": token, "logprob": round(logprob, 4), "bytes": list(token.encode("utf-8", "backslashreplace"))}
