"""What a client tells its user once."""

from __future__ import annotations

from .._config import warn


class Notices:
    """What a client's user was told. Shared by a client and its clones; another thread's warning may come twice."""

    __slots__ = ("_met", "_told")

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._met: set[str] = set()

    def once(self, message: str) -> None:
        """A `UserWarning`, the first time; each time where warnings are errors."""
        if message not in self._told:
            warn(message)
            self._told.add(message)

    def adapter(self, model: str) -> None:
        """A warning where a LoRA without a fixed version is used for the second time."""
        name, _, version = model.rpartition("/")[2].partition(":")
        if version not in ("", "latest"):
            return
        if model not in self._met:
            self._met.add(model)
            return
        pinned = f"{model.rpartition('/')[0]}/{name}:v3"
        self.once(
            f'model "{model}" is used again and names no fixed version: each call may get another one, without a word, '
            f'and what was cached for one is lost with it. Pin a version, such as "{pinned}".'
        )
