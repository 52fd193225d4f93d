"""Which tools the model calls, and with what."""

from __future__ import annotations

import json
import re
from random import Random

from ._json import as_dict, as_list, as_str
from ._schema import instance
from ._tokens import message_text


def declared(body: dict[str, object]) -> dict[str, object]:
    """The parameters' schema of each tool, by name."""
    functions = [as_dict(as_dict(tool).get("function")) for tool in as_list(body.get("tools"))]
    return {as_str(function.get("name")): function.get("parameters") for function in functions}


def calls(body: dict[str, object], random: Random) -> list[tuple[str, str]]:
    """The calls the model makes: names, and arguments as JSON text.

    `tool_choice` forces one as it does at the service, even after a tool has answered: with `required`, and none
    mentioned, the first that was not called since the user spoke. Left to itself the model calls every tool that the
    last message, if it is the user's, mentions by name.
    """
    tools = declared(body)
    choice = body.get("tool_choice")
    named = as_str(as_dict(as_dict(choice).get("function")).get("name"))
    if choice == "none" or not tools:
        return []
    names = [named] if named else _mentioned(body, tools)
    if choice == "required" and not names:
        called = _called(body)
        # An agent whose result is a tool, too, ends in this way.
        names = [next((name for name in tools if name not in called), next(iter(tools)))]
    if body.get("parallel_tool_calls") is False:
        names = names[:1]
    return [(name, json.dumps(_arguments(tools[name], random), ensure_ascii=False)) for name in names]


def _mentioned(body: dict[str, object], tools: dict[str, object]) -> list[str]:
    last = as_dict(as_list(body.get("messages"))[-1])
    if last.get("role") != "user":
        return []
    text = message_text(last).lower()
    # "What does get weather say?" mentions `get_weather`.
    forms = {name: rf"\b({re.escape(name.lower())}|{re.escape(name.lower().replace('_', ' '))})\b" for name in tools}
    return [name for name, form in forms.items() if re.search(form, text)]


def _called(body: dict[str, object]) -> set[str]:
    """Names of the tools that were called since the user spoke last."""
    names: set[str] = set()
    for message in map(as_dict, reversed(as_list(body.get("messages")))):
        if message.get("role") == "user":
            break
        calls = map(as_dict, as_list(message.get("tool_calls")))
        names.update(as_str(as_dict(call.get("function")).get("name")) for call in calls)
    return names


def _arguments(parameters: object, random: Random) -> object:
    return instance({"type": "object", **as_dict(parameters)}, random)
