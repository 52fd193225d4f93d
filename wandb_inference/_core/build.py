"""Parameters to requests."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from .._checks import shown_url
from .._config import ApiKey, Config
from .._version import __version__
from ..catalogue import resolve_name
from ..exceptions import ConfigurationError, InvalidRequestError
from ..types.chat_params import ChatParams, RequestOptions
from .call import Call, ChatCall
from .flow import Journal, Quirks
from .names import resolve_model
from .options import merged_timeouts, retries, switch, timeouts
from .retry import RetryPolicy
from .validate import check_request, invalid, message_list, to_json
from .wire import Context, Request, Timeouts

if TYPE_CHECKING:
    from .hooks import Hooks

OPTIONS = frozenset(RequestOptions.__annotations__)
CHAT_PARAMS = tuple(ChatParams.__annotations__)

USER_AGENT = f"wandb-inference-python/{__version__} Python/{platform.python_version()}"
"""A name of our own: the service's edge answers 403, `error code: 1010`, to Python's default one."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")

_OURS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers that say how the request is framed: a wrong one would break it, or slip a second one in."""

# What other libraries call a call's parameters.
ELSEWHERE = {
    "num_retries": "did you mean 'max_retries'?",
    "request_timeout": "did you mean 'timeout'?",
    "thinking": 'did you mean chat_template_kwargs={"enable_thinking": ...}?',
    "enable_thinking": 'did you mean chat_template_kwargs={"enable_thinking": ...}?',
}

# What users try to give to a call, and where it belongs.
_ELSEWHERE = {
    **ELSEWHERE,
    "api_key": "give it to the client: Client(api_key=...), or client.with_options(api_key=...)",
    "base_url": "give it to the client: Client(base_url=...), or client.with_options(base_url=...)",
    "api_base": "give it to the client: Client(base_url=...), or client.with_options(base_url=...)",
    "default_headers": "did you mean 'extra_headers'?",
}

# Parameters that can be given as any iterable; JSON and the check know lists.
_LISTS = ("tools", "functions", "modalities", "stop")


@dataclass(frozen=True, repr=False)  # the headers may hold a key
class Settings:
    """What a client was given, resolved."""

    config: Config
    timeouts: Timeouts
    policy: RetryPolicy
    headers: Mapping[str, str | None]
    quirks: Quirks
    adaptive: bool = False
    """Whether chats wait for a place in their model's window."""
    hooks: Hooks | None = None


def unexpected_keyword(
    function: str, name: str, known: Iterable[str], also: Mapping[str, str] | None = None, *, body: bool = False
) -> TypeError:
    """What Python raises for a keyword that does not exist, with the nearest that does.

    Args:
        function: What was called.
        name: The keyword.
        known: Those that exist.
        also: Names used elsewhere, each with what to do instead.
        body: Whether keywords end up in the request's body, where a server may know more of them than we do.
    """
    hint = (also or {}).get(name, "")
    if not hint:
        near = get_close_matches(name, known, n=1)
        hints = [f"did you mean {near[0]!r}?"] if near else []
        hints += ["what only the server knows goes into extra_body"] if body else []
        hint = " Else, ".join(hints)
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}; {hint}".rstrip("; "))


def model_id(settings: Settings, model: object) -> str:
    """The id to send for a model as people write it.

    Raises:
        InvalidRequestError: No text, empty, or a LoRA of the wrong form.
    """
    id = resolve_model(model, default_host=settings.config.on_default_host, lookup=resolve_name)
    if {".", ".."} & set(id.split("/")):
        raise invalid("model", model, "a model id, not a path")
    return id


def build_chat(
    settings: Settings, function: str, model: object, messages: object, stream: object, params: Mapping[str, Any]
) -> ChatCall:
    """The call of a chat completion, checked before anything is sent.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: No key or no project.
        InvalidRequestError: A request that can't be sent as it is.
    """
    for name in params:
        if name not in CHAT_PARAMS:
            raise unexpected_keyword(
                function, name, (*CHAT_PARAMS, "model", "messages", "stream"), _ELSEWHERE, body=True
            )
    if stream is not None and not isinstance(stream, bool):
        raise invalid("stream", stream, "True or False")
    id = model_id(settings, model)
    body: dict[str, Any] = {"model": id, "messages": message_list(messages)}
    body |= {name: value for name, value in params.items() if value is not None and name not in OPTIONS}
    for name in _LISTS:
        value = body.get(name)
        if isinstance(value, Iterable) and not isinstance(value, (str, bytes, list, Mapping)):
            body[name] = list(cast("Iterable[object]", value))
    if "tools" in body:
        body["tools"] = _tools(body["tools"])
    if stream:
        body["stream"] = True
    check_request(body)
    extra = _mapping("extra_body", params)
    if "stream" in extra:
        raise invalid("extra_body.stream", extra["stream"], "the argument stream=")
    body |= extra

    given = cast("object", body.get("stream_options"))
    options: Mapping[str, object] = cast("Mapping[str, object]", given) if isinstance(given, Mapping) else {}
    asked = "include_usage" in options or "stream_options" in extra
    plain = None
    request, key = _request(settings, "POST", "/chat/completions", params, body, id, stream=bool(stream))
    if settings.adaptive:
        request = request._replace(adaptive=True)
    if stream and not asked:
        plain = request
        request = request._replace(body=_asking(body, options, plain.body or b""))
    keep = bool(options.get("include_usage"))
    journal = _journal(settings, params, id)
    answers = cast("object", body.get("n"))  # not checked where it comes from extra_body
    count = answers if isinstance(answers, int) else 1
    return ChatCall(request, journal, key, plain, settings.quirks, keep, count)


def _tools(given: object) -> object:
    """The tools as mappings: those of `tool()` say themselves what they are."""
    if not isinstance(given, list):
        return given
    return [_tool(place, item) for place, item in enumerate(cast("list[object]", given))]


def _tool(place: int, item: Any) -> object:
    if hasattr(item, "as_param"):
        return item.as_param()
    if callable(item):
        raise invalid(f"tools[{place}]", item, "a mapping or a tool", "Write tool(function), or use run_tools().")
    return item


def _asking(body: Mapping[str, Any], options: Mapping[str, object], plain: bytes) -> bytes:
    """The body of a request that asks for usage; `plain` is the one that does not."""
    if "stream_options" in body:  # an empty one, too: no key may stand there twice
        return to_json({**body, "stream_options": {**options, "include_usage": True}})
    # Put on at the end: a long conversation or a picture is not written down twice.
    return plain[:-1] + b',"stream_options":{"include_usage":true}}'


def build_get(
    settings: Settings, function: str, path: str, params: Mapping[str, Any], model: str | None = None
) -> Call:
    """The call of a GET request.

    Args:
        settings: The client's.
        function: What was called, for the message about a keyword.
        path: Below the base URL.
        params: Options of the request.
        model: The model it is about.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: No key or no project.
        InvalidRequestError: A request that can't be sent as it is.
    """
    for name in params:
        if name not in OPTIONS:
            raise unexpected_keyword(function, name, sorted(OPTIONS), _ELSEWHERE)
    path = quote(path, safe="/:", errors="replace")
    request, key = _request(settings, "GET", path, params, None, model, stream=False)
    return Call(request, _journal(settings, params, model), key)


def _journal(settings: Settings, params: Mapping[str, Any], model: str | None) -> Journal:
    journal = Journal(_policy(settings, params))
    if settings.hooks is not None:
        journal.watch = settings.hooks.watch(model, journal.records)
    return journal


def _policy(settings: Settings, params: Mapping[str, Any]) -> RetryPolicy:
    count = params.get("max_retries")
    return settings.policy if count is None else settings.policy._replace(max_retries=retries(count))


def _request(
    settings: Settings,
    method: str,
    path: str,
    params: Mapping[str, Any],
    body: Mapping[str, Any] | None,
    model: str | None,
    *,
    stream: bool,
) -> tuple[Request, ApiKey | None]:
    config = settings.config
    project = params.get("project")
    if project is not None:
        config = config.override(project=project)
    own = {
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "gzip, deflate",
        "user-agent": USER_AGENT,
    }
    if body is not None:
        own["content-type"] = "application/json"
    given = {**settings.headers, **_lower("extra_headers", _mapping("extra_headers", params))}
    # A header of the caller's own takes the place of the setting, which is then not needed.
    config.require(key="authorization" not in given, project="openai-project" not in given)
    if config.project:
        own["openai-project"] = config.project
    headers = {name: value for name, value in {**own, **given}.items() if value is not None}
    context = Context(
        base_url=shown_url(config.base_url),
        model=model,
        project=headers.get("openai-project"),
        key_source=config.sources["api_key"] if "authorization" not in given else "the Authorization header",
        key_sent="authorization" not in given,
    )
    request = Request(
        method=method,
        url=config.base_url + path + _query(params),
        headers=headers,
        body=None if body is None else to_json(body),
        timeouts=merged_timeouts(settings.timeouts, params),
        context=context,
        stream=stream,
    )
    return request, None if "authorization" in given else config.api_key


def _mapping(name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    value = params.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise invalid(name, value, "a mapping")
    return cast("Mapping[str, Any]", value)


def _lower(where: str, headers: Mapping[str, str | None]) -> dict[str, str | None]:
    """The headers, names in lower case, checked so that none can break out of its line (RFC 9110, 5.5)."""
    checked: dict[str, str | None] = {}
    for name, value in headers.items():
        if not isinstance(cast("object", name), str) or not _TOKEN.fullmatch(name):
            raise invalid(where, name, "a header name: letters, digits and hyphens")
        if name.lower() in _OURS:
            raise invalid(f"{where}[{name!r}]", "a header", "to be left to the client, which knows what it sends")
        # The value is not shown: it may be a secret.
        if value is not None and not (isinstance(cast("object", value), str) and _VALUE.fullmatch(value)):
            shown = f"<{type(cast('object', value)).__name__}>"
            raise invalid(f"{where}[{name!r}]", shown, "one line of ASCII text")
        checked[name.lower()] = None if value is None else value.strip(" \t")
    return checked


def _query(params: Mapping[str, Any]) -> str:
    query = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in _mapping("extra_query", params).items()
        if value is not None
    }
    # Half a surrogate pair becomes a question mark: a server would read no more in it.
    return f"?{urlencode(query, doseq=True, errors='replace')}" if query else ""


def _checked_defaults(headers: object) -> dict[str, str | None]:
    """The default headers, checked when the client is made, not at its first call."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"default_headers is of type {type(headers).__name__}", hint="Give a mapping.")
    try:
        return _lower("default_headers", cast("Mapping[str, str | None]", headers))
    except InvalidRequestError as error:
        raise ConfigurationError(error.message.partition(": ")[2]) from None


def settings_of(
    config: Config,
    *,
    timeout: object,
    stall_timeout: object,
    deadline: object,
    max_retries: object,
    headers: Mapping[str, str | None] | None,
    adaptive: object = False,
) -> Settings:
    """The settings of a new client.

    Raises:
        ConfigurationError: A value that can't work.
    """
    return Settings(
        config=config,
        timeouts=timeouts(timeout, stall_timeout, deadline),
        policy=RetryPolicy(max_retries=retries(max_retries)),
        headers=_checked_defaults(headers),
        quirks=Quirks(),
        adaptive=switch("adaptive_concurrency", adaptive),
    )


def with_options(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """Settings with some of them replaced.

    Raises:
        ConfigurationError: A value that can't work.
    """
    names = ("api_key", "project", "base_url")
    changed = {name: options[name] for name in names if options.get(name) is not None}
    config = settings.config.override(**changed) if changed else settings.config
    policy = settings.policy
    if options.get("max_retries") is not None:
        policy = policy._replace(max_retries=retries(options["max_retries"]))
    adaptive = options.get("adaptive_concurrency")
    return replace(
        settings,
        config=config,
        timeouts=merged_timeouts(settings.timeouts, options),
        policy=policy,
        headers={**settings.headers, **_checked_defaults(options.get("default_headers"))},
        quirks=Quirks() if "base_url" in changed else settings.quirks,
        adaptive=settings.adaptive if adaptive is None else switch("adaptive_concurrency", adaptive),
    )
