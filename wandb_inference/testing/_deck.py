"""What a cassette knows: its recordings, which of them were played, and what is to be done about a request."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from .._files import replace_file
from ..exceptions import ConfigurationError
from ._cassette_options import Mode
from ._differences import is_match
from ._misses import miss
from ._scrubbing import Scrubber
from ._tape import Asked, Recording, file_of, read, rendered
from ._taping import Take

PLACEHOLDER: Final = "no-key-recordings-only"
"""The key of a client that has none: it can't record."""

_FIXTURE: Final = 0o666
"""Permissions of a new file before the umask: recordings are read, and committed, by others."""

_SPACED: Final = 10.0
"""While others are under way, a file is not written before so many times what it took to write the last time."""


_owners: WeakValueDictionary[Path, Deck] = WeakValueDictionary()
"""Who records a file: what two of them write without each other's knowledge would be lost."""
_owning = threading.Lock()


class _Slot:
    """The place of one exchange. They stand in the order in which they began."""

    def __init__(self, recording: Recording | None = None) -> None:
        self.recording = recording
        self.text = None if recording is None else rendered(recording)
        self.take: Take | None = None
        self.used = recording is None
        """Whether it was played, or made just now."""


class Deck:
    """The recordings of one file. Safe to use from several threads.

    Args:
        name: The file, as it was given.
        mode: Whether to play, to record, or both.
        match_on: What requests are compared by.
        scrubber: What is not written down.
        needs_key: Whether what is recorded is asked with a key that was looked up.
        repeats: Whether what was played is played again.
        how: How to record, for the message about a request that is not there.

    Raises:
        ConfigurationError: The file can't be read.
    """

    def __init__(
        self,
        name: str,
        mode: Mode,
        match_on: Collection[str],
        scrubber: Scrubber,
        *,
        needs_key: bool,
        repeats: bool,
        how: str,
    ) -> None:
        self.name = name
        self.path = Path(os.path.abspath(name))  # a test may go to another folder
        self._mode = mode
        self._match_on = match_on
        self._scrubber = scrubber
        self._needs_key = needs_key
        self._repeats = repeats
        self._how = how
        self._lock = threading.Lock()
        self._in_flight = 0
        self._spacing = self._written = 0.0
        self._unwritten = False
        self._slots: list[_Slot] = [] if mode == "record" else [_Slot(found) for found in self._read()]
        self.played = 0

    def _read(self) -> list[Recording]:
        try:
            return read(self.path.read_bytes(), self.name)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigurationError(f"The cassette {self.name!r} can't be read: {error.strerror}") from None

    def requests(self, *, unused: bool = False) -> list[Asked]:
        """The requests that have recordings, in order."""
        with self._lock:
            return [slot.recording.request for slot in self._slots if slot.recording and not (unused and slot.used)]

    @property
    def recorded(self) -> int:
        """How many exchanges were recorded just now."""
        with self._lock:
            return sum(slot.take is not None and slot.recording is not None for slot in self._slots)

    def find(self, take: Take) -> Recording | None:
        """What is to be played for a request; `None` if it is to be sent.

        Raises:
            CassetteMissError: Neither can be.
        """
        with self._lock:
            if take.learn(self._scrubber):
                self._scrub_again()
            asked = take.asked(self._scrubber)  # a filter that fails is to fail before anything is sent
            if self._mode == "record":
                return None
            again: _Slot | None = None
            for slot in self._slots:
                if slot.recording is None or not is_match(asked, slot.recording.request, self._match_on):
                    continue
                if not slot.used:
                    slot.used = True
                    self.played += 1
                    return slot.recording
                again = slot
            if again is not None and self._repeats:
                self.played += 1
                return again.recording
            if self._mode == "auto" and not (self._needs_key and take.key == PLACEHOLDER):
                return None
            hint = self._how
            if self._mode == "auto":
                hint = "There is no key to record it with: set WANDB_API_KEY and WANDB_PROJECT, and run again."
            recorded = [slot.recording.request for slot in self._slots if slot.recording]
            raise miss(asked, recorded, self._match_on, self.name, hint)

    def begin(self, take: Take) -> None:
        """A request is about to be sent, and will be recorded.

        Raises:
            ConfigurationError: It can't be: there is nowhere to write to. What was paid for would be lost.
        """
        what = f"The cassette {self.name!r} can't be written"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{what}: {error.strerror}") from None
        if not os.access(self.path.parent, os.W_OK):
            raise ConfigurationError(f"{what}: its folder is write-protected", hint="Give another path.")
        with self._lock, _owning:
            self._take_over()
            slot = _Slot()
            self._slots.append(slot)
            self._in_flight += 1
        take.begin(partial(self._keep, slot, take))

    def _take_over(self) -> None:
        """Becomes the one that records the file, with what another one has added to it."""
        owner = _owners.get(self.path)
        if owner is self:
            return
        if owner is not None and owner._in_flight:
            raise ConfigurationError(
                f"The cassette {self.name!r} is being recorded by another Cassette, and would be written over",
                hint="Use one Cassette for all clients, or give each a file of its own.",
            )
        if owner is not None and (self._slots or self._mode != "record"):
            known = {slot.text for slot in self._slots}
            self._slots += [_Slot(found) for found in self._read() if rendered(found) not in known]
        _owners[self.path] = self

    def drop(self) -> None:
        """A request came to nothing: it was cancelled before there was an answer. Its place stays empty."""
        with self._lock:
            self._in_flight -= 1

    def _keep(self, slot: _Slot, take: Take) -> None:
        with self._lock:
            slot.take = take
            self._scrub(slot, take)
            self._in_flight -= 1
            self._unwritten = True
            if not self._in_flight or time.monotonic() >= self._written + self._spacing:
                self._write()

    def _scrub(self, slot: _Slot, take: Take) -> None:
        slot.recording = take.recording(self._scrubber)
        slot.text = rendered(slot.recording)

    def _scrub_again(self) -> None:
        """Takes a key that has become known out of what was recorded before."""
        recorded = [(slot, slot.take) for slot in self._slots if slot.take is not None]
        for slot, take in recorded:
            self._scrub(slot, take)
        if recorded:
            self._write()

    def save(self) -> None:
        """Writes what is not written yet."""
        with self._lock, _owning:
            if self._unwritten:
                self._write()
            if not self._in_flight and _owners.get(self.path) is self:
                del _owners[self.path]

    def _write(self) -> None:
        began = time.monotonic()
        try:
            replace_file(self.path, file_of(slot.text for slot in self._slots if slot.text), permissions=_FIXTURE)
            self._unwritten = False
        except OSError as error:
            # The answer is whoever asked's: it is not lost because the disk is full.
            warnings.warn(f"wandb_inference: {self.name} can't be written: {error.strerror}", UserWarning, stacklevel=2)
        self._written = time.monotonic()
        self._spacing = _SPACED * (self._written - began)
