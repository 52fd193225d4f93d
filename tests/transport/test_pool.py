"""Who gets a turn, and which connection."""

from __future__ import annotations

from wandb_inference._transport.pool import Idle, Origin, Turns

HERE = Origin("https", "here", 443)
THERE = Origin("https", "there", 443)


class Who:
    """Someone in line."""

    gone = False


class Connection:
    """A connection that knows whether it is closed."""

    closed = False

    def close(self) -> None:
        """Closes it."""
        self.closed = True


def test_nobody_overtakes() -> None:
    """While somebody waits, a free place is theirs."""
    turns: Turns[Who] = Turns(1)
    first, second = Who(), Who()
    assert turns.enter()
    assert not turns.enter()
    turns.wait(first)
    turns.wait(second)

    assert turns.leave() is first
    assert not turns.enter()
    assert turns.leave() is second
    assert turns.leave() is None
    assert turns.enter()


def test_who_left_is_passed_over() -> None:
    """A place is not given to somebody who no longer waits, nor lost."""
    turns: Turns[Who] = Turns(1)
    turns.enter()
    gone = Who()
    turns.wait(gone)
    gone.gone = True

    assert turns.leave() is None
    assert turns.enter()


def test_the_warmest_first() -> None:
    """The connection used last is taken first; each origin has its own."""
    idle: Idle[Connection] = Idle(limit=10, keepalive=20)
    old, new = Connection(), Connection()
    idle.put(HERE, old, now=0)
    idle.put(HERE, new, now=5)

    assert idle.take(THERE, now=6) is None
    assert idle.take(HERE, now=6) is new
    assert idle.take(HERE, now=6) is old
    assert idle.take(HERE, now=6) is None


def test_too_old() -> None:
    """When the warmest is too old, all are closed."""
    idle: Idle[Connection] = Idle(limit=10, keepalive=20)
    connections = [Connection(), Connection()]
    for connection in connections:
        idle.put(HERE, connection, now=0)

    assert idle.take(HERE, now=20) is None
    assert all(connection.closed for connection in connections)


def test_the_coldest_leave_as_others_come() -> None:
    """Connections at the bottom do not wait for the top to be too old."""
    idle: Idle[Connection] = Idle(limit=2, keepalive=20)
    cold, warm, next_one = Connection(), Connection(), Connection()
    idle.put(HERE, cold, now=0)
    idle.put(HERE, warm, now=15)
    idle.put(HERE, next_one, now=21)

    assert cold.closed
    assert not warm.closed
    assert idle.take(HERE, now=22) is next_one
    assert idle.take(HERE, now=22) is warm


def test_there_are_enough() -> None:
    """Beyond the limit connections are closed, whatever their origin."""
    idle: Idle[Connection] = Idle(limit=1)
    kept, extra = Connection(), Connection()
    idle.put(HERE, kept, now=0)
    idle.put(THERE, extra, now=0)

    assert extra.closed
    idle.clear()
    assert kept.closed
    another = Connection()
    idle.put(THERE, another, now=0)
    idle.clear(THERE)
    assert another.closed
