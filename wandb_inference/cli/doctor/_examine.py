"""All checks in their order; what a failed one leaves nothing to look at for is skipped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from .. import _options
from . import _service
from ._finding import Finding
from ._patience import Patience
from ._proxies import judge_proxies
from ._reach import Walk
from ._settings import Settings, is_service, judge_base_url, judge_key, judge_project, judge_versions, look

if TYPE_CHECKING:
    from ..._client import Client


def examine(connection: _options.Connection, call: str | None) -> Iterator[Finding]:
    """Each check's finding as soon as it is there.

    Args:
        connection: Where to call, as the options say.
        call: The model to try with a call that costs money, `""` for the cheapest, `None` for none.
    """
    patience = Patience()
    settings = look(connection, os.environ)
    yield judge_versions()
    yield judge_key(settings, os.environ)
    yield judge_project(settings)
    yield judge_base_url(settings)

    listed: list[str] | None = None
    blocked = "there is no base URL to call"
    if settings.url is not None:
        passage = judge_proxies(settings.url, os.environ)
        yield passage.finding
        blocked = "the proxy can't be used"
        if passage.usable:
            walk = Walk(settings.url, passage.proxy, patience)
            yield from walk
            blocked = "" if walk.arrived else "the server can't be reached"
    if not blocked and settings.secret is None:
        blocked = "there is no key to send"
    if blocked:
        yield Finding("models", "skipped", blocked)
    else:
        with _client(settings) as client:
            asked = _service.ask(client, patience)
            yield _service.judge_models(asked, settings.sent_project, client.base_url, settings.other_source)
            if isinstance(asked.first, list):
                listed = asked.first
            else:
                blocked = "the service does not take this key, project and base URL"
    yield _service.judge_table(today(), listed, is_service(settings.url))

    model = call or _service.cheapest(listed)
    if call is None:
        yield Finding("call", "skipped", f"only with --call: it costs {_service.trial_cost(model)} ({model})")
    elif blocked or settings.sent_project is None:
        yield Finding("call", "skipped", blocked or "there is no project to bill")
    else:
        with _client(settings) as client:
            yield _service.try_call(client, model, patience, time.monotonic)


def today() -> date:
    """The day by this machine's clock."""
    return date.today()


def _client(settings: Settings) -> Client:
    from ..._client import Client

    return Client(
        api_key=settings.secret,
        project=settings.sent_project or "",
        base_url=settings.url,
        max_retries=0,
        timeout=_service.SECONDS,
    )
