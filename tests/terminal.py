"""A command in a real pseudo-terminal, and the screen that it draws, for tests of what people see and type.

The line discipline is the kernel's, so that Ctrl-C is a signal where the program left it one; the screen is pyte's,
which also answers the questions that programs ask a terminal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import pyte

# Run in the child: a process may not fork safely between threads, so nothing of ours runs before the exec.
_LAUNCH = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A terminal window with one command in it. `with Terminal.spawn([...]) as terminal:` ends the command at the end.

    Args:
        argv: The command and its arguments.
        env: Variables added to this process's environment; a value of None takes one away.
        rows: Height in lines.
        cols: Width in columns.
        cwd: The directory to run in.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str | None] | None = None,
        rows: int = 24,
        cols: int = 80,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        self._screen = pyte.HistoryScreen(cols, rows, history=10_000, ratio=0.5)
        self._screen.write_process_input = self.send
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        self._set_size(rows, cols)
        variables: dict[str, str | None] = {**os.environ, "TERM": "xterm-256color", "LINES": None, "COLUMNS": None}
        variables |= {"NO_COLOR": None, "FORCE_COLOR": None, **(env or {})}
        self.raw = b""
        """Every byte that the command wrote."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCH, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={name: value for name, value in variables.items() if value is not None},
            cwd=cwd,
            start_new_session=True,
        )
        os.close(slave)

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str | None] | None = None,
        rows: int = 24,
        cols: int = 80,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Terminal:
        """The command, started."""
        return cls(argv, env, rows, cols, cwd)

    def send(self, text: str) -> None:
        """Types text. Enter is a carriage return, Ctrl-C the character 3, Ctrl-D the character 4."""
        with contextlib.suppress(OSError):  # the command has ended
            os.write(self._master, text.encode())

    def screen(self) -> str:
        """What can be seen: the lines of the window, without spaces at their ends and empty lines at the bottom."""
        self._read(0)
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def everything(self) -> str:
        """What can be seen when scrolling up, and then the window."""
        self._read(0)
        above = ("".join(row[x].data for x in range(self._screen.columns)) for row in self._screen.history.top)
        return "\n".join(line.rstrip() for line in [*above, *self._screen.display]).rstrip()

    @property
    def cells(self) -> pyte.HistoryScreen:
        """Pyte's screen, for colours and the place of the cursor."""
        return self._screen

    def wait_for(self, text: str, timeout: float = 10, *, count: int = 1) -> str:
        """Everything that is there once a text is, so many times.

        Raises:
            AssertionError: It did not come within `timeout` seconds, or before the command ended; with what was there.
        """
        ends = time.monotonic() + timeout
        while True:
            seen = self.everything()
            if seen.count(text) >= count:
                return seen
            if time.monotonic() > ends:
                raise AssertionError(f"{text!r} did not come within {timeout} s:\n{seen}")
            if not self._read(0.05) and self.everything().count(text) < count:
                raise AssertionError(f"{text!r} did not come before the command ended:\n{seen}")

    def resize(self, rows: int, cols: int) -> None:
        """Makes the window as large as this; the command is told, as ever, by SIGWINCH."""
        self._screen.resize(rows, cols)
        self._set_size(rows, cols)

    def wait(self, timeout: float = 10) -> int:
        """The exit code, once the command has ended; minus the signal's number where one ended it.

        Raises:
            AssertionError: It did not end within `timeout` seconds.
        """
        ends = time.monotonic() + timeout
        while self._read(0.05):
            if time.monotonic() > ends:
                raise AssertionError(f"the command did not end within {timeout} s:\n{self.everything()}")
        return self._process.wait(timeout)

    def kill(self, number: int) -> None:
        """Sends the command a signal."""
        self._process.send_signal(number)

    def modes(self) -> int:
        """The local modes of the line discipline, such as `termios.ECHO`."""
        return cast("int", termios.tcgetattr(self._master)[3])

    def close(self) -> int:
        """Closes the window, as its button does; the exit code."""
        if self._master >= 0:
            os.close(self._master)  # the kernel sends SIGHUP
            self._master = -1
        try:
            return self._process.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_size(self, rows: int, cols: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def _read(self, seconds: float) -> bool:
        """Draws what the command wrote, waiting for it so long; whether there may be more."""
        if self._master < 0:
            return False
        while select.select([self._master], [], [], seconds)[0]:
            try:
                written = os.read(self._master, 65536)
            except OSError:  # how Linux says that nobody holds the other end
                return False
            if not written:
                return False
            self.raw += written
            self._stream.feed(written)
            seconds = 0
        return True


def styled(screen: pyte.Screen, text: str) -> Iterable[pyte.screens.Char]:
    """The cells of the first place where the window shows a text."""
    for row, line in enumerate(screen.display):
        start = line.find(text)
        if start >= 0:
            return [screen.buffer[row][start + offset] for offset in range(len(text))]
    raise AssertionError(f"{text!r} is not on the screen:\n" + "\n".join(screen.display))
