"""The errors that clients get for what happened upstream."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..config import Deployment
from ..errors import (
    GatewayError,
    connection_failed,
    invalid_answer,
    stream_interrupted,
    upstream_failed,
    upstream_timeout,
)
from ._retrying import is_context
from ._values import Failure

_HIDDEN = "***"
_SHORTEST = 4
"""Characters of what is looked for in the service's words; less may be a part of any word."""


def error_of(failure: Failure, deployment: Deployment) -> GatewayError:
    """The error for a failed attempt, without what is nobody's business: address, key and project."""
    if failure.kind == "connection":
        return connection_failed()
    if failure.kind == "timeout":
        return upstream_timeout()
    if failure.kind == "invalid":
        return invalid_answer()
    if failure.kind == "stream":
        return stream_interrupted(_without(failure.message, deployment)) if failure.message else stream_interrupted()
    return upstream_failed(
        failure.status,
        _without(failure.message, deployment),
        code="context_length_exceeded" if is_context(failure) else failure.code,
        type=failure.type,
        param=failure.param,
        retry_after=failure.retry_after,
    )


def _without(message: str, deployment: Deployment) -> str:
    key = deployment.api_key
    # The longest first: the address holds the host.
    for text in (
        "" if key is None else key.reveal(),
        deployment.base_url,
        urlsplit(deployment.base_url).netloc,
        urlsplit(deployment.base_url).hostname or "",
        deployment.project or "",
    ):
        if len(text) >= _SHORTEST:
            message = message.replace(text, _HIDDEN)
    return message
