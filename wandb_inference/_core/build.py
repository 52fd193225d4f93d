"""Parameters to requests."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote, urlencode

from .._checks import shown_url
from .._config import ApiKey
from .._money import PRICE_FIELDS, Pricing
from .._version import __version__
from ..catalogue import resolve_name
from ..types.chat_params import ChatParams, RequestOptions
from .call import Call, ChatCall
from .fit import check_fit
from .flow import Journal
from .following import Chat, followers_of
from .names import resolve_model
from .options import CHECKS, merged_timeouts, retries
from .retry import RetryPolicy
from .served import check_served
from .settings import Settings, checked_headers
from .thinking import SWITCHES, history, switch_thinking
from .validate import check_form, check_request, invalid, message_list, to_json
from .wire import Context, Request

OPTIONS = frozenset(RequestOptions.__annotations__)
PRICES = frozenset(PRICE_FIELDS)
_BESIDE = OPTIONS | SWITCHES | CHECKS | PRICES
CHAT_PARAMS = tuple(ChatParams.__annotations__)

USER_AGENT = f"wandb-inference-python/{__version__} Python/{sys.version.partition(' ')[0]}"
"""A name of our own: the service's edge answers 403, `error code: 1010`, to Python's default one."""

# What other libraries call a call's parameters.
ELSEWHERE = {
    "num_retries": "did you mean 'max_retries'?",
    "request_timeout": "did you mean 'timeout'?",
    "response_model": "did you mean client.chat.completions.parse(response_format=...)?",
    "enable_thinking": "did you mean 'thinking'?",
}

# What users try to give to a call, and where it belongs.
_ELSEWHERE = {
    **ELSEWHERE,
    "budget": "put the call into `with budget(usd=...):`, or make it by client.with_options(budget=...)",
    "prices": "give input_cost_per_token and output_cost_per_token, or all prices to the client: Client(prices=...)",
    "api_key": "give it to the client: Client(api_key=...), or client.with_options(api_key=...)",
    "base_url": "give it to the client: Client(base_url=...), or client.with_options(base_url=...)",
    "api_base": "give it to the client: Client(base_url=...), or client.with_options(base_url=...)",
    "default_headers": "did you mean 'extra_headers'?",
}

# What belongs to create() alone, and what it would mean to stream().
_STREAMING = {
    **_ELSEWHERE,
    "stream": "leave it out: stream() always streams",
    "final_only": "for the answer alone use create(final_only=True), or get_final_completion() of the stream",
    "response_model": "did you mean 'response_format'?",
    "max_repairs": "repairs are for parse(): what was streamed can't be taken back",
}

# The same for parse().
_PARSING = {
    **_ELSEWHERE,
    "stream": "to get it as it comes, use stream(response_format=...)",
    "final_only": "to stream on the wire alone, use get_final_completion() of stream(response_format=...)",
    "response_model": "did you mean 'response_format'?",
}

_ADVICE = {"stream": _STREAMING, "parse": _PARSING}

# Parameters that can be given as any iterable; JSON and the check know lists.
_LISTS = ("tools", "functions", "modalities", "stop")


def advice(function: str) -> Mapping[str, str]:
    """What to do instead of giving a keyword to a function that has none of that name."""
    return _ADVICE.get(function, _ELSEWHERE)


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
    on_default_host = settings.config.on_default_host
    return _remembered(model, on_default_host) if isinstance(model, str) else _id_of(model, on_default_host)


def _id_of(model: object, on_default_host: bool) -> str:
    id = resolve_model(model, default_host=on_default_host, lookup=resolve_name)
    if {".", ".."} & set(id.split("/")):
        raise invalid("model", model, "a model id, not a path")
    return id


_remembered = lru_cache(maxsize=256)(_id_of)
"""Programs ask the same few models again and again."""


def build_chat(
    settings: Settings,
    function: str,
    model: object,
    messages: object,
    stream: object,
    params: Mapping[str, Any],
    own: tuple[str, ...] = ("stream", "final_only"),
    *,
    final_only: object = False,
) -> ChatCall:
    """The call of a chat completion, checked before anything is sent.

    Args:
        settings: The client's.
        function: What was called, for the message about a keyword.
        model: Who is asked.
        messages: What was said so far.
        stream: Whether the answer is to come as a stream.
        params: The other parameters.
        own: Arguments that only this function has.
        final_only: Whether to stream on the wire, and give the caller the end alone.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: No key or no project.
        InvalidRequestError: A request that can't be sent as it is.
        ModelNotFoundError: The service itself is asked for a model that it has no longer.
    """
    for name in params:
        if name not in CHAT_PARAMS:
            known = (*CHAT_PARAMS, "model", "messages", *own)
            raise unexpected_keyword(function, name, known, advice(function), body=True)
    if stream is not None and not isinstance(stream, bool):
        raise invalid("stream", stream, "True or False")
    if final_only is not None and not isinstance(final_only, bool):
        raise invalid("final_only", final_only, "True or False")
    if final_only and stream:
        hint = "Leave stream out: it is streamed on the wire. Or leave final_only out, to get the stream."
        raise invalid("final_only", final_only, "not to be given together with stream=True", hint)
    stream = bool(stream or final_only)
    if params.get("response_format") is not None:
        check_form(params["response_format"])
    id = model_id(settings, model)
    if _wanted("check_model", settings.check_model, params):
        check_served(id, settings)
    body: dict[str, Any] = {"model": id, "messages": message_list(messages)}
    if params.get("keep_reasoning") is not None:
        body["messages"] = history(body["messages"], params["keep_reasoning"])
    body |= {name: value for name, value in params.items() if value is not None and name not in _BESIDE}
    for name in _LISTS:
        value = body.get(name)
        is_one = value is None or isinstance(value, (str, bytes, list, Mapping))
        if not is_one and isinstance(value, Iterable):
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
    if params.get("thinking") is not None:
        switch_thinking(body, params["thinking"], id, settings.notices)
    if id.startswith("wandb-artifact:"):
        settings.notices.adapter(id)

    given = cast("object", body.get("stream_options"))
    options: Mapping[str, object] = cast("Mapping[str, object]", given) if isinstance(given, Mapping) else {}
    asked = "include_usage" in options or "stream_options" in extra
    plain = None
    request, key = _request(settings, "POST", "/chat/completions", params, body, id, stream=stream)
    if _wanted("check_context", settings.check_context, params):
        check_fit(body, len(request.body or b""), id)
    if settings.adaptive:
        request = request._replace(adaptive=True)
    if stream and not asked:
        plain = request
        request = request._replace(body=_asking(body, options, plain.body or b""))
    keep = bool(options.get("include_usage"))
    journal = _journal(settings, params, id)
    pricing = _pricing(settings, id, params)
    base_url = request.context.base_url
    journal.follow(followers_of(Chat(settings, id, body, params, base_url, stream, request.headers, pricing)))
    answers = cast("object", body.get("n"))  # not checked where it comes from extra_body
    count = answers if isinstance(answers, int) else 1
    return ChatCall(request, journal, key, plain, settings.quirks, keep, count, bool(final_only), pricing)


def _pricing(settings: Settings, id: str, params: Mapping[str, Any]) -> Pricing:
    """What the call is priced by."""
    price = None
    if not PRICES.isdisjoint(params):
        from .._money.price import price_of_call  # which few calls need

        price = price_of_call(params)
    return Pricing(id, price, settings.prices)


def _wanted(name: str, default: bool, params: Mapping[str, Any]) -> bool:
    """Whether a check is to be made: what the call says, else the client."""
    value = params.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise invalid(name, value, "True or False")
    return value


def _tools(given: object) -> object:
    """The tools as mappings: those of `tool()` say themselves what they are."""
    if not isinstance(given, list):
        return given
    return [_tool(place, item) for place, item in enumerate(cast("list[object]", given))]


def _tool(place: int, item: Any) -> object:
    if hasattr(item, "as_param"):
        return item.as_param()
    if callable(item):
        hint = "Write tool(function), or use client.chat.completions.run_tools(...), which calls it."
        raise invalid(f"tools[{place}]", item, "a mapping or a tool", hint)
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
    key = settings.config.api_key
    journal.key = key if isinstance(key, str) else None
    if settings.hooks is not None:
        journal.watch = settings.hooks.watch(model, journal.records, journal.key)
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
    given = {**settings.headers, **checked_headers("extra_headers", _mapping("extra_headers", params))}
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


def _query(params: Mapping[str, Any]) -> str:
    query = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in _mapping("extra_query", params).items()
        if value is not None
    }
    # Half a surrogate pair becomes a question mark: a server would read no more in it.
    return f"?{urlencode(query, doseq=True, errors='replace')}" if query else ""
