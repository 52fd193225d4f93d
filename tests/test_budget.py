"""Budgets: calls stop before they are sent, whoever makes them, and nothing that was paid for is lost."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import pickle
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import anyio
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each, texts
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wandb_inference import (
    APIError,
    Budget,
    BudgetExceededError,
    ConfigurationError,
    InternalServerError,
    ParseError,
    Price,
    Stream,
    StreamInterruptedError,
    budget,
    completion,
)
from wandb_inference._money import ACTIVE
from wandb_inference._money.limits import Asked, Hold, Limits
from wandb_inference._money.tokens import Tokens
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import DoneEvent, Spending
from wandb_inference.types.cost import in_dollars

OTHER = "zai-org/GLM-5.2"
LORA = "wandb-artifact:///team/project/name:v1"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
CENT = {"input_cost_per_token": "0.001", "output_cost_per_token": "0.002"}
"""With the usage above, two cents a call."""
PRICED = {"prices": {MODEL: CENT}}


@pytest.fixture
def replies(emulator: Emulator) -> Emulator:
    """An emulator whose answers cost two cents at the prices above."""
    emulator.reply("Hi", usage=USAGE, times=None)
    return emulator


class TestLimits:
    """What stops a call."""

    async def test_dollars(self, make: Any, replies: Emulator) -> None:
        """A call that the dollars left are too few for is refused, and the error says what was spent on what."""
        client = make(**PRICED)
        with budget(usd="0.05") as b:
            for _ in range(2):
                await ask(client, max_tokens=5)
            with pytest.raises(BudgetExceededError) as caught:
                await ask(client, max_tokens=5)
        error = caught.value

        assert len(replies.requests) == 2
        assert (b.spent, b.left, b.reserved, b.in_flight) == (Decimal("0.04"), Decimal("0.01"), 0, 0)
        assert (error.unit, error.limit, error.spent, error.reserved) == ("usd", b.usd, b.spent, 0)
        assert error.asked == Decimal("0.02")
        assert error.by_model == b.by_model == {MODEL: Spending(2, 20, 0, 10, 0, Decimal("0.04"))}
        assert str(error) == (
            f"The budget of $0.05 has $0.01 left, and this call of {MODEL} may take $0.02: "
            f"$0.04 spent ({MODEL}: 2 calls, 30 tokens, $0.04). "
            "Nothing was sent. A smaller max_tokens= needs less. Else it takes a larger budget."
        )
        assert error.cost is None
        assert (await ask(client)).text == "Hi"  # outside of it
        await done(client.close())

    async def test_tokens(self, client: Any, replies: Emulator) -> None:
        """Tokens are those of the prompt and of the longest answer that may come."""
        with budget(tokens=40) as b:
            await ask(client, max_tokens=5)
            with pytest.raises(
                BudgetExceededError, match=r"has 25 tokens left, .* may take 32 tokens: 15 tokens spent"
            ) as caught:
                await ask(client, max_tokens=11, n=2)
            await ask(client, max_completion_tokens=15)

        assert (caught.value.unit, caught.value.limit, caught.value.spent) == ("tokens", 40, 15)
        assert caught.value.asked == 10 + 2 * 11
        assert b.left is None
        assert b.total.total_tokens == 30

    async def test_calls(self, client: Any, replies: Emulator) -> None:
        """Calls are those that brought an answer."""
        replies.fault(Fault.status(400))
        with budget(calls=1) as b:
            with pytest.raises(APIError, match="400"):
                await ask(client)
            await ask(client)
            with pytest.raises(
                BudgetExceededError, match=r"The budget of 1 call has none left for this one of .*: 1 call spent \("
            ):
                await ask(client)

        assert (b.total.calls, b.total.failed) == (1, 1)
        assert repr(b) == f"<Budget of 1 call: 1 call, 15 tokens, {in_dollars(b.spent)} spent>"
        assert repr(Budget("5", tokens=1_000)).startswith("<Budget of $5, 1,000 tokens: 0 calls")

    async def test_streams(self, make: Any, replies: Emulator) -> None:
        """Streams are held while they are open, and settled when they are closed."""
        client = make(**PRICED)
        with budget(usd="0.05") as b:
            stream = await ask(client, stream=True, max_tokens=20)
            assert (b.reserved, b.in_flight, b.spent) == (Decimal("0.05") - (b.left or 0), 1, 0)
            with pytest.raises(BudgetExceededError, match="held back for 1 call in flight"):
                await ask(client, max_tokens=20)
            async for _ in each(stream):
                pass
            assert (b.spent, b.reserved, b.in_flight) == (Decimal("0.02"), 0, 0)
            assert stream.cost == b.spent
        await done(client.close())

    async def test_no_bound(self, client: Any, emulator: Emulator) -> None:
        """Without `max_tokens` an answer counts as those before it: none alone, 1,000 tokens beside others."""
        emulator.reply("Hi", usage={"prompt_tokens": 10, "completion_tokens": 400}, times=None)
        with budget(tokens=1_000) as b:
            first = await ask(client, stream=True)
            with pytest.raises(BudgetExceededError) as caught:
                await ask(client)
            async for _ in each(first):
                pass
            with pytest.raises(BudgetExceededError) as learned:
                await ask(client, n=2)
            await ask(client, n=1)

        assert caught.value.asked == 1_010
        assert learned.value.asked == 10 + 2 * 400
        assert b.total.total_tokens == 820

    async def test_calls_in_flight(self, client: Any) -> None:
        """Calls in flight count."""
        with budget(calls=1):
            stream = await ask(client, stream=True)
            with pytest.raises(BudgetExceededError, match="0 calls spent, 1 call in flight"):
                await ask(client)
            await done(stream.close())

    async def test_nested(self, make: Any, replies: Emulator) -> None:
        """Each of nested budgets must have room, and nothing stays held where one refuses."""
        client = make(**PRICED)
        with budget(usd=1) as outer, budget(usd="0.03") as inner:
            await ask(client, max_tokens=5)
            with pytest.raises(BudgetExceededError):
                await ask(client, max_tokens=5)
            assert (outer.spent, outer.reserved, inner.spent) == (Decimal("0.02"), 0, Decimal("0.02"))
        with outer:
            await ask(client, max_tokens=5)

        assert (outer.spent, inner.spent) == (Decimal("0.04"), Decimal("0.02"))
        await done(client.close())

    async def test_bound_and_around(self, client: Any, replies: Emulator) -> None:
        """A budget that a client is bound to counts once where it is also around; `None` unbinds it."""
        b = budget(calls=3)
        bound = client.with_options(budget=b)
        with b, b:
            await ask(bound)
            assert b.total.calls == 1
        await ask(client)
        await ask(bound.with_options(budget=None))
        await ask(bound.with_options(max_retries=0))

        assert b.total.calls == 2
        assert ACTIVE.get() == ()

    async def test_left_out_of_order(self, client: Any, replies: Emulator) -> None:
        """Budgets can be left in any order, as generators do, and even twice."""
        one, other = budget(calls=5), budget(calls=5)
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        await ask(client)
        other.__exit__(None, None, None)
        other.__exit__(None, None, None)

        assert (one.total.calls, other.total.calls, ACTIVE.get()) == (0, 1, ())


class TestPrices:
    """What a call is charged."""

    async def test_no_price(self, client: Any, emulator: Emulator) -> None:
        """A budget in dollars needs a price; others do without, and the dollars are those that are known."""
        with budget(usd=5), pytest.raises(ConfigurationError, match="no price of team/new is known") as caught:
            await ask(client, model="team/new")
        assert "limit tokens= or calls= instead" in str(caught.value)
        assert not emulator.requests
        emulator.reply("Hi", usage=USAGE, when=lambda request: request.model == "team/new")
        with budget(tokens=1_000) as b:
            await ask(client, model="team/new")
        assert b.total == Spending(1, 10, 0, 5, 0, Decimal(0), unpriced=1)

    async def test_the_answer_is_charged(self, make: Any, emulator: Emulator) -> None:
        """What is charged is the answer's cost: by the server, by a LoRA's base, by the call."""
        emulator.reply("Hi", usage={**USAGE, "cost": 0.25})
        emulator.reply(json={"model": MODEL, "choices": [{"message": {"content": "Hi"}}], "usage": USAGE}, times=None)
        client = make(prices={LORA: CENT})
        with budget(usd=5) as b:
            answers = [await ask(client), await ask(client, model=LORA), await ask(client, **CENT), await ask(client)]
        assert b.spent == sum(answer.cost for answer in answers)
        assert b.spent == client.usage.total.cost
        with budget(tokens=1_000) as b:
            answer = await ask(client.with_options(prices={MODEL: Price(1, 1)}), model="team/behind-a-gateway")
        assert b.spent == answer.cost == 15
        await done(client.close())

    async def test_rounds(self, make: Any, replies: Emulator) -> None:
        """Repairs and rounds with tools are calls, and cost together what their completion costs."""

        def double(number: int) -> int:
            """Doubles a number."""
            return number * 2

        client = make(**PRICED)
        replies.clear()
        replies.reply('"x"', usage=USAGE)
        replies.reply("1", usage=USAGE)
        replies.reply(tool_calls=[("double", {"number": 2})], usage=USAGE)
        replies.reply("4", usage=USAGE)
        asking = {"model": MODEL, "messages": MESSAGES}
        with budget(usd=5) as b:
            parsed = await done(client.chat.completions.parse(**asking, response_format=int, max_repairs=1))
            run = await done(client.chat.completions.run_tools(**asking, tools=[double]))

        assert b.spent == parsed.cost + run.cost == client.usage.total.cost == Decimal("0.08")
        assert b.total.calls == 4
        await done(client.close())


class TestRefusals:
    """What a refused call leaves behind."""

    async def test_nothing_is_sent(self, make: Any, emulator: Emulator) -> None:
        """A refusal is not sent, not tried again, told to no hook and counted nowhere."""
        events: list[object] = []
        hooks = dict.fromkeys(("before_send", "on_attempt", "on_done"), events.append)
        client = make(**hooks, adaptive_concurrency=True)
        with budget(calls=0) as b:
            for params in ({}, {"stream": True}, {"final_only": True}):
                with pytest.raises(BudgetExceededError) as caught:
                    await ask(client, **params)
            assert (caught.value.attempts, caught.value.meta) == ((), None)
            with pytest.raises(BudgetExceededError):
                await done(client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=int))
        assert (emulator.requests, events, b.total, client.usage.total) == ([], [], Spending(), Spending())
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.unit, again.limit) == (str(caught.value), "calls", 0)

        await ask(client)
        assert isinstance(events[-1], DoneEvent)
        await done(client.close())

    async def test_a_function(self, emulator: Emulator) -> None:
        """`completion()` keeps to a budget."""
        with budget(calls=0), pytest.raises(BudgetExceededError):
            completion(MODEL, MESSAGES, api_key=KEY, project=PROJECT, api_base=emulator.base_url)
        assert not emulator.requests

    async def test_a_conversation(self, client: Any, replies: Emulator) -> None:
        """A turn that is refused leaves no trace."""
        chat = client.chat.conversation(model=MODEL)
        with budget(calls=1):
            await done(chat.say("One"))
            with pytest.raises(BudgetExceededError):
                await done(chat.say("Two"))
        assert len(chat.messages) == 2

        await done(chat.say("Three"))
        assert [message["content"] for message in chat.messages] == ["One", "Hi", "Three", "Hi"]

    async def test_a_repair(self, client: Any, replies: Emulator) -> None:
        """A repair that is refused leaves the error of the answer that was paid for."""
        with budget(calls=1), pytest.raises(ParseError, match="The repair failed: The budget of 1 call") as caught:
            await done(
                client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=int, max_repairs=1)
            )

        assert isinstance(caught.value.__cause__, BudgetExceededError)
        assert caught.value.text == "Hi"
        assert caught.value.cost == client.usage.total.cost

    @pytest.mark.parametrize("stream", [False, True])
    async def test_a_round(self, client: Any, emulator: Emulator, stream: bool) -> None:
        """A round that is refused leaves what the run has come to."""

        def double(number: int) -> int:
            """Doubles a number."""
            return number * 2

        emulator.reply(tool_calls=[("double", {"number": 2})], usage=USAGE)
        with budget(calls=1), pytest.raises(BudgetExceededError) as caught:
            run = client.chat.completions.run_tools(
                model=MODEL, messages=MESSAGES, tools=[double], **({"stream": True} if stream else {})
            )
            async for _ in each(run) if stream else each([await done(run)]):
                pass

        error = caught.value
        assert error.tool_run is not None
        assert [step.result for step in error.tool_run.steps] == [4]
        assert error.cost == error.tool_run.cost == client.usage.total.cost

    async def test_events(self, client: Any, emulator: Emulator) -> None:
        """A stream of events is asked for where it is entered, and is refused there."""
        built = client.chat.completions.stream(model=MODEL, messages=MESSAGES)
        with budget(calls=0), pytest.raises(BudgetExceededError):
            async for _ in each(built):
                pass
        with budget(calls=0):
            inside = client.chat.completions.stream(model=MODEL, messages=MESSAGES)
        async for _ in each(inside):
            pass
        assert len(emulator.requests) == 1


class TestEndings:
    """What calls that did not go well take."""

    async def test_failures_release(self, make: Any, replies: Emulator) -> None:
        """A call that failed gives back what was held, however often it was tried."""
        client = make(max_retries=1, **PRICED)
        replies.fault(Fault.storm(500, times=2, retry_after=0.001))
        with budget(usd="0.03") as b:
            with pytest.raises(InternalServerError):
                await ask(client, max_tokens=5)
            assert (b.spent, b.reserved, b.total.failed) == (0, 0, 1)
            replies.fault(Fault.storm(503, times=1, retry_after=0.001))
            await ask(client, max_tokens=5)

        assert (b.spent, b.total.calls) == (Decimal("0.02"), 1)
        await done(client.close())

    @pytest.mark.parametrize("ending", ["left", "cut"])
    async def test_a_stream_without_usage(self, make: Any, emulator: Emulator, ending: str) -> None:
        """A stream that was left or cut is charged by what was sent and what had come."""
        emulator.reply("One two three four", tokens_per_second=None if ending == "cut" else 50)
        if ending == "cut":
            emulator.fault(Fault.cut(after_chunks=3))
        client = make(**PRICED)
        with budget(usd=5) as b:
            stream = await ask(client, stream=True, max_tokens=1_000)
            if ending == "left":
                while not stream.text:
                    await done(next(stream) if isinstance(stream, Stream) else anext(stream))
                await done(stream.close())
            else:
                with pytest.raises(StreamInterruptedError):
                    await texts(stream)

        total = b.total
        assert (total.calls, total.uncounted, b.reserved) == (1, 1, 0)
        assert total.prompt_tokens > 5
        assert 1 <= total.completion_tokens <= 8
        assert b.spent == total.prompt_tokens * Decimal("0.001") + total.completion_tokens * Decimal("0.002")
        assert client.usage.total == Spending(1, uncounted=1, possible=int(ending == "cut"))
        await done(client.close())

    async def test_everything_that_came_counts(self, client: Any, emulator: Emulator) -> None:
        """Thinking, refusals and the arguments of calls count in a stream that was left, too."""
        delta = {"content": "é" * 30, "reasoning": "x" * 60, "refusal": "n" * 30}
        call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": "1" * 30}}
        chunk = {"model": MODEL, "choices": [{"index": 0, "delta": {**delta, "tool_calls": [call]}}]}
        emulator.reply(chunks=[chunk, chunk])
        emulator.fault(Fault.cut(after_chunks=1))
        with budget(tokens=1_000) as b, pytest.raises(StreamInterruptedError):
            async for _ in each(await ask(client, stream=True)):
                pass

        assert b.total.completion_tokens == (60 + 60 + 30 + 30) / 3

    async def test_a_client_that_is_closed(self, client: Any) -> None:
        """A call that was never sent gives back what was held, and counts as nothing."""
        await done(client.close())
        with budget(calls=1) as b, pytest.raises(APIError, match="closed"):
            await ask(client)

        assert (b.total, b.in_flight) == (Spending(), 0)

    @pytest.mark.parametrize("stream", [False, True])
    def test_forgotten(self, emulator: Emulator, stream: bool) -> None:
        """A stream that nobody reads holds nothing for ever."""
        with emulator.client() as client, budget(calls=2) as b:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=stream)  # type: ignore[call-overload]
                gc.collect()

            assert b.in_flight == 0

    @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
    async def test_cancelled(self, emulator: Emulator) -> None:
        """A call that was cancelled gives back what was held; that it may have been billed is told apart."""
        emulator.reply("late", delay=5)
        async with emulator.async_client() as client:
            with budget(usd=1) as b, anyio.move_on_after(0.2):
                await ask(client, max_tokens=5)

        assert (b.total, b.reserved, b.possible) == (Spending(failed=1, possible=1), 0, 1)


class TestWhere:
    """Threads, tasks and processes."""

    def test_threads(self, emulator: Emulator) -> None:
        """A plain thread pool inherits no budget: a client that is bound has it, and a copied context, too."""
        b = budget(calls=2)
        with emulator.client() as client, b, ThreadPoolExecutor(1) as threads:
            bound = client.with_options(budget=b)
            asking = {"model": MODEL, "messages": MESSAGES}
            threads.submit(client.chat.completions.create, **asking).result()
            assert b.total.calls == 0
            threads.submit(bound.chat.completions.create, **asking).result()
            threads.submit(contextvars.copy_context().run, lambda: client.chat.completions.create(**asking)).result()
            assert b.total.calls == 2
            with pytest.raises(BudgetExceededError):
                threads.submit(bound.chat.completions.create, **asking).result()

    async def test_tasks(self, emulator: Emulator) -> None:
        """Tasks and threads of asyncio that are begun inside inherit it, and those from before do not."""
        begin = asyncio.Event()
        async with emulator.async_client() as client:

            async def early() -> None:
                await begin.wait()
                await ask(client)

            task = asyncio.create_task(early())
            with budget(calls=3) as b, emulator.client() as blocking:
                begin.set()
                await asyncio.gather(task, ask(client), ask(client))
                await asyncio.to_thread(blocking.chat.completions.create, model=MODEL, messages=MESSAGES)
            assert b.total.calls == 3

    @pytest.mark.parametrize("anyio_backend", ["trio"])
    async def test_trio(self, emulator: Emulator) -> None:
        """Trio's tasks inherit it, too."""
        async with emulator.async_client() as client:
            with budget(calls=3) as b:
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(ask, client)
                with pytest.raises(BudgetExceededError):
                    await ask(client)
        assert b.total.calls == 3

    async def test_tools(self, client: Any, emulator: Emulator) -> None:
        """What tools ask, in threads and tasks, is inside, too."""
        inner = emulator.client()

        def wonder(question: str) -> str:
            """Asks."""
            return (
                inner.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": question}]).text or ""
            )

        emulator.reply(tool_calls=[("wonder", {"question": "a"}), ("wonder", {"question": "b"})])
        with budget(calls=10) as b:
            await done(client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=[wonder]))
        inner.close()

        assert b.total.calls == 4

    def test_generators(self, emulator: Emulator) -> None:
        """A generator's budget is also its caller's while it waits, and ends with it."""
        with emulator.client() as client:

            def answers() -> Iterator[str | None]:
                with budget(calls=1):
                    yield client.chat.completions.create(model=MODEL, messages=MESSAGES).text

            one = answers()
            next(one)
            one.close()
            assert ACTIVE.get() == ()

    def test_pickle(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        """A budget, and a client that is bound to one, are for one process, and say so."""
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_PROJECT", PROJECT)
        from wandb_inference import Client

        b = budget(calls=1)
        with Client() as client:
            for each in (b, client.with_options(budget=b)):
                with pytest.raises(TypeError, match="would be spent twice"):
                    pickle.dumps(each)
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            copy.deepcopy(b)

    async def test_async_with(self) -> None:
        """`async with` says what to write."""
        with pytest.raises(TypeError, match="by `with`, in async code, too"):
            async with budget(calls=1):
                raise AssertionError

    def test_64_threads(self) -> None:
        """Threads together never pass a limit that was held for them."""
        emulator = Emulator()
        emulator.reply("Hi", usage=USAGE, times=None)
        refused: list[BudgetExceededError] = []
        over: list[object] = []
        with emulator.client(**PRICED) as client:
            b = budget(usd=2)
            chats = client.with_options(budget=b).chat.completions
            ready = threading.Barrier(64)

            def work() -> None:
                ready.wait()
                for _ in range(5):
                    try:
                        chats.create(model=MODEL, messages=MESSAGES, max_tokens=5)
                    except BudgetExceededError as error:
                        refused.append(error)
                    if b.spent + b.reserved > 2:
                        over.append(b)

            threads = [threading.Thread(target=work) for _ in range(64)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert not over
        assert b.total.calls + len(refused) == 320
        assert Decimal("1.9") < b.spent <= 2
        assert b.spent == b.total.calls * Decimal("0.02") == client.usage.total.cost
        assert len(emulator.requests) == b.total.calls
        assert (b.reserved, b.in_flight) == (0, 0)

    async def test_1000_tasks(self) -> None:
        """Tasks together never pass a limit that was held for them."""
        emulator = Emulator()
        emulator.reply("Hi", usage=USAGE, times=None)
        async with emulator.async_client(**PRICED) as client:
            with budget(usd=10, calls=400) as b:
                answers = await asyncio.gather(
                    *(ask(client, max_tokens=5) for _ in range(1_000)), return_exceptions=True
                )

        refused = [answer for answer in answers if isinstance(answer, BudgetExceededError)]
        assert len(refused) + b.total.calls == 1_000
        assert 0 < b.total.calls == len(emulator.requests) <= 400
        assert b.spent == b.total.calls * Decimal("0.02") <= 10
        assert (b.reserved, b.in_flight) == (0, 0)


class Machine(RuleBasedStateMachine):
    """Any order of calls that begin, end and fail."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(Decimal(100), 1_000, 20)
        self.price = Price(Decimal("0.1"), Decimal("0.2"), 0)
        self.held: list[Hold] = []
        self.spent = Spending()
        self.beyond_tokens = 0
        self.beyond_dollars = Decimal(0)

    @rule(
        model=st.sampled_from(["a", "b"]),
        prompt=st.integers(0, 300),
        bound=st.none() | st.integers(1, 300),
        answers=st.integers(1, 3),
    )
    def begin(self, model: str, prompt: int, bound: int | None, answers: int) -> None:
        """A call is let through or refused; a refusal changes nothing."""
        before = self.limits.spent_and_held
        try:
            self.held.append(self.limits.hold(Asked(model, prompt, bound, answers, self.price)))
        except BudgetExceededError as error:
            assert error.spent + error.reserved + error.asked > error.limit  # noqa: PT017
            assert self.limits.spent_and_held == before

    @precondition(lambda self: self.held)
    @rule(data=st.data(), input=st.integers(0, 400), output=st.integers(0, 400))
    def settle(self, data: Any, input: int, output: int) -> None:
        """A call ends, and has taken anything."""
        hold = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        cost = input * self.price.input_cost_per_token + output * self.price.output_cost_per_token
        spending = Spending(1, input, 0, output, 0, cost)
        self.limits.settle(hold, spending, Tokens(input, 0, output, 0))
        self.spent += spending
        self.beyond_tokens += max(input + output - hold.estimate.tokens, 0)
        self.beyond_dollars += max(cost - hold.dollars, Decimal(0))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), sent=st.booleans())
    def fail(self, data: Any, sent: bool) -> None:
        """A call fails, or is never sent."""
        hold = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if sent:
            self.limits.settle(hold, Spending(failed=1), None)
            self.spent += Spending(failed=1)
        else:
            self.limits.release(hold)

    @invariant()
    def within(self) -> None:
        """No more is spent and held than the limit and what calls took beyond what was held for them."""
        total, dollars, in_flight = self.limits.spent_and_held
        assert total == self.spent
        assert in_flight == len(self.held)
        assert dollars == sum(hold.dollars for hold in self.held) >= 0
        assert total.calls + in_flight <= 20
        tokens = sum(hold.estimate.tokens for hold in self.held)
        assert total.total_tokens + tokens <= 1_000 + self.beyond_tokens
        assert total.cost + dollars <= 100 + self.beyond_dollars
        by_model = self.limits.by_model.values()
        assert sum(spending.calls for spending in by_model) == total.calls


TestMachine = Machine.TestCase
TestMachine.settings = settings(deadline=None, max_examples=30)
