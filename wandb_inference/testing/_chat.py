"""What the model answers when nothing is scripted."""

from __future__ import annotations

import json
from random import Random

from . import _tokens, _tools, _words
from ._completion import Choice, Token, call_tokens, tokens_of
from ._json import as_dict, as_int, as_list, as_str
from ._schema import instance
from ._settings import model_info

_EFFORT = {"minimal": 1, "low": 1, "medium": 2, "high": 4}


def choices(body: dict[str, object], seed: int) -> tuple[Choice, ...]:
    """The answers to a checked request: the same for the same seed, model, messages, request seed and temperature.

    Raises:
        SchemaError: A schema in the request has no valid value.
    """
    temperature = body.get("temperature") or 0
    key = json.dumps([seed, body.get("model"), body.get("messages"), body.get("seed"), temperature], sort_keys=True)
    return tuple(_choice(body, Random(f"{key}{index}")) for index in range(as_int(body.get("n"), 1)))


def _choice(body: dict[str, object], random: Random) -> Choice:
    tokens: tuple[Token, ...] = ()
    if _thinks(body):
        sentences = _EFFORT.get(as_str(body.get("reasoning_effort")), 2)
        tokens = tokens_of("reasoning", _words.thoughts(random, sentences))
    if calls := _tools.calls(body, random):
        return _limited(tokens + call_tokens(calls), "tool_calls", body)
    return _limited(tokens + tokens_of("content", _stopped(_text(body, random, len(tokens)), body)), "stop", body)


def _thinks(body: dict[str, object]) -> bool:
    wanted = as_dict(body.get("chat_template_kwargs")).get("enable_thinking")
    reasoning = model_info(as_str(body.get("model"))).reasoning
    if reasoning in ("always", "none"):
        return reasoning == "always"
    if isinstance(wanted, bool):
        return wanted
    # An adaptive model decides for itself: here, by whether there is something to think about.
    adaptive = reasoning == "adaptive" and len(_tokens.message_text(_last_message(body)).split()) > 8
    return adaptive or reasoning == "on"


def _text(body: dict[str, object], random: Random, thought: int) -> str:
    form = as_dict(body.get("response_format"))
    if form.get("type") == "json_object":
        return json.dumps({"answer": _words.prose(random, 1), "confidence": round(random.random(), 2)})
    if form.get("type") == "json_schema":
        value = instance(as_dict(form.get("json_schema")).get("schema"), random)
        return json.dumps(value, ensure_ascii=False)
    sentences = [_words.prose(random, random.randint(2, 3))]
    last = _last_message(body)
    if last.get("role") == "tool":
        sentences.insert(0, f"The tool says {_tokens.message_text(last)}.")
    # vLLM's two ways to ask for a long answer.
    least = as_int(body.get("min_tokens"), 0)
    if body.get("ignore_eos") is True:
        least = _limit(body) or least
    count = thought + sum(len(_tokens.split(sentence)) for sentence in sentences)
    while count < least:
        sentences.append(_words.prose(random, 1))
        count += len(_tokens.split(sentences[-1]))
    return " ".join(sentences)


def _stopped(text: str, body: dict[str, object]) -> str:
    stop = body.get("stop")
    ends = [as_str(sequence) for sequence in as_list(stop)] or [as_str(stop)]
    return text[: min((at for at in map(text.find, filter(None, ends)) if at >= 0), default=None)]


def _limited(tokens: tuple[Token, ...], finish_reason: str, body: dict[str, object]) -> Choice:
    limit = _limit(body)
    if limit is not None and len(tokens) > limit:
        return Choice(tokens[:limit], "length")
    return Choice(tokens, finish_reason)


def _limit(body: dict[str, object]) -> int | None:
    # The service takes both names.
    return as_int(body.get("max_completion_tokens"), 0) or as_int(body.get("max_tokens"), 0) or None


def _last_message(body: dict[str, object]) -> dict[str, object]:
    return as_dict(as_list(body.get("messages"))[-1])
