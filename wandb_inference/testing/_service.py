"""The service: requests in, plans out, and what it remembers between them."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Literal

from . import _chat, _checks, _errors, _feed, _render, _tokens
from ._completion import Choice, Completion
from ._faults import Fault
from ._json import as_dict, as_int, as_list, as_str
from ._plan import DONE, KEEP_ALIVE, Pause, Plan, Send, Step, event, events, json_answer
from ._queue import Queue
from ._replies import Answer, Reply
from ._requests import RecordedRequest
from ._schema import SchemaError
from ._settings import Settings

# Seconds since the epoch when the first answer was `created`; each later one comes a second after the one before, so
# that a run can be repeated to the letter.
_FIRST_CREATED = 1_767_225_600

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
FEED = "/inference/catalog/models"


class Exchange:
    """One request and the answer to be played."""

    def __init__(self, plan: Plan, request: RecordedRequest, finished: Callable[[], None]) -> None:
        self.plan = plan
        self.request = request
        self._finished = finished

    def close(self, outcome: Literal["sent", "left"]) -> None:
        """Say how it ended; only the first time counts."""
        if self.request.outcome == "open":
            self.request.outcome = outcome
            self._finished()


class Service:
    """Answers requests; safe to use from several threads."""

    def __init__(self, settings: Settings, on_request: Callable[[RecordedRequest], None] | None) -> None:
        self.settings = settings
        self.requests: deque[RecordedRequest] = deque(maxlen=10_000)  # an emulator may run for months
        self.replies: Queue[Answer] = Queue()
        self.faults: Queue[Fault] = Queue()
        # Reentrant, because a reply computed from the request may well look at the history.
        self.lock = threading.RLock()
        self.in_flight = 0
        self._on_request = on_request
        self._running: Counter[tuple[str | None, str | None]] = Counter()
        self._count = 0
        self._cache = _tokens.PrefixCache()

    def begin(self, request: RecordedRequest) -> Exchange:
        """Take a request; close the exchange when its plan was played, or when the client has left."""
        slot = (request.model, request.project)

        def finished() -> None:
            with self.lock:
                self.in_flight -= 1
                self._running[slot] -= taken

        with self.lock:
            self.requests.append(request)
            self._count += 1
            plan = self._answer(request, self._running[slot])
            self.in_flight += 1
            # Refusals take no place: the next would be refused because of them.
            taken = 0 if plan.status == 429 else 1
            self._running[slot] += taken
            if self.settings.latency:
                plan = plan._replace(before=(Pause(self.settings.latency), *plan.before))
            fault = self.faults.take(request)
            if fault is not None:
                plan = fault.change(plan)
            plan = plan._replace(headers={"x-request-id": f"req_{self._id}", **plan.headers})
            request.status = plan.status
        if self._on_request is not None:
            self._on_request(request)
        return Exchange(plan, request, finished)

    @property
    def _id(self) -> str:
        return hashlib.sha256(f"{self.settings.seed}:{self._count}".encode()).hexdigest()[:24]

    def _answer(self, request: RecordedRequest, running: int) -> Plan:
        settings = self.settings
        if request.path != FEED:  # which anybody may read
            refusal = _checks.edge(request.headers, settings, needs_project=request.path == CHAT)
            if refusal is not None:
                return refusal
        if settings.concurrency_limit is not None and running >= settings.concurrency_limit and request.path == CHAT:
            return _errors.error(429, f"concurrency limit reached for requests: {request.model}-project limit reached")
        answer = self.replies.take(request)
        if answer is None:
            return self._routed(request)
        made = answer if isinstance(answer, Reply) else answer(request)
        return self._scripted(made if isinstance(made, Reply) else Reply(made), request)

    def _routed(self, request: RecordedRequest) -> Plan:
        if request.path == CHAT:
            return self._chat(request) if request.method == "POST" else _errors.error(405)
        if request.path == MODELS:
            # Weave's client fetches the list with POST, and the service lets it.
            return self._models() if request.method in ("GET", "POST") else _errors.error(405)
        if request.path == FEED:
            return json_answer(200, _feed.body()) if request.method == "GET" else _errors.error(405)
        id = request.path.removeprefix(f"{MODELS}/")
        if id == request.path or not self.settings.serves(id):
            return _errors.error(404)
        return json_answer(200, _model(id, self.settings)) if request.method == "GET" else _errors.error(405)

    def _models(self) -> Plan:
        return json_answer(200, {"object": "list", "data": [_model(id, self.settings) for id in self.settings.listed]})

    def _chat(self, request: RecordedRequest) -> Plan:
        refusal = _checks.chat(request.body, self.settings)
        if refusal is not None:
            return refusal
        body = as_dict(request.body)
        try:
            choices = _chat.choices(body, self.settings.seed)
        except SchemaError as error:
            return _errors.unprocessable(
                ("response_format",) if body.get("response_format") else ("tools",), str(error)
            )
        return self._completed(body, choices, self.settings.tokens_per_second)

    def _scripted(self, reply: Reply, request: RecordedRequest) -> Plan:
        body = as_dict(request.body)
        plan = reply.plan()
        if plan is None:
            choices = (reply.choice(),) * as_int(body.get("n"), 1)
            pace = reply.tokens_per_second or self.settings.tokens_per_second
            plan = self._completed(body, choices, pace, reply)
            plan = plan._replace(headers={**plan.headers, **reply.headers})
        return plan._replace(before=(Pause(reply.delay), *plan.before)) if reply.delay else plan

    def _completed(
        self, body: dict[str, object], choices: tuple[Choice, ...], pace: float | None, reply: Reply | None = None
    ) -> Plan:
        messages = [as_dict(message) for message in as_list(body.get("messages"))]
        prompt = _tokens.prompt_tokens(messages, as_list(body.get("tools")))
        model = as_str(body.get("model"))
        completion = Completion(
            id=f"chatcmpl-{self._id}",
            created=_FIRST_CREATED + self._count,
            model=model,
            choices=choices,
            prompt=tuple(prompt),
            cached=self._cache.hit(f"{model} {as_str(body.get('cache_salt'))}", prompt),
            usage_override=None if reply is None else reply.usage,
        )
        field = self.settings.reasoning_field
        if body.get("stream") is True:
            return events(tuple(_paced(_render.chunks(completion, body, field), pace)))
        plan = json_answer(200, _render.body(completion, body, field))
        tokens = max(len(choice.tokens) for choice in choices)
        return plan._replace(before=(Pause(tokens / pace),)) if pace else plan


def _paced(chunks: Iterator[dict[str, object]], pace: float | None) -> Iterator[Step]:
    yield Send(KEEP_ALIVE)
    for chunk in chunks:
        yield event(chunk)
        if pace:
            yield Pause(1 / pace)
    yield Send(DONE)


def _model(id: str, settings: Settings) -> dict[str, object]:
    model: dict[str, object] = {"id": id, "object": "model", "created": 0, "owned_by": "system", "root": id}
    window = settings.window(id)
    return model if window is None else {**model, "max_model_len": window}
