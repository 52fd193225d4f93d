"""Writes that are put off to the end of a turn of the event loop."""

from __future__ import annotations

from wandb_inference._transport.outbox import Outbox


class Sink:
    """Keeps what is written, in one list with others."""

    def __init__(self, name, written):
        self.name = name
        self.closing = False
        self.written = written

    def is_closing(self):
        return self.closing

    def write(self, data):
        self.written.append((self.name, data))


def test_writes_go_out_together():
    """All of a turn are sent at its end, in their order, and those of the next at its own."""
    turns, written = [], []
    outbox = Outbox(turns.append)
    one, other = Sink("one", written), Sink("other", written)
    outbox.put(one, b"1")
    outbox.put(other, b"2")
    outbox.put(one, b"3")
    assert (len(turns), written) == (1, [])

    turns.pop()()
    assert written == [("one", b"1"), ("other", b"2"), ("one", b"3")]
    outbox.put(other, b"4")
    turns.pop()()
    assert (turns, written[-1]) == ([], ("other", b"4"))


def test_a_transport_that_is_closed_meanwhile():
    """Nothing is written on one that is closed before the turn ends."""
    turns, written = [], []
    outbox = Outbox(turns.append)
    sink = Sink("one", written)
    outbox.put(sink, b"1")
    sink.closing = True
    turns.pop()()
    assert written == []
