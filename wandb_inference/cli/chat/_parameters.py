"""`-o key value`: parameters of the call as people write them on a command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..._core.build import CHAT_PARAMS, OPTIONS, unexpected_keyword
from ..._core.validate import check_request, invalid
from ...exceptions import InvalidRequestError

# What chat has a way of its own for, or shows nothing of.
_ELSEWHERE = {
    "model": "use --model",
    "messages": "that is the prompt",
    "system": "use --system",
    "tools": "use --tools",
    "functions": "use --tools",
    "function_call": "use -o tool_choice",
    "response_format": "use --schema",
    "stream": "use --no-stream",
    "final_only": "use --json or --schema, which stream on the wire alone",
    "stream_options": "usage is asked for anyway",
    "project": "use --project",
    "api_key": "set WANDB_API_KEY: a command line can be read by everybody on the machine",
    "base_url": "use --base-url",
}


def read_parameters(pairs: Iterable[tuple[str, str]], named: Mapping[str, object]) -> dict[str, Any]:
    """Parameters for `create()`, checked as far as they can be before there is a request.

    Args:
        pairs: Names and values as they were written. What is JSON is read as JSON where the parameter takes it so.
        named: Those that have an option of their own; `None` where it was not given.

    Raises:
        InvalidRequestError: No such parameter, a value that can't be, or one that is given twice.
    """
    params = {name: _checked(name, value) for name, value in named.items() if value is not None}
    for name, text in pairs:
        if name in params:
            raise InvalidRequestError(f"{name} is given twice", hint="Give it once.")
        params[name] = _read(name, text)
    return params


def _read(name: str, text: str) -> object:
    if name in _ELSEWHERE:
        raise InvalidRequestError(f"-o {name} is no option of chat", hint=f"{_ELSEWHERE[name].capitalize()}.")
    if name not in CHAT_PARAMS:
        known = [known for known in CHAT_PARAMS if known not in _ELSEWHERE]
        hint = str(unexpected_keyword("chat", name, known)).partition("; ")[2]
        raise InvalidRequestError(f"-o {name}: there is no such parameter", hint=hint.capitalize() or None)
    try:
        value: object = json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return _checked(name, text)
    try:
        return _checked(name, value)
    except InvalidRequestError:
        # `-o user 12` is text all the same.
        if isinstance(value, (bool, int, float)):
            with suppress(InvalidRequestError):
                return _checked(name, text)
        raise


def _checked(name: str, value: object) -> object:
    if name in ("thinking", "keep_reasoning") and not isinstance(value, bool):
        raise invalid(name, value, "true or false")
    if name not in OPTIONS:
        check_request({"model": "-", "messages": [{"role": "user", "content": "-"}], name: value})
    return value
