"""Lists of models: what the server names, what the table knows of it, and what the public feed says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._checks import shown_url
from .._config import warn
from ..catalogue import TABLE_DATE, known
from ..catalogue._feed import FEED_URL, Entry, merged, read_feed
from ..catalogue._table import LIVING
from ..exceptions import APIError, APIResponseValidationError
from ..types.model import Model, ModelList, with_info, with_models
from .build import USER_AGENT
from .call import Call
from .flow import Journal
from .options import merged_timeouts
from .reading import UnreadableError, read_json
from .retry import RetryPolicy
from .validate import invalid
from .wire import Context, Reply, Request, Timeouts

if TYPE_CHECKING:
    from ..catalogue import ModelInfo
    from ..types.model import ModelSource, ModelStatus
    from .settings import Settings

FEED_SECONDS = 10.0
"""What the feed may take in all; the list goes without it then."""


def feed_url(feed: object) -> str | None:
    """Where the feed is, that a list is to be merged with; `None` for none.

    Raises:
        InvalidRequestError: Neither true, false, nor a URL of http or https.
    """
    if feed is None or feed is False:
        return None
    if feed is True:
        return FEED_URL
    try:
        parts = urlsplit(feed) if isinstance(feed, str) else None
        fits = parts is not None and parts.scheme in ("http", "https") and parts.port != 0 and bool(parts.hostname)
    except ValueError:
        fits = False
    if not fits:
        raise invalid("feed", feed, "True, False, or the URL of a feed")
    return str(feed)


def build_feed(settings: Settings, url: str, params: Mapping[str, Any], elapsed: float) -> Call:
    """The call of a feed: neither key, project nor headers of the client's go there, and nothing is tried twice.

    Args:
        settings: The client's.
        url: Where it is.
        params: Options of the list's request.
        elapsed: Seconds since that began.
    """
    limits = merged_timeouts(settings.timeouts, params)
    left = FEED_SECONDS if limits.deadline is None else min(FEED_SECONDS, max(limits.deadline - elapsed, 0.001))
    seconds = [left if limit is None else min(limit, left) for limit in (limits.connect, limits.read)]
    request = Request(
        method="GET",
        url=url,
        headers={"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": USER_AGENT},
        body=None,
        timeouts=Timeouts(seconds[0], seconds[1], None, left),
        context=Context(base_url=shown_url(url), key_sent=False),
        bare=True,
    )
    return Call(request, Journal(RetryPolicy(max_retries=0)), None)


def read_entries(reply: Reply) -> dict[str, Entry]:
    """What a feed's answer says, by model id.

    Raises:
        APIResponseValidationError: It is no feed.
    """
    try:
        return read_feed(read_json(reply.body))
    except (UnreadableError, ValueError) as error:
        raise APIResponseValidationError(f"the answer is no feed: {error}", status_code=reply.status) from None


def no_feed(error: APIError) -> None:
    """Warns that a list is without the feed."""
    error.hint = None  # it would tell what to do about key and project
    warn(f"The list of models is without the feed: {error}")


def described(settings: Settings, model: Model, entries: Mapping[str, Entry]) -> Model:
    """A model that the server named, with what the feed and the table say of it.

    Args:
        settings: The client's.
        model: As the server described it.
        entries: What the feed says, by model id.
    """
    id = model.id.removeprefix("wandb/")  # as LiteLLM's proxy has them
    status: ModelStatus = "served"
    info = _known(id, entries)
    if settings.config.on_default_host and info is not None and info.lifecycle == "retired":
        status = "retired"
    return with_info(model, info, ("live", *_sources(id, entries)), status)


def listed(settings: Settings, models: ModelList, entries: Mapping[str, Entry] | None) -> ModelList:
    """The list of a server, merged.

    On the service's own host, models that live by the feed or the table come at its end where the server left them
    out: its list has been empty for a day, and has lagged. On another host the list is that server's.

    Args:
        settings: The client's.
        models: What the server answered.
        entries: What the feed says; `None` where there is none.
    """
    feed: Mapping[str, Entry] = {} if entries is None else entries
    # Twice the same is one; of two that differ in case both may be served.
    found = [described(settings, model, feed) for model in {model.id: model for model in models}.values()]
    if settings.config.on_default_host:
        if not found:
            settings.notices.once(
                "The service's list of models is empty, which has happened before. What you get is what lives by the "
                f"table of {TABLE_DATE}{'' if entries is None else ' and the feed'}."
            )
        named = {model.id.removeprefix("wandb/").lower() for model in found}
        for id in dict.fromkeys((*(info.id for info in LIVING), *feed)):
            info = _known(id, feed)
            if id.lower() not in named and info is not None and info.lifecycle != "retired":
                found.append(with_info(Model(id=id), info, _sources(id, feed), "unlisted"))
    return with_models(models, found, ("live", "table") if entries is None else ("live", "feed", "table"))


def _known(id: str, entries: Mapping[str, Entry]) -> ModelInfo | None:
    entry = entries.get(id)
    return known(id) if entry is None else merged(known(id), entry, id)


def _sources(id: str, entries: Mapping[str, Entry]) -> tuple[ModelSource, ...]:
    by_feed: tuple[ModelSource, ...] = ("feed",) if id in entries else ()
    return by_feed if known(id) is None else (*by_feed, "table")
