"""What the service refuses, and with which answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import _errors, _tools
from ._json import as_dict, as_int, as_list, as_str
from ._plan import Plan
from ._requests import RecordedHeaders
from ._settings import Settings, model_info
from ._tokens import prompt_tokens

Rule = tuple[str, Callable[[object], bool]]

MAX_IMAGE = 4 * 1024 * 1024
"""Characters of a picture's data URL beyond which the gateway fails. The service's limit isn't known: its documents say
1600 pixels at the longest edge, which is well below."""


def edge(headers: RecordedHeaders, settings: Settings, *, needs_project: bool) -> Plan | None:
    """The refusal by user agent, key or project; `None` where all is well."""
    # Cloudflare, in front of the service, blocks Python's own client by its name.
    if headers.get("user-agent", "").startswith("Python-urllib"):
        return _errors.plain_error(403, "error code: 1010")
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return _errors.error(401, "Missing bearer authentication in header")
    if settings.api_key is not None and key.strip() != settings.api_key:
        return _errors.error(401, "Invalid Authentication")
    project = headers.get("openai-project")
    if project is None:
        return _errors.error(401, "Authentication failed") if needs_project and settings.require_project else None
    team, _, name = project.partition("/")
    if not team or not name or "/" in name or settings.project not in (None, project):
        return _errors.error(401, "Invalid Authentication")
    return None


def chat(body: object, settings: Settings) -> Plan | None:
    """The refusal of a chat completion's body; `None` where all is well."""
    request = as_dict(body)
    if not isinstance(body, dict):
        return _errors.error(400, "The body is not a JSON object")
    if not as_str(request.get("model")):
        return _errors.error(400, "you must provide a model parameter")
    if not as_list(request.get("messages")):
        return _errors.error(400, "'messages' must be an array with at least one message")
    if not settings.serves(as_str(request["model"])):
        return _errors.error(404)
    return _messages(request) or _parameters(request, settings) or _tool_choice(request) or _length(request, settings)


def _messages(request: dict[str, object]) -> Plan | None:
    sees = model_info(as_str(request["model"])).vision
    for index, message in enumerate(map(as_dict, as_list(request["messages"]))):
        role = message.get("role")
        if role not in ("system", "developer", "user", "assistant", "tool", "function"):
            return _errors.unprocessable(("messages", index, "role"), "Input should be a role")
        content = message.get("content")
        parts = [as_dict(part) for part in as_list(content)]
        if not isinstance(content, (str, list)) and not (content is None and role == "assistant"):
            return _errors.unprocessable(
                ("messages", index, "content"), "Input should be a string or an array of parts"
            )
        for place, part in enumerate(parts):
            if not as_str(part.get("type")):
                return _errors.unprocessable(("messages", index, "content", place, "type"), "Field required")
            if part["type"] == "image_url":
                if not sees:
                    path = ("messages", index, "content", place)
                    return _errors.unprocessable(path, "This model does not take images")
                if len(as_str(as_dict(part.get("image_url")).get("url"))) > MAX_IMAGE:
                    return _errors.plain_error(500, "ext_proc failed")
        if role == "tool" and not as_str(message.get("tool_call_id")):
            return _errors.unprocessable(("messages", index, "tool_call_id"), "Field required")
    return None


def _parameters(request: dict[str, object], settings: Settings) -> Plan | None:
    for name, value in request.items():
        if name in settings.unsupported:
            return _errors.unprocessable((name,), f"{name} is not supported for this model")
        expected, fits = _RULES.get(name, ("", _anything))
        if value is not None and not fits(value):
            return _errors.unprocessable((name,), f"Input should be {expected}")
    if request.get("stream_options") is not None and request.get("stream") is not True:
        return _errors.unprocessable(("stream_options",), "Only allowed when stream is true")
    if request.get("top_logprobs") and request.get("logprobs") is not True:
        return _errors.unprocessable(("top_logprobs",), "Only allowed when logprobs is true")
    return None


def _tool_choice(request: dict[str, object]) -> Plan | None:
    choice = request.get("tool_choice")
    named = as_str(as_dict(as_dict(choice).get("function")).get("name"))
    tools = _tools.declared(request)
    if choice in (None, "none", "auto") or named in tools or (choice == "required" and tools):
        return None
    return _errors.unprocessable(("tool_choice",), "Input should be none, auto, required or a tool of this request")


def _length(request: dict[str, object], settings: Settings) -> Plan | None:
    window = settings.window(as_str(request["model"]))
    messages = [as_dict(message) for message in as_list(request["messages"])]
    prompt = len(prompt_tokens(messages, as_list(request.get("tools"))))
    wanted = as_int(request.get("max_completion_tokens"), 0) or as_int(request.get("max_tokens"), 0)
    if window is None or prompt + wanted <= window:
        return None
    message = f"{prompt} tokens of prompt and {wanted} of completion exceed this model's context of {window} tokens"
    return _errors.error(400, message, code="context_length_exceeded")


def _anything(value: object) -> bool:
    return True


def _number(low: float, high: float) -> Rule:
    def fits(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high

    return f"a number from {low:g} to {high:g}", fits


def _integer(low: int, high: int) -> Rule:
    def fits(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return f"an integer from {low} to {high}", fits


def _one_of(*kinds: type, name: str) -> Rule:
    return name, lambda value: isinstance(value, kinds)


def _stop(value: object) -> bool:
    sequences = as_list(value)
    return all(map(as_str, sequences)) if isinstance(value, list) else bool(as_str(value))


def _tools_fit(value: object) -> bool:
    tools = [as_dict(tool) for tool in as_list(value)]
    named = (as_str(as_dict(tool.get("function")).get("name")) for tool in tools if tool.get("type") == "function")
    return isinstance(value, list) and len([name for name in named if name]) == len(tools)


def _format(value: object) -> bool:
    form = as_dict(value)
    if form.get("type") == "json_schema":
        return isinstance(as_dict(form.get("json_schema")).get("schema"), (dict, bool))
    return form.get("type") in ("text", "json_object")


_INTEGER = 2**63 - 1
_BOOLEAN = _one_of(bool, name="a boolean")
_OBJECT = _one_of(dict, name="an object")
_RULES: Mapping[str, Rule] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "max_tokens": _integer(1, _INTEGER),
    "max_completion_tokens": _integer(1, _INTEGER),
    "min_tokens": _integer(0, _INTEGER),
    "n": _integer(1, 128),
    "seed": _integer(-_INTEGER, _INTEGER),
    "top_logprobs": _integer(0, 20),
    "stop": ("a string or an array of strings", _stop),
    "stream": _BOOLEAN,
    "logprobs": _BOOLEAN,
    "parallel_tool_calls": _BOOLEAN,
    "return_token_ids": _BOOLEAN,
    "stream_options": _OBJECT,
    "logit_bias": _OBJECT,
    "chat_template_kwargs": _OBJECT,
    "metadata": _OBJECT,
    "cache_salt": ("a non-empty string", lambda value: bool(as_str(value))),
    "reasoning_effort": _one_of(str, name="a string"),
    "user": _one_of(str, name="a string"),
    "tools": ("an array of functions", _tools_fit),
    "response_format": ("text, json_object, or json_schema with a schema", _format),
}
