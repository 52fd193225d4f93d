"""A terminal that shows what is typed at the prompt alone, and not in the middle of an answer; and is put back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from types import FrameType
from typing import TextIO


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. It stops what runs as Ctrl-C does, and then the session too."""


@contextmanager
def terminable() -> Generator[None, None, None]:
    """SIGTERM raises `Terminated` meanwhile, so that the terminal is put back and what had come is kept.

    Where signals are another thread's, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def unechoed(stream: TextIO) -> Generator[None, None, None]:
    """Keys typed meanwhile wait for the next prompt, unseen; Ctrl-C stays the signal that it is.

    Args:
        stream: What is typed on; where it is no terminal, or on Windows, nothing changes.
    """
    if not stream.isatty() or find_spec("termios") is None:
        yield
        return
    import termios

    place = stream.fileno()
    before = termios.tcgetattr(place)
    silent = termios.tcgetattr(place)
    # Key by key, not line by line: else Ctrl-D and what was not yet ended by Enter would be lost to the next prompt.
    silent[3] &= ~(termios.ECHO | termios.ICANON)
    silent[6][termios.VMIN], silent[6][termios.VTIME] = 1, 0
    termios.tcsetattr(place, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(place, termios.TCSADRAIN, before)
