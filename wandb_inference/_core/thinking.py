"""One switch for thinking: what it means for a model, and what of it goes back with a history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from ..catalogue import TABLE_DATE, ModelInfo, known
from ..exceptions import InvalidRequestError
from .notices import Notices
from .validate import invalid

SWITCHES: Final = frozenset({"keep_reasoning", "thinking"})
"""Parameters of a chat that are no fields of its body."""

_LITTLE: Final = ("none", "minimal", "low")
"""Efforts that go with `thinking=False`; the last is the least that gpt-oss knows, by OpenAI's card of it."""

_OWN: Final = ("enable_thinking", "thinking")
"""Arguments of chat templates that turn thinking on or off: most have the first, DeepSeek's the second."""

_FIELDS: Final = ("reasoning", "reasoning_content")


def switch_thinking(body: dict[str, Any], wanted: object, model: str, notices: Notices) -> None:
    """Writes into the body what turns thinking on or off.

    That is `chat_template_kwargs.enable_thinking`, beside what else stands there. It is sent whatever the table says of
    the model, whose default has changed before. A model that takes an effort in its place is asked for the least.

    Args:
        body: The request's, complete but for this.
        wanted: The value of `thinking=`.
        model: The id that is sent.
        notices: Where to warn of a model that can't be told.

    Raises:
        InvalidRequestError: Neither true nor false, or other fields of the body say the opposite.
    """
    if not isinstance(wanted, bool):
        raise invalid("thinking", wanted, "True or False", _meant(wanted))
    given: object = body.get("chat_template_kwargs")
    if given is not None and not isinstance(given, Mapping):
        raise invalid("extra_body.chat_template_kwargs", given, "a mapping")
    arguments = cast("Mapping[str, object]", given or {})
    for name in _OWN:
        own = arguments.get(name)
        if own is not None and own != wanted:
            raise _opposite(wanted, f"chat_template_kwargs.{name}", own)
    effort = None
    for where, fields in (("chat_template_kwargs.", arguments), ("", body)):
        asked = cast("object", fields.get("reasoning_effort"))
        if asked is not None and (asked == "none" if wanted else asked not in _LITTLE):
            raise _opposite(wanted, f"{where}reasoning_effort", asked)
        effort = effort if asked is None else asked
    info = known(model) or ModelInfo(model, reasoning="on")
    if not info.effort:
        body["chat_template_kwargs"] = {**arguments, "enable_thinking": wanted}
    elif not wanted and effort is None:
        body["reasoning_effort"] = effort = _LITTLE[-1]
    if info.reasoning == "always" and not wanted:
        least = f" It is asked to think little: reasoning_effort={effort!r}." if info.effort else ""
        notices.once(f"{info.id} always thinks: thinking=False can't stop it (table of {TABLE_DATE}).{least}")
    elif info.reasoning == "none" and info.lifecycle != "retired" and wanted:
        notices.once(f"{info.id} does not think: thinking=True changes nothing (table of {TABLE_DATE}).")


def _meant(wanted: object) -> str:
    """What to write in place of a value that is no switch: Anthropic's mapping, which LiteLLM takes too, means one."""
    kind = cast("Mapping[str, object]", wanted).get("type") if isinstance(wanted, Mapping) else None
    if kind in ("enabled", "disabled"):
        return f"Write thinking={kind == 'enabled'}."
    return "A server's own field of that name goes into extra_body."


def _opposite(wanted: bool, where: str, value: object) -> InvalidRequestError:
    return invalid("thinking", wanted, f"to agree with {where}, which is {value!r}", "Give one of the two.")


def history(messages: list[Any], keep: object) -> list[Any]:
    """The messages of a request, with or without what the model thought; those of the caller stay as they are.

    Args:
        messages: As they were given.
        keep: The value of `keep_reasoning=`.

    Raises:
        InvalidRequestError: Neither true nor false.
    """
    if not isinstance(keep, bool):
        raise invalid("keep_reasoning", keep, "True or False")
    return messages if keep else [_silent(message) for message in messages]


def _silent(message: Any) -> Any:
    if not isinstance(message, dict) or not any(name in message for name in _FIELDS):
        return cast("object", message)
    return {name: value for name, value in cast("dict[str, object]", message).items() if name not in _FIELDS}
