"""Who gets a place in a model's window, and in which order."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from wandb_inference._core.adaptive import INITIAL, Ticket
from wandb_inference._core.wire import Context, Failure, Request, Timeouts
from wandb_inference._transport import lanes
from wandb_inference._transport.async_gate import AsyncGate
from wandb_inference._transport.clocks import Clocks
from wandb_inference._transport.gate import Gate
from wandb_inference._transport.lanes import Lane, Lanes, Place, Waiter
from wandb_inference._transport.outcomes import NotSentError
from wandb_inference.types import Concurrency

BASE_URL = "https://a.b/v1"


class Bell:
    """Says whether it rang."""

    rang = False

    def set(self) -> None:
        """Rings."""
        self.rang = True


def request(model: str = "m", project: str | None = "team/project", base_url: str = BASE_URL) -> Request:
    """A request of a model."""
    return Request("POST", f"{base_url}/chat/completions", {}, b"{}", Timeouts(), Context(base_url, model, project))


def full() -> tuple[Lane[Bell], list[Ticket]]:
    """A lane without a free place, and who holds them."""
    lane: Lane[Bell] = Lane(1000)
    tickets = [ticket for _ in range(INITIAL) if (ticket := lane.enter())]
    assert lane.enter() is None
    return lane, tickets


def line(lane: Lane[Bell], *again: bool) -> list[Waiter[Bell]]:
    """Waiters in line."""
    return [lane.wait(Bell(), again=one) for one in again]


def test_who_comes_back_is_first() -> None:
    """A call that had been refused goes ahead of those that were not sent yet; among its like it waits in order."""
    lane, tickets = full()
    waiters = line(lane, False, True, False, True)
    called: list[int] = []
    for ticket in tickets[:4]:
        lane.leave(ticket, "unknown", None)
        called += [at for at, waiter in enumerate(waiters) if waiter.called.rang and at not in called]

    assert called == [1, 3, 0, 2]
    assert lane.waiting == 0


def test_nobody_overtakes() -> None:
    """While somebody waits, a free place is theirs."""
    lane, tickets = full()
    (waiter,) = line(lane, False)
    lane.leave(tickets[0], "unknown", None)

    assert waiter.ticket
    assert lane.enter() is None
    lane.leave(tickets[1], "unknown", None)
    assert lane.enter()


def test_growth_calls_two() -> None:
    """An answer frees a place and adds one; a refusal frees one that is gone."""
    lane, tickets = full()
    waiters = line(lane, False, False, False, False)
    lane.leave(tickets[0], "answered", 1.0)
    assert [waiter.called.rang for waiter in waiters] == [True, True, False, False]

    lane.leave(tickets[-1], "refused", None)
    assert [waiter.called.rang for waiter in waiters] == [True, True, False, False]


def test_who_left_is_passed_over() -> None:
    """A place is not given to somebody who no longer waits, nor lost."""
    lane, tickets = full()
    first, second = line(lane, False, False)

    assert lane.step_out(first) is None
    assert lane.waiting == 1
    lane.leave(tickets[0], "unknown", None)
    assert (first.called.rang, second.called.rang) == (False, True)
    assert lane.step_out(second) == second.ticket
    assert lane.waiting == 0


def test_a_lane_for_each_server_project_and_model() -> None:
    """What the service counts apart has windows of its own."""
    found: Lanes[Bell] = Lanes(1000)
    lane = found.of(request())

    assert found.of(request()) is lane
    others = [request(model="n"), request(project="team/other"), request(project=""), request(base_url="https://c.d")]
    assert len({id(found.of(other)) for other in [request(), *others]}) == 5
    assert found.of(request(project=None)) is found.of(request(project=""))

    lane.enter()
    assert found.read(BASE_URL, "team/project") == {
        "m": Concurrency(INITIAL, 1, 0, 0),
        "n": Concurrency(INITIAL, 0, 0, 0),
    }


def test_lanes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """When there are too many, those without a call in flight go."""
    monkeypatch.setattr(lanes, "MOST_LANES", 3)
    found: Lanes[Bell] = Lanes(1000)
    used = found.of(request("used"))
    used.enter()
    for number in range(5):
        found.of(request(str(number)))

    assert found.of(request("used")) is used
    assert len(found.read(BASE_URL, "team/project")) <= 3


def test_a_place_is_given_back_once() -> None:
    """Whoever else wants to give it back has nothing to give."""
    left: list[Any] = []
    place = Place(lambda verdict, seconds: left.append((verdict, seconds)))
    place.leave("answered", 1.0)

    assert place.leave("unknown") is None
    assert left == [("answered", 1.0)]


def clocks(deadline: float | None = None) -> Clocks:
    """The clocks of a call."""
    return Clocks(Timeouts(deadline=deadline))


def test_waiting_in_a_thread() -> None:
    """A thread waits until a place is free, and knows how long it did."""
    gate = Gate(1)
    place = gate.enter(request(), clocks(), again=False)
    waiting = clocks()
    got: list[Place] = []
    thread = threading.Thread(target=lambda: got.append(gate.enter(request(), waiting, again=False)))
    thread.start()
    while not gate.read(BASE_URL, "team/project")["m"].waiting:
        pass
    place.leave("unknown")
    thread.join(5)

    assert len(got) == 1
    assert waiting.queued > 0
    got[0].leave("unknown")
    assert gate.read(BASE_URL, "team/project")["m"] == Concurrency(1, 0, 0, 0)


@pytest.mark.parametrize("deadline", [0.02, 1e-9])
async def test_a_deadline_in_line(deadline: float) -> None:
    """Who has no time left leaves the line: nothing was sent."""
    gate, waiting = Gate(1), AsyncGate(1)
    gate.enter(request(), clocks(), again=False)
    await waiting.enter(request(), clocks(), again=False)

    with pytest.raises(NotSentError):
        gate.enter(request(), clocks(deadline), again=False)
    with pytest.raises(NotSentError):
        await waiting.enter(request(), clocks(deadline), again=False)
    assert gate.read(BASE_URL, "team/project")["m"] == Concurrency(1, 1, 0, 0)
    assert waiting.read(BASE_URL, "team/project")["m"] == Concurrency(1, 1, 0, 0)


@pytest.mark.parametrize("was_called", [False, True])
def test_an_interrupt_in_line(was_called: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C loses no place: not that of the interrupted call, even when its turn has just come."""
    gate = Gate(1)
    place = gate.enter(request(), clocks(), again=False)

    def interrupt(event: threading.Event, timeout: float | None = None) -> bool:
        if was_called:
            place.leave("unknown")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            gate.enter(request(), clocks(), again=False)
    place.leave("unknown")

    assert gate.read(BASE_URL, "team/project")["m"] == Concurrency(1, 0, 0, 0)
    gate.enter(request(), clocks(0.1), again=False)


@pytest.mark.parametrize("was_called", [False, True])
async def test_a_cancellation_in_line(was_called: bool) -> None:
    """Cancelling a task loses no place, even when its turn has just come."""
    gate = AsyncGate(1)
    place = await gate.enter(request(), clocks(), again=False)
    task = asyncio.ensure_future(gate.enter(request(), clocks(), again=False))
    await asyncio.sleep(0)
    assert gate.read(BASE_URL, "team/project")["m"].waiting == 1
    if was_called:
        place.leave("unknown")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    place.leave("unknown")

    assert gate.read(BASE_URL, "team/project")["m"] == Concurrency(1, 0, 0, 0)
    await gate.enter(request(), clocks(0.1), again=False)


async def test_the_end_of_the_line_is_an_outcome() -> None:
    """A deadline in line comes back as a failure that was not sent, for the retries to judge."""
    gate, waiting = Gate(1), AsyncGate(1)
    gate.enter(request(), clocks(), again=False)
    await waiting.enter(request(), clocks(), again=False)

    def send(*args: Any) -> Any:
        raise AssertionError("sent")

    ends = [
        gate.send(send, request(), None, clocks(0.01), False),
        await waiting.send(send, request(), None, clocks(0.01), False),
    ]
    for end in ends:
        assert isinstance(end, Failure)
        assert (end.sent, end.clock) == ("not_sent", "deadline")


async def test_what_sending_raises() -> None:
    """An exception gives the place back, and says nothing of the window."""
    gate, waiting = Gate(1), AsyncGate(1)

    def send(*args: Any) -> Any:
        raise ValueError("no vault")

    with pytest.raises(ValueError, match="no vault"):
        gate.send(send, request(), None, clocks(), False)
    with pytest.raises(ValueError, match="no vault"):
        await waiting.send(send, request(), None, clocks(), False)
    assert gate.read(BASE_URL, "team/project") == waiting.read(BASE_URL, "team/project")
    assert gate.read(BASE_URL, "team/project")["m"] == Concurrency(1, 0, 0, 0)
    assert gate.pid == waiting.pid == os.getpid()
