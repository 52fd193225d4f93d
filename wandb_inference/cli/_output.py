"""Rich's console, on an output that may end before we do."""

from __future__ import annotations

from rich.console import Console


class Output(Console):
    """A console that tells when nobody reads any more, where rich would end the program."""

    def on_broken_pipe(self) -> None:
        """Raises the `BrokenPipeError` that it is called for."""
        raise
