"""What to do about an error, in the service's own terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..catalogue import known, successor_of, suggest
from ..exceptions import (
    APIStatusError,
    AuthenticationError,
    ConcurrencyLimitError,
    InternalServerError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    UnprocessableEntityError,
)
from .retry import means_personal_account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .errors import ErrorBody
    from .wire import Context

KEYS_PAGE = "wandb.ai/settings"
SUPPORT = "forge-support@coreweave.com"
"""Source: the service's page of errors."""

TIMED_OUT = {
    "connect": "no connection to {address} within {limit}",
    "read": "{address} sent nothing for {limit}",
    "write": "{address} took nothing for {limit}",
    "stall": "{address} sent no data for {limit}",
    "deadline": "the deadline of {limit} is over",
}


def for_clock(clock: str) -> str:
    """What to do when a clock ran out."""
    if clock == "deadline":
        return "Give a longer `deadline`, or a smaller `max_tokens`."
    if clock == "stall":
        return "Give a longer `stall_timeout`, or `None` for no limit."
    if clock == "connect":
        return "Check base_url, network and proxy, or give a longer `timeout`."
    return "Give a longer `timeout`; `stream=True` shows a long answer as it comes."


def for_failure(reason: str, context: Context, *, is_own_proxy: bool = False, uds: str | None = None) -> str:
    """What to do when there was no connection, or it broke.

    Args:
        reason: Why, in a few words.
        context: What is known of the call.
        is_own_proxy: Whether the proxy, if there was one, is that of the client's `network`.
        uds: The Unix socket in place of the server's host.
    """
    if "through the proxy" in reason:
        if is_own_proxy:
            return "Check network=Network(proxy=...)."
        return "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the host in NO_PROXY."
    if uds is not None and ("refused" in reason or "No such file" in reason):
        return "Nothing listens there: check network=Network(uds=...)."
    if "refused" in reason:
        return f"Nothing listens there: check the base URL {context.base_url!r}."
    if "resolved" in reason:
        return f"Check the spelling of the base URL {context.base_url!r}, and the network."
    if "TLS failed" in reason:
        return f"Does the server speak TLS? Check the base URL {context.base_url!r}."
    if "client certificate" in reason:
        return "Give it as network=Network(cert=...)."
    if "certificate" in reason:
        return "Give your own CA in SSL_CERT_FILE or network=Network(verify=...), or check the clock and the base URL."
    if "client was closed" in reason:
        return "Close it later."
    return "Check the network, or try again."


def is_about_model(message: str, code: str | None, body: Any, context: Context) -> bool:
    """Whether a 404 is about the model, not about the path.

    The service answers both with "The requested resource was not found". A path that doesn't exist behind a FastAPI
    server is `{"detail": "Not Found"}`, behind a proxy a page: neither can be about a model.
    """
    if "model" in f"{message} {code}".lower() or (context.model or "") in message:
        return True
    info = known(context.model or "")
    if info is not None and info.id == context.model and info.lifecycle != "retired":
        return False  # a model that is there: so it is the path that is not
    path = urlsplit(context.base_url).path
    return isinstance(body, dict) and "detail" not in body and path.endswith("/v1") and path.count("/v1") == 1


def for_status(
    cls: type[APIStatusError], body: ErrorBody, context: Context, headers: Mapping[str, str], size: int
) -> str | None:
    """What to do about an answer with an error status; `None` where there is nothing to add."""
    message = body.message
    if "ext_proc failed" in message:
        return _for_gateway(size)
    if means_personal_account(message):
        return "Create a team at wandb.ai, and name it in the project: `team/project`."
    if issubclass(cls, AuthenticationError):
        return _for_key(context)
    if issubclass(cls, QuotaExceededError):
        return (
            "Add credits or raise the cap: forge.coreweave.com, Billing, Usage & Alerts, Inference. "
            "Waiting does not help, so this is never retried."
        )
    if issubclass(cls, PermissionDeniedError):
        return _for_permission(message)
    if issubclass(cls, ModelNotFoundError):
        return for_model(context.model or "")
    if issubclass(cls, NotFoundError):
        return for_path(context)
    if issubclass(cls, ConcurrencyLimitError):
        return "Send fewer requests at the same time: the limit counts per model and project."
    if issubclass(cls, UnprocessableEntityError):
        return f"Change or leave out what {context.model or 'the server'} does not take."
    if issubclass(cls, InternalServerError):
        if context.project is None:
            return "The server's fault; try again in a minute."
        return f"The service's fault; try again in a minute, and write to {SUPPORT} with the request id if it stays."
    if cls is APIStatusError and "location" in headers:
        return (
            f"Give the new address as base_url in place of {context.base_url!r}; requests follow no redirect elsewhere."
        )
    return None


def _for_key(context: Context) -> str:
    source = "the argument api_key" if context.key_source == "argument" else context.key_source
    if context.project is None:
        return f"The key came from {source}. No project was sent; W&B's service wants one, and answers 401 without it."
    return (
        f"The key came from {source}; create one at {KEYS_PAGE}, and check that the team and project "
        f'"{context.project}" exist for it.'
    )


def _for_permission(message: str) -> str:
    if "1010" in message:
        return "The service's edge refused the User-Agent: leave the header to this client, or send a name of your own."
    if "not supported" in message.lower():
        return "The service is not offered where this request came from."
    if "not enabled" in message.lower():
        return f"Ask your organisation's admin, or {SUPPORT}, to enable inference."
    return "Check that the key's team may use inference."


def _for_gateway(size: int) -> str:
    # Source: support article on images. Seen with large base64 images above all, and in passing faults.
    if size > 500_000:
        return (
            f"The request has {size / 1e6:.1f} MB: shrink images to 1600 pixels on the longest edge, as image() does, "
            "and send photos as JPEG."
        )
    return "The service's gateway failed; try again. With images, keep the longest edge within 1600 pixels."


def for_model(model: str) -> str:
    """What to ask for in place of a model that was not found."""
    if model.startswith("wandb-artifact:"):
        return (
            "Check team, project, name and version of the LoRA, that its artifact has type `lora` and lies in the "
            "storage_region coreweave-us, and that its metadata's `wandb.base_model` is the exact id of a model that "
            "serves adapters and is not retired. An upload that went well does not tell."
        )
    if model.count("/") == 2 and ":" in model:
        return f"A LoRA is given as model=lora({model!r})."
    info = known(model)
    if info and info.lifecycle == "retired":
        successor = successor_of(model)
        if successor:
            return f"{info.id} is retired; use {successor}."
        return f"{info.id} is retired, without a successor; `client.models.list()` shows what there is."
    if info and info.id != model:
        return f"Write {info.id}: ids are case-sensitive."
    near = [id for id in suggest(model) if id != model]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return "`client.models.list()` shows what there is."


def for_path(context: Context) -> str:
    """What to do when the path was not found."""
    parts = urlsplit(context.base_url)
    usual = f"{parts.scheme}://{parts.netloc}/v1"
    if context.base_url == usual:
        return f"Check the base URL {context.base_url!r}."
    if not parts.path:
        return f"The base URL {context.base_url!r} does not end in /v1: try {usual!r}."
    return f"Check the base URL {context.base_url!r}: an API's is usually {usual!r}."
