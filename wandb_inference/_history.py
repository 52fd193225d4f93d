"""The history of a conversation: all of it that does not wait for a server."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from typing_extensions import Self

from ._core.build import ELSEWHERE, model_id, unexpected_keyword
from ._core.conversation import answered, check_messages, opening, said
from ._core.saved import Saved, dump, load
from ._core.trimming import Gauge, check_tokens, overlong, size_of, size_of_tools
from ._core.validate import invalid
from ._files import replace_file
from ._turn import Turn
from .catalogue import known
from .exceptions import InvalidRequestError, RequestProblem
from .resources.chat import AsyncCompletions, Completions

if TYPE_CHECKING:
    from ._core.settings import Settings
    from .types import ChatCompletion, ChatParams

C = TypeVar("C", Completions, AsyncCompletions)

_PARAMS = tuple(n for n in signature(Completions.create).parameters if n not in ("self", "model", "messages", "stream"))
_ELSEWHERE = {
    **ELSEWHERE,
    "model": "set the conversation's .model",
    "messages": "edit the conversation's .messages",
    "system": "edit the conversation's .messages",
    "stream": "give it to say()",
    "window": "set the conversation's .window",
}

_ROOM = 10
"""One part in so many of the window is left for an answer whose length the caller does not bound."""


class History(Generic[C]):
    """What a conversation knows. Its attributes can be read and set between two turns."""

    id: str
    """A name of its own, by which traces tell it from others. A fork has another, and so has one that was loaded."""
    model: str
    """The model that answers. Another one goes on where this one stopped."""
    messages: list[Any]
    """What is sent with the next turn, oldest first: mappings, or models of `wandb_inference.types`. A plain list, to
    be edited freely; it is checked when something is said. What is added here is mappings."""
    params: dict[str, Any]
    """Parameters of each call, for those that `say()` is not given."""
    window: int | None
    """Tokens of prompt and answer that the model takes; `None`: what the catalogue knows, and where it knows nothing,
    no trimming but by `trim()`."""
    last: ChatCompletion | None
    """The last answer; its `finish_reason` is `None` where it was left or cut."""
    dropped: list[Any]
    """What trimming has taken out of `messages`, oldest first."""

    def __init__(self, settings: Settings, completions: C, saved: Saved) -> None:
        check_params("conversation", saved.params)
        model_id(settings, saved.model)
        if saved.window is not None:
            check_tokens("window", saved.window)
        self.id = os.urandom(16).hex()
        self._settings = settings
        # Those of the client, whose calls are known by this conversation.
        own = replace(settings, conversation=self.id)
        self._completions: C = type(completions)(own, cast("Any", completions)._transport)
        self.model = saved.model
        self.messages = saved.messages
        self.params = _listed(saved.params)
        self.window = saved.window
        self.last = None
        self.dropped = []
        self._gauge = Gauge()
        self._gauged = ""
        self._lock = threading.Lock()

    def fork(self) -> Self:
        """A conversation that goes on from here by itself: what is said in one is not known in the other.

        Raises:
            InvalidRequestError: `messages`, `params` or `window` were set to something that they can't be.
        """
        params = cast("dict[str, Any]", _copied(self._checked_params()))
        fork = type(self)(self._settings, self._completions, Saved(self.model, [], params, self.window))
        fork.messages, fork.dropped = deepcopy(self._checked_messages()), list(self.dropped)
        fork.last, fork._gauge, fork._gauged = self.last, self._gauge, self._gauged
        return fork

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the conversation to a file, as JSON; `client.chat.load_conversation()` reads it.

        The file is there whole or not at all. It keeps model, messages, parameters and window, but no key and no
        setting of the client's, and of the parameters neither `extra_headers` nor `extra_query` nor `cache_salt`: these
        hold secrets. A turn that is under way is not part of it.

        Args:
            path: Where to; a file that is there is replaced, with its permissions. A new one only its owner can read.

        Raises:
            InvalidRequestError: Something in it means nothing in JSON, or can't be sent.
            OSError: The file can't be written.
        """
        saved = Saved(self.model, self._checked_messages(), self._checked_params(), self._checked_window())
        replace_file(path, dump(saved))

    def trim(self, max_tokens: int) -> list[Any]:
        """Takes the oldest turns out of `messages` until the rest has so many tokens at most, and returns them.

        A turn is a message of the user's and all that follows until the next one. Turns go whole, so that no tool call
        is torn from its answer. The newest turn stays, however long it is, and so do the messages of the system.

        Tokens are estimated: from the server's last count of this conversation, before the first one a token for every
        three bytes of text. The estimate errs to the high side.

        Args:
            max_tokens: Tokens of the history at most, its tools included; from 1 up.

        Raises:
            InvalidRequestError: `max_tokens` is no such number, or `messages` are none.
        """
        check_tokens("max_tokens", max_tokens)
        model = model_id(self._settings, self.model)
        return self._drop(self._too_many(model, self._checked_messages(), self._checked_params(), max_tokens))

    def _too_many(self, model: str, messages: list[Any], params: Mapping[str, Any], limit: int) -> dict[int, Any]:
        """Which messages to leave out, by their indices."""
        sizes = [size_of(message) for message in messages]
        tools = size_of_tools(params)
        gauge = self._gauge_of(model)
        if gauge.estimate(sum(sizes) + tools) <= limit:
            return {}
        check_messages(messages)
        left_out = overlong(messages, sizes, lambda size: gauge.estimate(size + tools) <= limit)
        return {index: messages[index] for index in left_out}

    def _gauge_of(self, model: str) -> Gauge:
        # Another model counts by another tokenizer.
        return self._gauge if self._gauged == model else Gauge()

    def _checked_messages(self) -> list[Any]:
        if not isinstance(cast("object", self.messages), list):
            raise invalid("messages", self.messages, "a list")
        return self.messages

    def _checked_window(self) -> int | None:
        return None if self.window is None else check_tokens("window", self.window)

    def _checked_params(self) -> dict[str, Any]:
        if not isinstance(cast("object", self.params), dict):
            raise invalid("params", self.params, "a dict of parameters of create()")
        for name in self.params:
            if name not in _PARAMS:
                raise _unknown_param(name)
        self.params.update(_listed(self.params))
        return self.params

    def _drop(self, left_out: Mapping[int, Any]) -> list[Any]:
        messages = self._checked_messages()
        # Those that still stand where they stood: the list may have been edited while the answer came.
        out = {i for i, message in left_out.items() if i < len(messages) and messages[i] is message}
        gone = [messages[index] for index in sorted(out)]
        messages[:] = [message for index, message in enumerate(messages) if index not in out]
        self.dropped += gone
        return gone

    def _begin(self, content: object, params: Mapping[str, Any]) -> Turn:
        """The turn that sends what is said; until it has ended there can be no other.

        Raises:
            TypeError: A keyword that does not exist.
            InvalidRequestError: Something else is under way, or what is said is nothing that can be.
        """
        if not self._lock.acquire(blocking=False):
            raise InvalidRequestError(
                "another turn of this conversation is under way",
                hint="Wait for its answer, close its stream, or go on beside it in a fork().",
            )
        try:
            check_params("say", params)
            merged = {**self._checked_params(), **_listed(params)}
            new: list[Any] = said(content)
            messages = [*self._checked_messages(), *new]
            model = model_id(self._settings, self.model)
            limit = self._limit(model, merged)
            if self._is_wider(model):
                merged.setdefault("check_context", False)
            left_out = {} if limit is None else self._too_many(model, messages, merged, limit)
        except BaseException:
            self._lock.release()
            raise
        return Turn(self._end, model, messages, new, left_out, cast("ChatParams", merged))

    def _limit(self, model: str, params: Mapping[str, Any]) -> int | None:
        """Tokens of the longest prompt that leaves room for an answer; `None` where the window is not known."""
        info = known(model)
        window = self._checked_window() or (info and info.context)
        if window is None:
            return None
        name = "max_completion_tokens" if params.get("max_completion_tokens") else "max_tokens"
        room: object = params.get(name)
        if not isinstance(room, int):
            return window - window // _ROOM
        if room >= window:
            raise InvalidRequestError(
                f"{name} leaves no room for a prompt in a window of {window} tokens",
                hint=f"Lower {name}, or set the conversation's .window.",
                errors=[RequestProblem(name, room, f"less than {window}")],
            )
        return window - room

    def _is_wider(self, model: str) -> bool:
        """Whether the model takes more here than the table says, which then is no reason to refuse anything."""
        info = known(model)
        return info is not None and (self.window or 0) > (info.context or 0)

    def _end(self, turn: Turn, completion: ChatCompletion | None, cut: bool) -> None:
        try:
            message = None if completion is None else answered(completion, cut=cut)
            if completion is None or message is None:
                return
            self._checked_messages().extend(turn.new)
            self._drop(turn.left_out)
            self.messages.append(message)
            self.last = completion
            if completion.usage is not None and completion.usage.prompt_tokens > 0:
                self._gauge = self._gauge_of(turn.model).counted(turn.size, completion.usage.prompt_tokens)
                self._gauged = turn.model
        finally:
            self._lock.release()

    def __repr__(self) -> str:
        # Where a debugger shows one that is half made, or was set to nonsense, too.
        model, messages = (vars(self).get(name) for name in ("model", "messages"))
        count = len(cast("list[object]", messages)) if isinstance(messages, list) else 0
        return f"<{type(self).__name__} with {model}, {count} message{'' if count == 1 else 's'}>"


def settings_of(conversation: History[Any]) -> Settings:
    """The settings by which a conversation calls: for what of ours runs a conversation's tools."""
    return conversation._settings  # pyright: ignore[reportPrivateUsage]  # of this module


def check_params(function: str, params: Mapping[str, Any]) -> None:
    """Return if each parameter is one of `create()`.

    Raises:
        TypeError: A keyword that does not exist.
    """
    for name in params:
        if name not in _PARAMS:
            raise unexpected_keyword(function, name, _PARAMS, _ELSEWHERE, body=True)


def _unknown_param(name: object) -> InvalidRequestError:
    hint = None
    if isinstance(name, str):
        error = unexpected_keyword("say", name, _PARAMS, _ELSEWHERE, body=True)
        hint = str(error).partition("; ")[2]
    # Without the value, which may be a key.
    return InvalidRequestError(f"params[{name!r}] is no parameter of create()", hint=hint)


def _copied(value: object) -> object:
    """The value, with mappings and lists of its own all the way down."""
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in cast("Mapping[object, object]", value).items()}
    return [_copied(item) for item in cast("list[object]", value)] if isinstance(value, list) else value


def _listed(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, with lists for what can be read only once: it would be gone after it was measured or sent."""
    return {
        name: list(cast("Iterator[object]", value)) if isinstance(value, Iterator) else value
        for name, value in params.items()
    }


def begun(model: str, system: object, messages: object, params: Mapping[str, Any], window: int | None) -> Saved:
    """What a new conversation begins with.

    Raises:
        InvalidRequestError: These are no messages, or instructions are given twice.
    """
    return Saved(model, opening(system, messages), dict(params), window)


def read(path: str | os.PathLike[str], params: Mapping[str, Any]) -> Saved:
    """The conversation in a file, with some parameters added or replaced.

    Raises:
        TypeError: A keyword that does not exist.
        InvalidRequestError: It is not JSON, of another version, or no conversation.
        OSError: The file can't be read.
    """
    check_params("load_conversation", params)
    saved = load(Path(path).read_bytes(), os.fspath(path), _PARAMS)
    return saved._replace(params={**saved.params, **params})
