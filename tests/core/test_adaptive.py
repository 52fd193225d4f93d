"""The size of a window: in virtual time against servers, and rule by rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import pytest
from simulation import World

from wandb_inference._core.adaptive import INITIAL, PAUSE, PROBE, ROUND, Gauge, Ticket, Window, verdict
from wandb_inference._core.flow import Journal, request_flow
from wandb_inference._core.retry import RetryPolicy
from wandb_inference._core.wire import Context, Failure, Reply, Request, Timeouts
from wandb_inference.exceptions import ConcurrencyLimitError

Latency = Callable[[Random, int], float]

REQUEST = Request("POST", "https://a.b/v1/chat/completions", {}, b"{}", Timeouts(), Context("https://a.b/v1", "m"))


def constant(chance: Random, busy: int) -> float:
    """Each answer takes a second."""
    return 1.0


def uneven(chance: Random, busy: int) -> float:
    """Answers of different lengths, a second on average, as models give them."""
    return chance.expovariate(1.0)


def queueing(chance: Random, busy: int) -> float:
    """A server that refuses nobody and works on 8 at a time."""
    return max(1.0, busy / 8)


def unlimited(now: float) -> float:
    """A server that refuses nobody."""
    return float("inf")


@pytest.mark.parametrize("latency", [constant, uneven])
@pytest.mark.parametrize("seed", range(3))
def test_a_fan_out_against_a_limit_of_8(latency: Latency, seed: int) -> None:
    """1,000 calls at once: none fails, within 15 % of the limit's throughput, and under 3 % of attempts are refused."""
    world = World(1000, lambda now: 8, latency, seed).run()

    assert (len(world.answered), world.failed) == (1000, 0)
    assert world.now <= 1.15 * 1000 / 8
    assert world.refused < 30


@pytest.mark.parametrize(("limit", "refused"), [(1, 0.12), (2, 0.08), (3, 0.06), (20, 0.04), (50, 0.05)])
def test_other_limits(limit: int, refused: float) -> None:
    """The same for limits from 1 up; the fewer there are, the more of the attempts are probes."""
    world = World(2000, lambda now: limit, constant).run()

    assert (len(world.answered), world.failed) == (2000, 0)
    assert world.now <= 1.15 * 2000 / limit
    assert world.refused / 2000 < refused


def test_a_limit_that_moves() -> None:
    """When the limit goes from 8 to 3 and to 20, the window is there within a few answers, or a few windows."""
    world = World(3000, lambda now: 8 if now < 100 else 3 if now < 200 else 20, constant).run()

    assert world.failed == 0
    assert world.limit_at(99) in (8, 9)
    assert world.limit_at(103) in (3, 4)
    assert world.limit_at(199) in (3, 4)
    assert world.limit_at(225) in (20, 21)
    assert world.refused < 100


def test_a_server_that_queues() -> None:
    """Without a single refusal growth ends, and what brought nothing is taken back: at full throughput."""
    world = World(5000, unlimited, queueing).run()
    late = [limit for when, limit in world.answered if when > 60]

    assert world.now <= 1.1 * 5000 / 8
    assert max(limit for _, limit in world.answered) <= 8 * INITIAL
    assert max(late) <= 3 * 8
    assert min(late) >= 7


def test_longer_answers_cost_nothing() -> None:
    """Calls that become ten times as long are no reason to send fewer."""

    def longer(chance: Random, busy: int) -> float:
        return chance.expovariate(1.0) * (1 if len(world.answered) < 500 else 10)

    world = World(3000, lambda now: 64, longer)
    world.run()

    assert min(limit for when, limit in world.answered if when > 20) >= 55


def test_a_server_that_refuses_everything() -> None:
    """Each call ends as an error, after the retries of a window of 1."""
    world = World(50, lambda now: 0, constant).run()

    assert (world.failed, len(world.answered)) == (50, 0)
    assert world.refused < 50 * 3 + 3 * INITIAL


def test_first_come_first_sent() -> None:
    """Nobody is overtaken by a call that came later."""
    world = World(300, lambda now: 8, uneven).run()

    assert world.first_sent == list(range(300))


def test_the_most() -> None:
    """A window never grows past what may be in flight at all."""
    world = World(500, unlimited, constant, most=20).run()

    assert max(limit for _, limit in world.answered) == 20
    assert Window(3).limit == 3


# --- Rule by rule ---------------------------------------------------------------------------------------------------


def taken(window: Window) -> list[Ticket]:
    """Tickets for all places there are."""
    tickets: list[Ticket] = []
    while ticket := window.enter():
        tickets.append(ticket)
    return tickets


def test_places() -> None:
    """There are as many places as the limit says, and each knows what was in flight."""
    window = Window(1000)
    tickets = taken(window)

    assert window.in_flight == window.limit == len(tickets) == INITIAL
    assert [ticket.in_flight for ticket in tickets] == list(range(1, INITIAL + 1))
    assert [ticket.number for ticket in tickets] == list(range(1, INITIAL + 1))


def test_doubling_at_the_start() -> None:
    """Each answer of a full window adds a place, so that a flight doubles it."""
    window = Window(1000)
    for ticket in taken(window):
        window.leave(ticket, "answered", 1.0)
        taken(window)

    assert window.limit == 2 * INITIAL


def test_what_was_not_used_proves_nothing() -> None:
    """A window that is not full does not grow, however many answers come."""
    window = Window(1000)
    for _ in range(100):
        ticket = window.enter()
        assert ticket
        window.leave(ticket, "answered", 1.0)

    assert window.limit == INITIAL


def test_one_less_than_were_in_flight() -> None:
    """The refusals of a flight say together how many fit; whatever the order in which they come."""
    window = Window(1000)
    tickets = taken(window)
    for ticket in (tickets[8], tickets[9], tickets[7]):
        assert window.leave(ticket, "refused") is not None

    assert (window.limit, window.in_flight, window.refused) == (7, 7, 3)


def test_a_flight_halves_at_most() -> None:
    """Even where all are refused; the next flight may halve again, down to 1 and no further."""
    window = Window(1000)
    limits = []
    for _ in range(5):
        for ticket in taken(window):
            window.leave(ticket, "refused")
        limits.append(window.limit)

    assert limits == [5, 2, 1, 1, 1]


def test_refusals_are_free_while_the_window_can_shrink() -> None:
    """A call that left when the window was 1 has used up a retry; one that left before has not."""
    window = Window(2)
    first, second = taken(window)

    assert window.leave(second, "refused") is not None
    assert window.limit == 1
    assert window.leave(first, "refused") is not None
    (third,) = taken(window)
    assert window.leave(third, "refused") is None


@pytest.mark.parametrize(
    ("seconds", "pause"), [(None, PAUSE[1]), (0.001, PAUSE[0]), (0.5, 0.25), (100.0, PAUSE[2])], ids=str
)
def test_how_soon_a_refused_call_comes_back(seconds: float | None, pause: float) -> None:
    """After half of the usual latency, within bounds."""
    window = Window(1000)
    answered, refused, *_ = taken(window)
    window.leave(answered, "answered", seconds)

    assert window.leave(refused, "refused") == pause


def test_a_flight_that_left_before_the_decrease() -> None:
    """Its answers make nothing grow: they left under the old limit."""
    window = Window(1000)
    *others, last = taken(window)
    window.leave(last, "refused")
    for ticket in others:
        window.leave(ticket, "answered", 1.0)

    assert window.limit == INITIAL - 1


def refused_at(size: int) -> Window:
    """A window that was refused at this size, and is empty."""
    window = Window(1000)
    tickets = [ticket for ticket in taken(window) if ticket.in_flight <= size]
    window.leave(tickets.pop(), "refused")
    for _ in range(INITIAL - size):
        window.leave(Ticket(0, 0, 0), "unknown")
    for ticket in tickets:
        window.leave(ticket, "unknown")
    assert (window.limit, window.in_flight) == (size - 1, 0)
    return window


def answers_until(window: Window, limit: int) -> float:
    """How many windows of answers it takes to get to a limit, all places taken all the time."""
    flight = taken(window)
    count = 0
    while window.limit < limit:
        window.leave(flight.pop(0), "answered", 1.0)
        flight += taken(window)
        count += 1
    for ticket in flight:
        window.leave(ticket, "unknown")
    return count / limit


def test_the_plateau_below_the_ceiling() -> None:
    """What was refused is tried again only after `PROBE` windows; when it fits, growth begins anew."""
    window = refused_at(9)

    assert PROBE - 1.5 <= answers_until(window, 9) <= PROBE
    assert answers_until(window, 10) <= 1.1
    assert answers_until(window, 20) <= 1.1


def test_additive_increase() -> None:
    """A refusal takes a tenth; from there each window of answers adds one, up to the plateau."""
    window = Window(1000)
    answers_until(window, 20)
    *others, last = taken(window)
    window.leave(last, "refused")
    for ticket in others:
        window.leave(ticket, "unknown")

    assert window.limit == 18
    assert 0.9 <= answers_until(window, 19) <= 1.1
    assert answers_until(window, 20) >= PROBE - 1.5


def test_a_late_refusal() -> None:
    """A refusal that comes when the window has grown past its size meanwhile changes nothing."""
    window = Window(1000)
    *others, late, last = taken(window)
    window.leave(last, "refused")
    for ticket in others:
        window.leave(ticket, "unknown")
    answers_until(window, 15)
    limit = window.limit

    assert window.leave(late, "refused") is not None
    assert window.limit == limit


def test_overload() -> None:
    """A busy server gets a tenth less, once a flight, and the call's retries are its own."""
    window = Window(1000)
    for ticket in taken(window):
        assert window.leave(ticket, "overloaded") is None

    assert (window.limit, window.refused) == (9, 0)


def reply(status: int, message: str = "", headers: dict[str, str] | None = None) -> Reply:
    """An answer with an error object."""
    body = json.dumps({"error": {"message": message}}).encode()
    return Reply(status, headers or {}, body, None, seconds=0.1, to_headers=0.1, elapsed=0.1, now=0.0)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (reply(200), "answered"),
        (reply(429, "concurrency limit reached for requests: m-project limit reached"), "refused"),
        (reply(429, "Concurrency limit reached for requests"), "refused"),
        (reply(429, "Too many tokens in this minute"), "overloaded"),
        (reply(429, "You exceeded your current quota"), "unknown"),
        (reply(429, "W&B Inference isn't available for personal accounts"), "unknown"),
        (reply(503, "overloaded"), "overloaded"),
        (reply(529, "overloaded"), "overloaded"),
        (reply(500), "unknown"),
        (reply(400), "unknown"),
        (Failure(None, "reset", "unknown", None, False, 0.1, 0.1), "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_verdicts(outcome: Reply | Failure, said: str) -> None:
    """What is too many is told from what is too much for the server, and from what says nothing of either."""
    assert verdict(outcome, REQUEST) == said


def test_a_refusal_that_is_no_retry() -> None:
    """With `pause` on the answer the call comes back, at doubling intervals, and has all its retries left."""
    flow = request_flow(REQUEST, Journal(RetryPolicy(max_retries=1), jitter=lambda: 0.0))
    busy = reply(429, "Concurrency limit reached for requests")

    assert next(flow).wait == 0.0
    assert [flow.send(busy._replace(pause=0.1)).wait for _ in range(3)] == [0.1, 0.2, 0.4]
    assert flow.send(busy).wait == 0.5
    assert flow.send(busy._replace(pause=0.1)).wait == 0.8
    with pytest.raises(ConcurrencyLimitError) as caught:
        flow.send(busy)
    assert len(caught.value.attempts) == 6


def test_pauses_are_bounded() -> None:
    """Doubling ends at the policy's longest wait; chance takes up to a half."""
    policy = RetryPolicy()
    error = ConcurrencyLimitError("busy", status_code=429)

    assert policy.comeback(1.0, 10_000, error, 0.0) == 8.0
    assert policy.comeback(1.0, 0, error, 0.5) == 0.75


class Rounds:
    """A gauge, fed with whole rounds."""

    def __init__(self) -> None:
        self.gauge = Gauge(ROUND)
        self.sent = 0

    def add(self, in_flight: int, seconds: float) -> float | None:
        """What a round of calls comes to."""
        found = None
        for _ in range(ROUND):
            self.sent += 1
            found = self.gauge.take(Ticket(self.sent, in_flight, 99), seconds, ROUND, self.sent)
        return found


def test_growth_without_throughput_is_taken_back() -> None:
    """A suspicion stops growth, the next round confirms it; then growth rests."""
    rounds = Rounds()

    assert rounds.add(8, 1.0) is None
    assert not rounds.gauge.holds
    assert rounds.add(16, 2.0) is None
    assert rounds.gauge.holds
    assert rounds.add(16, 2.0) == 8
    for _ in range(PROBE):
        assert rounds.gauge.holds
        rounds.add(8, 1.0)
    assert not rounds.gauge.holds


def test_a_suspicion_that_was_wrong() -> None:
    """One round of longer answers is no proof."""
    rounds = Rounds()
    rounds.add(8, 1.0)
    rounds.add(16, 2.0)

    assert rounds.add(16, 1.0) is None
    assert not rounds.gauge.holds


def test_growth_that_brought_throughput() -> None:
    """Somewhat longer calls are fine where more than half of the growth has become throughput."""
    rounds = Rounds()
    rounds.add(8, 1.0)
    rounds.add(32, 1.55)

    assert not rounds.gauge.holds


def test_steps_too_small_to_show() -> None:
    """Creeping growth is compared with where it began, not with the step before."""
    rounds = Rounds()
    for in_flight in range(8, 13):
        rounds.add(in_flight, in_flight / 8)
    rounds.add(13, 13 / 8)

    assert rounds.add(13, 13 / 8) == 8


def test_calls_of_the_round_before() -> None:
    """A call that left before the round began has no part in it."""
    gauge = Gauge(ROUND)
    gauge.forget(100, ROUND)

    for _ in range(10 * ROUND):
        assert gauge.take(Ticket(100, 8, 99), 1.0, ROUND, 200) is None
    assert gauge.take(Ticket(101, 8, 99), 1.0, ROUND, 200) is None
