"""Where Weave takes traces: the address of its endpoint, from what people have at hand."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from .._checks import quoted, shown_url
from ..exceptions import ConfigurationError

PATH = "/v1/traces"
"""What OTLP adds to a base (https://opentelemetry.io/docs/specs/otlp/, OTLP/HTTP Request)."""

_SERVER = "https://trace.wandb.ai"
_AGENTS = "/agents/otel"
"""Below a trace server: what Weave 0.54 itself sends spans of chats and tools to."""

_RIGHT = f"{_SERVER}{_AGENTS}"
_HINT = f'Weave\'s is "{_RIGHT}", with or without {PATH}.'

# What is no trace server, though it is W&B's.
_OTHER_HOSTS = ("wandb.ai", "www.wandb.ai", "api.wandb.ai", "docs.wandb.ai", "api.inference.wandb.ai")


def endpoint_of(given: object, environ: Mapping[str, str]) -> str:
    """The whole URL that traces are sent to.

    Args:
        given: The base before `/v1/traces`, or the whole URL; `None` looks into the environment.
        environ: Looked at for `WF_TRACE_SERVER_URL`, the address of a trace server, and for `WANDB_BASE_URL`, that of a
            private W&B server, as Weave does.

    Raises:
        ConfigurationError: It can't be one.
    """
    if given is not None:
        if not isinstance(given, str):
            raise ConfigurationError(f"endpoint is of type {type(given).__name__}, not str (argument)", hint=_HINT)
        return _checked(given, "argument")
    if server := environ.get("WF_TRACE_SERVER_URL", "").strip():
        return _of_server(server, "WF_TRACE_SERVER_URL")
    private = environ.get("WANDB_BASE_URL", "").strip().rstrip("/")
    if private and private != "https://api.wandb.ai":
        return _of_server(f"{private}/traces", "WANDB_BASE_URL")
    return _RIGHT + PATH


def _of_server(server: str, source: str) -> str:
    """The endpoint of a trace server, which may be given with its path or without."""
    bare = server.rstrip("/").removesuffix(PATH)
    return _checked(bare if bare.endswith("/otel") else bare + _AGENTS, source)


def _checked(given: str, source: str) -> str:
    url = given.strip()
    what = f"endpoint {quoted(shown_url(url))} ({source})"
    if not url:
        raise ConfigurationError(f"endpoint is empty ({source})", hint=_HINT)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"{what} can't be read", hint=_HINT) from None
    problem = _problem(parts, port, url)
    if problem is not None:
        raise ConfigurationError(f"{what} {problem}", hint=_HINT)
    base = url.rstrip("/").removesuffix(PATH).rstrip("/")
    if base.endswith(PATH):
        raise ConfigurationError(f"{what} has {PATH} twice", hint=f"Write {quoted(base.removesuffix(PATH))}.")
    if f"{base}/".find("/v1/") > 0 and base.rpartition("/")[2] in ("metrics", "logs"):
        raise ConfigurationError(f"{what} is not for traces", hint=_HINT)
    return base + PATH


def _problem(parts: SplitResult, port: int | None, url: str) -> str | None:
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https"):
        return "has no scheme http or https" if "://" not in url else "has a scheme other than http and https"
    if not host or port == 0:
        return "has no host" if not host else "has a port that is no number from 1 to 65535"
    if parts.username is not None:
        return "has a user name: the key is api_key"
    if "?" in url or "#" in url:
        return "has a query or a fragment"
    if any(character.isspace() or not character.isprintable() or not character.isascii() for character in url):
        return "holds a character that no URL takes"
    if host in _OTHER_HOSTS:
        return "is not a trace server"
    if host == urlsplit(_SERVER).hostname:
        if parts.scheme == "http":
            return "would send the key in clear"
        if not parts.path.rstrip("/").removesuffix(PATH).rstrip("/").removesuffix(PATH).endswith("/otel"):
            return "is no endpoint for traces of the trace server"
    return None
