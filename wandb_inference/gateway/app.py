"""The gateway as an ASGI application: one callable, which looks at a path and does what is asked there."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from . import pages
from .answers import CLOSE, JSON, NO_SNIFF, Headers, cors_headers, error_headers
from .attempt import Attempt
from .auth import Keyring
from .call import HANDED, Call, ClientLeftError, Receive, Scope, Send
from .chat import Chat
from .config import GatewayConfig
from .errors import GatewayError, draining, internal_error, no_such_path, stream_interrupted, wrong_method
from .express import Handed
from .metrics import Metrics
from .probes import Prober
from .requests import read_request
from .routing import Caller, Router, Step, Waiter
from .upstream import Upstream

if TYPE_CHECKING:
    from .spans import Spans

logger = logging.getLogger("wandb_inference.gateway")

_CHAT: Final = frozenset({"/v1/chat/completions", "/chat/completions", "/openai/v1/chat/completions"})
_TAIL: Final = "/chat/completions"
_HEADS: Final = ("/engines/", "/v1/engines/", "/openai/deployments/")


class Gateway:
    """The gateway. Its state belongs to the event loop in which `open()` was called.

    Args:
        config: The configuration.
        seed: For tests: makes what is left to chance the same each time.
    """

    def __init__(self, config: GatewayConfig, *, seed: int | None = None) -> None:
        self.metrics = Metrics()
        self.calls: set[Call] = set()
        """Chat requests under way."""
        self.is_draining = False
        self.started = time()
        self.router = Router(config, random=random.Random(seed), on_ready=_wake, epoch=time() - monotonic())
        self.upstream: Upstream
        self.prober = Prober(self)
        self.spans: Spans | None = None
        self._is_open = False
        self.configure(config, router=False)

    def configure(self, config: GatewayConfig, *, router: bool = True) -> None:
        """Goes on by this configuration; requests under way end as they began."""
        if router:
            self.router.configure(config, monotonic())
        self.config = config
        self.keyring = Keyring(config)
        server = config.server
        has_express = not (server.cors_origins or server.allowed_ips or server.callbacks or self.is_draining)
        self.express_bytes = server.max_request_bytes if has_express else -1
        """The body of a chat request that may come without ASGI's ways, at most; -1: none may."""
        if self._is_open:
            self.prober.start()

    async def open(self) -> None:
        """Ties the gateway to the event loop."""
        self.upstream = Upstream(self.config.server)
        await self.upstream.open()
        if "otel" in self.config.server.callbacks:
            from .spans import Spans

            self.spans = Spans()
        self._is_open = True
        self.prober.start()

    async def close(self) -> None:
        """Closes its connections."""
        self._is_open = False
        self.prober.stop()
        await self.upstream.close()
        if self.spans is not None:
            await self.spans.close()

    def drain(self) -> None:
        """Takes no new work from here on."""
        self.is_draining = True
        self.express_bytes = -1

    def interrupt(self) -> None:
        """Ends what is still under way, with an error for each client."""
        for call in list(self.calls):
            call.stop("drained")

    def names(self, caller: Caller) -> list[str]:
        """The names that a caller may ask for, patterns included, hidden ones not."""
        config, rule = self.config, caller.rule
        shown = [name for name, alias in config.aliases.items() if not alias.hidden]
        found: list[str] = []
        for name in (*config.groups, *shown):
            match = config.match(name)
            if rule is None or (match is not None and rule.allows(match)):
                found.append(name)
        return list(dict.fromkeys(found))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        handed: Handed | None = scope.pop(HANDED, None)  # which knows the call, which knows the scope
        if handed is None:
            call = Call.of(scope, receive, send)
        else:
            call = handed.chat.call
            call.attach(scope, receive, send)
        if self.config.server.cors_origins:
            call.more_headers = cors_headers(self.config.server.cors_origins, call.headers.get(b"origin"))
        try:
            if handed is None:
                await self._answer(call)
            else:
                await self._run(call, handed.chat, handed.step)
        except GatewayError as error:
            error.__traceback__ = None  # whose frames hold the step that holds the error
            await self._refuse(call, error)
        except ClientLeftError:
            pass
        except asyncio.CancelledError:
            if call.reason is None:
                raise
            call.stopped()
            if call.reason == "drained":
                await self._interrupted(call)
        except Exception:
            logger.exception("a request ended with a mistake of the gateway's own")
            if not call.status:
                await self._refuse(call, internal_error())
            else:
                raise
        finally:
            call.close()

    async def _answer(self, call: Call) -> None:
        path: str = call.scope["path"]
        method: str = call.scope["method"]
        keyring = self.keyring
        if len(call.headers) != len(call.scope["headers"]):
            call.headers = keyring.unrepeated(call.scope["headers"])
        client = call.scope.get("client")
        keyring.check_address(client[0] if client else "", call.headers)
        if path in _CHAT and method == "POST":
            await self._chat(call, keyring.caller(call.headers), None)
            return
        path = path.rstrip("/") or "/"
        if method == "OPTIONS" and b"access-control-request-method" in call.headers:
            origins = self.config.server.cors_origins
            call.more_headers = ()
            headers = cors_headers(origins, call.headers.get(b"origin"), preflight=True)
            await call.respond(204 if headers else 403, headers, b"")
            return
        if path in pages.PUBLIC:
            _check_method(method, ("GET", "HEAD"))
            status, body, kind = pages.PUBLIC[path](self, call)
            await call.respond(status, [(b"content-type", kind), NO_SNIFF, *self._id(call)], body)
            return
        if path == "/metrics":
            if self.config.server.metrics_need_key:
                keyring.admin(call.headers)
            _check_method(method, ("GET", "HEAD"))
            await call.respond(200, [(b"content-type", pages.PROMETHEUS), *self._id(call)], pages.metrics(self))
            return
        caller = keyring.caller(call.headers)
        model = _model_in(path)
        if path in _CHAT or model is not None:
            _check_method(method, ("POST",))
            await self._chat(call, caller, model)
            return
        found = pages.page(self, path, caller)
        if found is None:
            raise no_such_path(path)
        _check_method(method, ("GET", "HEAD"))
        await call.respond(200, [JSON, NO_SNIFF, *self._id(call)], found)

    async def _chat(self, call: Call, caller: Caller, model: str | None) -> None:
        if self.is_draining:
            call.more_headers = (*call.more_headers, CLOSE)
            raise draining()
        server = self.config.server
        raw = await call.body(server.max_request_bytes)
        query: bytes = call.scope["query_string"]
        if model is None and b"model=" in query:
            model = parse_qs(query.decode("latin-1")).get("model", [None])[0]
        request = read_request(raw, call.headers, server, model=model)
        await self._run(call, Chat(self, call, caller, request), None)

    async def _run(self, call: Call, chat: Chat, step: Step | Attempt | GatewayError | None) -> None:
        """Answers a chat request, from its beginning or from some step on."""
        call.watch()
        self.calls.add(call)
        status = 500
        try:
            if isinstance(step, GatewayError):
                raise step
            await chat.run(chat.begin() if step is None else step)
            status = call.status
        except GatewayError as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = 503 if call.reason == "drained" else 499
            raise
        finally:
            self.ended(chat, status)

    def ended(self, chat: Chat, status: int) -> None:
        """Counts a chat request, which is over.

        Args:
            chat: The request.
            status: What the client got; 499: it left.
        """
        call = chat.call
        self.calls.discard(call)
        self.metrics.requests.of(chat.group, chat.caller.name, str(status)).value += 1
        self.metrics.model(chat.group).seconds.observe(monotonic() - call.started)
        if self.spans is not None:
            self.spans.tell(call, chat, status)

    async def _refuse(self, call: Call, error: GatewayError) -> None:
        body = error.body()
        self.metrics.errors.of(str(error.status)).value += 1
        if self.config.server.call_id_in_errors:
            content = error.content()
            content["error"]["call_id"] = call.id.decode()
            body = pages.json(content)
        await call.respond(error.status, error_headers(error, call.id), body)

    async def _interrupted(self, call: Call) -> None:
        """Tells a client that the gateway stops before its answer is there."""
        if call.is_over:
            return
        if not call.status:
            call.more_headers = (*call.more_headers, CLOSE)
            await self._refuse(call, draining())
        else:
            error = stream_interrupted("the gateway is stopping")
            await call.finish(b"data: " + error.body() + b"\n\n")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            try:
                message = await receive()
            except asyncio.CancelledError:  # the process ends at once, and has no time for more
                return
            if message["type"] == "lifespan.startup":
                await self.open()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _id(self, call: Call) -> Headers:
        return [(b"x-request-id", call.id)]


def _wake(waiter: Waiter) -> None:
    future: asyncio.Future[Any] | None = waiter.data
    if future is not None:
        future.set_result(None)


def _check_method(method: str, allowed: Iterable[str]) -> None:
    if method not in allowed:
        raise wrong_method(method, allowed)


def _model_in(path: str) -> str | None:
    """The model that a path names, slashes and all: `/engines/{model}/chat/completions`."""
    if path.endswith(_TAIL):
        for head in _HEADS:
            if path.startswith(head) and len(path) > len(head) + len(_TAIL):
                return path[len(head) : -len(_TAIL)]
    return None
