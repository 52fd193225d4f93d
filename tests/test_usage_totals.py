"""`client.usage`: what all calls of a client and its clones have taken, from any thread."""

from __future__ import annotations

import ast
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import anyio
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference import (
    APIConnectionError,
    Client,
    InternalServerError,
    ModelNotFoundError,
    Price,
    StreamInterruptedError,
    catalogue,
)
from wandb_inference._money import Pricing
from wandb_inference._money.locked import Locked
from wandb_inference._money.price import Prices, find_price
from wandb_inference._money.totals import Ledger, Taken, UsageTotals, _is_priced
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import ChatCompletion, Spending, UsageSnapshot
from wandb_inference.types.cost import in_dollars

OTHER = "zai-org/GLM-5.2"
LORA = "wandb-artifact:///team/project/name:v1"
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 10},
}


async def test_calls_add_up(client: Any, emulator: Emulator) -> None:
    """Calls of a client and its clones are added up by model, the streamed ones too."""
    assert client.usage.total == Spending()
    emulator.reply("Hi", usage=USAGE, times=None)
    answers = [await ask(client), await ask(client.with_options(max_retries=0), model=OTHER)]
    stream = await ask(client, stream=True)
    assert client.usage.total.calls == 2
    async for _ in each(stream):
        pass

    expected = Spending(2, 200, 120, 60, 20, answers[0].cost + stream.cost)
    assert client.usage.by_model == {MODEL: expected, OTHER: Spending(1, 100, 60, 30, 10, answers[1].cost)}
    assert client.usage.total == expected + client.usage.by_model[OTHER]
    assert client.usage.total.total_tokens == 390
    assert repr(client.usage) == f"<UsageTotals 3 calls, 390 tokens, {in_dollars(client.usage.total.cost)}>"


async def test_reset_and_snapshot(client: Any) -> None:
    """A snapshot stays as it is, and a reset hands over what it forgets."""
    answer = await ask(client)
    before = client.usage.snapshot()
    await ask(client)

    after = client.usage.reset()
    assert before.total == Spending(1, answer.usage.prompt_tokens, 0, answer.usage.completion_tokens, 0, answer.cost)
    assert after.total == before.total + before.total
    assert client.usage.total == Spending()
    assert pickle.loads(pickle.dumps(after)) == after
    assert isinstance(after, UsageSnapshot)


async def test_rounds(client: Any, emulator: Emulator) -> None:
    """Repairs and rounds of a run count as calls, and cost together what their completion costs."""

    def double(number: int) -> int:
        """Doubles a number."""
        return number * 2

    emulator.reply('"x"', usage=USAGE)
    emulator.reply("1", usage=USAGE)
    emulator.reply(tool_calls=[("double", {"number": 2})], usage=USAGE)
    emulator.reply("4", usage=USAGE)
    chats, asking = client.chat.completions, {"model": OTHER, "messages": MESSAGES}
    parsed = await done(chats.parse(**asking, response_format=int, max_repairs=1))
    run = await done(chats.run_tools(**asking, tools=[double]))

    assert len(parsed.rounds) == len(run.rounds) == 2
    assert client.usage.total.calls == 4
    assert client.usage.total.cost == parsed.cost + run.cost


async def test_what_has_no_price(client: Any, emulator: Emulator) -> None:
    """Calls without a price, and those without token counts, are counted apart."""
    emulator.reply("Hi", usage=USAGE, when=lambda request: request.model == LORA)
    emulator.reply(json={"choices": [{"message": {"content": "Hi"}}]})
    unpriced = await ask(client, model=LORA)
    await ask(client)

    assert unpriced.cost is None
    assert client.usage.by_model == {
        LORA: Spending(1, 100, 60, 30, 10, Decimal(0), unpriced=1),
        MODEL: Spending(1, uncounted=1),
    }
    assert "$0" in str(client.usage.total)


async def test_a_stream_that_is_left(client: Any, emulator: Emulator) -> None:
    """A stream that is left before its end is a call whose tokens are not known."""
    emulator.reply("One two three four", tokens_per_second=20)
    stream = await ask(client, stream=True)
    async for _ in each(stream):
        break
    await done(stream.close())

    assert client.usage.total == Spending(1, uncounted=1)


async def test_failures(make: Any, emulator: Emulator) -> None:
    """Failed calls are counted; attempts that may have been billed are counted apart; refusals are not counted."""
    client = make(max_retries=0)
    emulator.fault(Fault.status(500))
    emulator.fault(Fault.cut())
    emulator.fault(Fault.cut(after_chunks=2))
    with pytest.raises(InternalServerError):
        await ask(client)
    for stream in (False, True):
        with pytest.raises(APIConnectionError) as caught:
            async for _ in each(await ask(client, stream=stream)):
                pass
    assert isinstance(caught.value, StreamInterruptedError)

    assert client.usage.total == Spending(1, uncounted=1, failed=2, possible=2)
    service = client.with_options(base_url="https://api.inference.wandb.ai/v1")
    with pytest.raises(ModelNotFoundError):
        await ask(service, model="Qwen/Qwen3.6-27B")
    assert client.usage.total.failed == 2
    await done(client.close())


async def test_a_client_that_is_closed(client: Any) -> None:
    """A call that was never sent counts as nothing."""
    await done(client.close())
    with pytest.raises(Exception, match="closed"):
        await ask(client)

    assert client.usage.total == Spending()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_cancelled(emulator: Emulator) -> None:
    """A call that was cancelled while it was under way failed, and may have been billed."""
    emulator.reply("late", delay=5)
    async with emulator.async_client() as client:
        with anyio.move_on_after(0.2):
            await ask(client)

        assert client.usage.total == Spending(failed=1, possible=1)


async def test_cancelled_before_a_retry(emulator: Emulator) -> None:
    """A call that was cancelled while it waited to be tried again has nothing under way."""
    emulator.fault(Fault.status(500), times=None)
    async with emulator.async_client() as client:
        with anyio.move_on_after(0.2):
            await ask(client)

        assert client.usage.total == Spending(failed=1)


def test_other_processes(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client travels without its totals: another process counts its own."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    client = Client(project=PROJECT, base_url=emulator.base_url)
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
    again = pickle.loads(pickle.dumps(client))

    assert client.usage.total.calls == 1
    assert again.usage.total.calls == 0
    client.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_it_counts() -> None:
    """A forked process counts on, even if another thread held the lock at that moment."""
    ledger = Ledger()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with ledger._lock:
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        ledger.add(MODEL, Taken(None))  # for ever, with the parent's lock
        os._exit(0)
    release.set()
    thread.join()

    assert os.waitpid(child, 0)[1] == 0


def test_locks_after_a_fork() -> None:
    """All locks are new in a forked process."""
    ledger = Ledger()
    before = ledger._lock
    Locked.renew_all()

    assert ledger._lock is not before


def test_a_finalizer_while_it_counts() -> None:
    """A call that ends while its own thread holds the lock, in a finalizer, is counted as soon as somebody looks."""
    ledger = Ledger()
    with ledger._lock:
        ledger.add(MODEL, Taken(None))

    assert UsageTotals(ledger).total.calls == 1


def test_what_is_loaded(emulator: Emulator) -> None:
    """A client and its calls load nothing that only prices and budgets need."""
    program = f"""if True:
        import sys
        from wandb_inference import Client
        client = Client(api_key="{KEY}", project="{PROJECT}", base_url="{emulator.base_url}")
        ask = dict(model="{MODEL}", messages=[dict(role="user", content="Hello")])
        client.chat.completions.create(**ask)
        list(client.chat.completions.create(**ask, stream=True))
        print(sorted(name for name in sys.modules if name.startswith("wandb_inference._money.")))
        print("wandb_inference.types.cost" in sys.modules)
        """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert [name.rpartition(".")[2] for name in ast.literal_eval(run.stdout.splitlines()[0])] == [
        "account",
        "locked",
        "tokens",
        "totals",
    ]
    assert run.stdout.splitlines()[1] == "False"


def test_many_threads(emulator: Emulator) -> None:
    """No call is lost between threads, resets and snapshots."""
    ledger = Ledger()
    totals = UsageTotals(ledger)
    usage = ChatCompletion.model_validate({"choices": [], "usage": USAGE}).usage

    def count(_: int) -> UsageSnapshot:
        for _ in range(50):
            ledger.add(MODEL, Taken(usage))
        totals.snapshot()
        return totals.reset()

    with ThreadPoolExecutor(16) as threads:
        parts = list(threads.map(count, range(64)))

    total = totals.total
    for part in parts:
        total += part.total
    assert total.calls == 3200
    assert total.total_tokens == 3200 * 130


MODELS = st.sampled_from([MODEL, OTHER, LORA, "team/unknown"])
AMOUNTS = st.decimals(0, 1, places=9)


@given(
    st.lists(
        st.tuples(
            MODELS,
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.none() | AMOUNTS,
            st.none() | AMOUNTS,
            st.booleans(),
            st.sampled_from(["", MODEL, "team/base"]),
        ),
        max_size=6,
    )
)
@settings(max_examples=40, deadline=None)
def test_totals_are_the_sum_of_the_answers(calls: list[tuple[Any, ...]]) -> None:
    """The totals are the exact sum of what the answers say they cost, whatever models, prices and servers there are."""
    emulator = Emulator()
    answers: list[ChatCompletion] = []
    with emulator.client() as client:
        for model, prompt, output, cached, reported, price, of_base, answered in calls:
            usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": output}
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
            if reported is not None:
                usage["cost"] = str(reported)
            emulator.reply(json={"model": answered, "choices": [{"message": {"content": "Hi"}}], "usage": usage})
            prices = None if price is None else {(answered or model) if of_base else model: Price(price, 1)}
            chats = client.with_options(prices=prices).chat.completions
            answers.append(chats.create(model=model, messages=MESSAGES))

        known = [answer.cost for answer in answers if answer.cost is not None]
        total = client.usage.total
        details = [answer.cost_details for answer in answers]
    assert total.cost == sum(known)
    uncounted = sum(not prompt and not output and not reported for _, prompt, output, _, reported, *_ in calls)
    empty = sum(not prompt and not output for _, prompt, output, *_ in calls)
    assert (total.calls, total.uncounted) == (len(calls), empty)
    assert total.unpriced == len(calls) - len(known) - uncounted
    assert total.prompt_tokens == sum(each.input_tokens + each.cached_tokens for each in details)
    assert total.cached_tokens == sum(each.cached_tokens for each in details)
    assert total.completion_tokens == sum(each.output_tokens for each in details)


def test_what_a_price_is_looked_up_by() -> None:
    """Calls of one model that other models answered are priced apart, and shown as one."""
    ledger = Ledger()
    usage = ChatCompletion.model_validate({"choices": [], "usage": USAGE}).usage
    for answered in (MODEL, OTHER, "team/unknown"):
        ledger.add(LORA, Taken(usage, answered=answered))

    spending = ledger.by_model()[LORA]
    assert (spending.calls, spending.unpriced, spending.prompt_tokens) == (3, 1, 300)


ODD = (MODEL.upper(), "my/model", "wandb-artifact:///t/p/a:v1", "", f"wandb/{MODEL}")


@pytest.mark.parametrize("asked", [*catalogue.MODELS, *ODD])
@pytest.mark.parametrize("prices", [None, Prices({MODEL: Price(1, 2)})])
def test_whether_the_answer_is_asked(asked, prices):
    """An answer's model is looked at only where it could make the price another one."""
    pricing = Pricing(asked, None, prices)
    if _is_priced(pricing):
        own = find_price(pricing)
        assert own is not None
        assert all(find_price(pricing, answered) == own for answered in ("", MODEL, "zai-org/GLM-5.2", "my/other"))
