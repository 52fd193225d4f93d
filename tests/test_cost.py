"""What calls cost: by the table, by given prices and by the server, whole and streamed, in sum and in parts."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal, localcontext
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from wandb_inference import (
    APIError,
    Client,
    InternalServerError,
    ParseError,
    Price,
    StreamInterruptedError,
    budget,
    completion,
    completion_cost,
)
from wandb_inference._money import Pricing
from wandb_inference._money.price import table_price
from wandb_inference.catalogue import MODELS, TABLE_DATE
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import ChatCompletion, CostDetails, DoneEvent, Meta

CACHED = "zai-org/GLM-5.2"
"""A model with a price for cached tokens."""
LORA = "wandb-artifact:///team/project/name:v1"
GIVEN = {"input_cost_per_token": "0.5", "output_cost_per_token": 2}
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 10},
}


def per_token(model: str) -> tuple[Decimal, Decimal, Decimal]:
    """The table's prices of a model for one token: input, cached input, output."""
    price = table_price(model)
    assert price is not None
    return price.input_cost_per_token, price.cached, price.output_cost_per_token


async def streamed(client: Any, **params: Any) -> Any:
    """A stream that was read to its end."""
    stream = await ask(client, stream=True, **params)
    async for _ in each(stream):
        pass
    return stream


def print_number(number: int) -> int:
    """A tool that nobody calls."""
    return number


class TestTable:
    """By the package's table."""

    async def test_a_completion(self, client: Any, emulator: Emulator) -> None:
        """The cost is split, exact, and says where its price is from."""
        emulator.reply("Hi", usage=USAGE)
        answer = await ask(client, model=CACHED)
        input, cached, output = per_token(CACHED)
        assert cached < input

        details = answer.cost_details
        assert (details.input, details.cached_input, details.output) == (input * 40, cached * 60, output * 30)
        assert answer.cost == details.total == input * 40 + cached * 60 + output * 30
        assert (details.source, details.date, details.reason) == (f"table {TABLE_DATE}", TABLE_DATE, None)
        assert (details.input_tokens, details.cached_tokens, details.output_tokens) == (40, 60, 30)
        assert details.reasoning_tokens == 10
        assert details.price == table_price(CACHED)
        assert completion_cost(answer) == answer.cost

    async def test_no_discount(self, client: Any, emulator: Emulator) -> None:
        """Where no price for cached tokens is known, they cost what all of the prompt costs."""
        emulator.reply("Hi", usage=USAGE)
        answer = await ask(client)
        input, _, output = per_token(MODEL)

        assert MODELS[MODEL].cached_price is None
        assert answer.cost == input * 100 + output * 30
        assert answer.cost_details.cached_input == input * 60

    @pytest.mark.parametrize("model", [MODEL.upper(), f"wandb/{MODEL}", "llama-3.1-8b-instruct"])
    async def test_a_name(self, model: str, client: Any, emulator: Emulator) -> None:
        """A model is priced whatever the case of its name, with `wandb/` before it, and by its short name."""
        emulator.reply(json={"id": "1", "model": "", "choices": [{"message": {"content": "Hi"}}], "usage": USAGE})

        answer = await ask(client, model=model)

        assert answer.cost == completion_cost(answer, model=MODEL) == completion_cost(answer, model=model)
        assert answer.cost is not None

    async def test_a_lora(self, client: Any, emulator: Emulator) -> None:
        """A LoRA costs what its base costs, which the answer names; else nobody knows."""
        emulator.reply(json={"model": MODEL, "choices": [{"message": {"content": "Hi"}}], "usage": USAGE})
        known, unknown = await ask(client, model=LORA), await ask(client, model=LORA)
        input, _, output = per_token(MODEL)

        assert known.cost == input * 100 + output * 30
        assert unknown.cost is None
        assert "base's price" in unknown.cost_details.reason

    async def test_a_stream(self, client: Any, emulator: Emulator) -> None:
        """A stream costs what the same completion costs, whole or as events, and on the wire alone."""
        whole, chunks = await ask(client), await streamed(client)
        final = await ask(client, final_only=True)
        events = client.chat.completions.stream(model=MODEL, messages=MESSAGES)
        assert (events.cost, events.cost_details.reason) == (None, "no token counts have come")
        async for _ in each(events):
            pass

        for streamed_one in (chunks, events, final):
            assert streamed_one.cost == whole.cost
            assert streamed_one.cost_details == whole.cost_details
            assert completion_cost(streamed_one) == whole.cost
            assert completion_cost(streamed_one, prices={MODEL: GIVEN}) == completion_cost(whole, prices={MODEL: GIVEN})

    async def test_choices(self, client: Any) -> None:
        """With several choices the cost is that of all."""
        answer = await ask(client, n=3)
        input, _, output = per_token(MODEL)

        assert len(answer.choices) == 3
        assert answer.cost == input * answer.usage.prompt_tokens + output * answer.usage.completion_tokens

    async def test_nothing_known(self, make: Any, emulator: Emulator) -> None:
        """What is not known is `None` with its reason, not 0."""
        emulator.reply(json={"choices": [{"message": {"content": "Hi"}}]})
        emulator.reply(json={"choices": [{"message": {"content": "Hi"}}], "usage": USAGE})
        client = make()
        without = await ask(client)
        unpriced = await ask(client, model="team/unheard-of")

        assert (without.cost, without.cost_details.reason) == (None, "no token counts have come")
        assert unpriced.cost is None
        assert unpriced.cost_details.reason.startswith(
            "no price of team/unheard-of is known; give it as Client(prices="
        )
        assert unpriced.cost_details.input_tokens == 40
        await done(client.close())

    def test_nobody_asked(self) -> None:
        """A completion that no call returned is priced by the model it names."""
        made = ChatCompletion.model_validate({"model": CACHED, "choices": [], "usage": USAGE})

        assert made.cost == completion_cost({"model": CACHED, "usage": USAGE})
        assert ChatCompletion(choices=[], usage=made.usage).cost_details.reason == "no model is named"

    @pytest.mark.parametrize(
        ("prompt", "cached", "output", "thought", "counted"),
        [
            (10, 20, 5, 0, (0, 10, 5, 0)),
            (10, -3, 5, 0, (10, 0, 5, 0)),
            (10, 0, 5, 9, (10, 0, 5, 5)),
        ],
    )
    def test_odd_counts(self, prompt: int, cached: int, output: int, thought: int, counted: tuple[int, ...]) -> None:
        """No part is more than its whole, none is negative, and the details say what the server had counted."""
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
        details = ChatCompletion.model_validate({"model": CACHED, "choices": [], "usage": usage}).cost_details

        parts = (details.input_tokens, details.cached_tokens, details.output_tokens, details.reasoning_tokens)
        assert parts == counted
        assert details.total is not None
        assert details.total >= 0
        assert details.reason is not None
        assert f"{cached} cached of {prompt}" in details.reason

    def test_other_contexts(self) -> None:
        """Decimals are exact whatever the precision of the caller's own."""
        made = ChatCompletion.model_validate({"model": CACHED, "choices": [], "usage": USAGE})
        with localcontext() as context:
            context.prec = 1
            cost = made.cost

        assert cost == made.cost


class TestGiven:
    """By prices that were given."""

    async def test_of_a_client(self, make: Any, emulator: Emulator) -> None:
        """A client's prices come before the table's, by any name of the model; its clones have more."""
        emulator.reply("Hi", usage=USAGE, times=None)
        client = make(prices={f"wandb/{MODEL.upper()}": GIVEN})
        clone = client.with_options(prices={CACHED: Price(1, 0), "Llama-3.1-70B-Instruct": Price(0, 1)})

        answer = await ask(client)
        assert answer.cost == 110
        assert answer.cost_details.source == "client"
        assert answer.cost_details.date is None
        assert (await ask(client, model=CACHED)).cost_details.source.startswith("table")
        assert [(await ask(clone, model=model)).cost for model in (MODEL, CACHED)] == [110, 100]
        assert (await ask(clone, model="meta-llama/Llama-3.1-70B-Instruct", check_model=False)).cost == 30
        assert (await ask(clone.with_options(prices=None))).cost == 110
        await done(client.close())

    async def test_of_a_lora(self, make: Any, emulator: Emulator) -> None:
        """A LoRA can have a price of its own, or one that its base was given."""
        emulator.reply(json={"model": MODEL, "choices": [{"message": {"content": "Hi"}}], "usage": USAGE}, times=None)

        own, of_base = make(prices={LORA: GIVEN}), make(prices={MODEL: GIVEN})
        answer = await ask(own, model=LORA)
        assert answer.cost == (await ask(of_base, model=LORA)).cost == 110
        assert completion_cost(answer, prices={LORA: Price(1, 1)}) == 130
        assert completion_cost(answer, prices={MODEL: Price(1, 1)}) == 130
        for client in (own, of_base):
            await done(client.close())

    async def test_of_a_call(self, client: Any, emulator: Emulator) -> None:
        """A call's own price comes first, whatever function makes it, and is never sent."""
        prices = {
            "input_cost_per_token": 1,
            "output_cost_per_token": 0.5,
            "cache_read_input_token_cost": Decimal("0.1"),
        }
        usage = {**USAGE, "completion_tokens_details": None}
        emulator.reply('"yes"', usage=usage, times=None)
        chats = client.chat.completions
        asking = {"model": MODEL, "messages": MESSAGES, **prices}
        answers = [
            await ask(client, **prices),
            await streamed(client, **prices),
            await ask(client, final_only=True, **prices),
            await done(chats.parse(**asking, response_format=str)),
            await done(chats.run_tools(**asking, tools=[print_number])),
            await done(client.chat.conversation(model=MODEL, **prices).say("Hi")),
        ]
        events = chats.stream(**asking)
        async for _ in each(events):
            pass

        for answer in (*answers, events):
            assert answer.cost == 40 + 6 + 15
            assert answer.cost_details.source == "call"
            assert answer.cost_details.price == Price(*prices.values())
        assert len(emulator.requests) == 7
        assert not any("cost" in name for request in emulator.requests for name in request.body)

    async def test_none_is_none(self, client: Any, emulator: Emulator) -> None:
        """A price of `None` is none."""
        emulator.reply("Hi", usage=USAGE)
        none = dict.fromkeys(GIVEN)
        assert (await ask(client, **none)).cost_details.source == f"table {TABLE_DATE}"

    def test_of_a_function(self, emulator: Emulator) -> None:
        """`completion()` takes prices, too."""
        emulator.reply("Hi", usage=USAGE)
        answer = completion(
            "wandb/" + MODEL, MESSAGES, api_key=KEY, project=PROJECT, api_base=emulator.base_url, **GIVEN
        )
        assert answer.cost == 110
        assert not any("cost" in name for name in emulator.requests[0].body)

    async def test_hooks_and_curl(self, make: Any, emulator: Emulator) -> None:
        """Prices that are Decimals are in no hook and in no command, and an error of their call is as any other."""
        emulator.fault(Fault.status(500))
        events: list[Any] = []
        client = make(max_retries=0, before_send=events.append)
        with pytest.raises(InternalServerError) as caught:
            await ask(client, **{name: Decimal(value) for name, value in GIVEN.items()})

        assert "cost" not in (caught.value.as_curl() or "cost")
        assert b"cost" not in (json.dumps(events[0].body) if isinstance(events[0].body, dict) else "").encode()
        await done(client.close())

    async def test_a_saved_conversation(self, client: Any, emulator: Emulator, tmp_path: Any) -> None:
        """A conversation is saved with its prices, like its other parameters, and costs as much when it goes on."""
        emulator.reply("Hi", usage=USAGE, times=None)
        chat = client.chat.conversation(model=MODEL, input_cost_per_token=Decimal("0.5"), output_cost_per_token=2.0)
        await done(chat.say("Hi"))
        chat.save(tmp_path / "chat.json")

        loaded = client.chat.load_conversation(tmp_path / "chat.json")
        assert (await done(loaded.say("Hi"))).cost == 110

    def test_price(self) -> None:
        """Prices compare by value, show themselves, and can be told by the million."""
        assert Price(0.1, "0.2") == Price(Decimal("0.1"), "0.20") == Price(0.1, 0.2, None)
        assert repr(Price("1e-7", 1, "0.5")) == "Price('0.0000001', '1', '0.5')"
        assert repr(Price(0, 1)) == "Price('0', '1')"
        million = Price.per_million("0.15", 1, 0.05)
        assert million == Price("0.00000015", "0.000001", "0.00000005")
        assert Price.per_million(1, 1).cache_read_input_token_cost is None
        assert pickle.loads(pickle.dumps(million)) == million


class TestReported:
    """By the server."""

    @pytest.mark.parametrize("field", ["cost", "total_cost"])
    async def test_in_usage(self, field: str, make: Any, emulator: Emulator) -> None:
        """What the server says comes before every price; its parts are not known."""
        emulator.reply("Hi", usage={**USAGE, field: 0.25}, times=None)
        client = make(prices={MODEL: GIVEN})
        for answer in (await ask(client), await streamed(client, **GIVEN)):
            details = answer.cost_details
            assert (details.total, details.source) == (Decimal("0.25"), "server")
            assert (details.input, details.cached_input, details.output, details.price) == (None, None, None, None)
            assert details.cached_tokens == 60
            assert completion_cost(answer, **GIVEN) == 110  # unless another price is asked for
            assert completion_cost(answer, model=CACHED) == completion_cost({"model": CACHED, "usage": USAGE})
        await done(client.close())

    async def test_in_a_header(self, client: Any, emulator: Emulator) -> None:
        """LiteLLM's proxy says it in a header, which on a stream is always 0 and means nothing."""
        emulator.reply("Hi", usage=USAGE, headers={"x-litellm-response-cost": "0.25"})
        emulator.reply("Hi", usage=USAGE, headers={"x-litellm-response-cost": "0.0"})

        assert (await ask(client)).cost == Decimal("0.25")
        stream = await streamed(client)
        assert stream.cost == completion_cost({"model": MODEL, "usage": USAGE})

    @pytest.mark.parametrize("said", [None, "", "free", -1, True, {"usd": 1}, float("inf"), "1e99"])
    def test_nonsense(self, said: object) -> None:
        """What can be no amount is passed over."""
        made = ChatCompletion.model_validate({"model": MODEL, "choices": [], "usage": {**USAGE, "cost": said}})
        assert made.cost_details.source == f"table {TABLE_DATE}"

    async def test_zero_is_no_price(self, make: Any, emulator: Emulator) -> None:
        """LiteLLM says 0 where it knows no price, in the usage or in the header: who knows one is believed instead."""
        header = {"x-litellm-response-cost": "0.25"}
        emulator.reply("Hi", usage={**USAGE, "cost": 0}, headers=header)
        emulator.reply("Hi", usage={**USAGE, "cost": 0}, headers={"x-litellm-response-cost": "0.0"}, times=2)
        client = make()

        assert (await ask(client)).cost == Decimal("0.25")
        assert (await ask(client, **GIVEN)).cost == 110
        unknown = (await ask(client, model="team/unknown")).cost_details
        assert unknown.total is None
        assert "the server reports 0 dollars, as proxies also do" in (unknown.reason or "")
        await done(client.close())

    async def test_without_counts(self, client: Any, emulator: Emulator) -> None:
        """What the server says needs no token counts; the totals have the dollars, and miss the tokens."""
        emulator.reply("Hi", usage={"cost": 0.25})
        emulator.reply(json={"choices": [{"message": {"content": "Hi"}}]}, headers={"x-litellm-response-cost": "0.5"})
        details = [(await ask(client)).cost_details for _ in range(2)]

        assert [(each.total, each.source) for each in details] == [
            (Decimal("0.25"), "server"),
            (Decimal("0.5"), "server"),
        ]
        total = client.usage.total
        assert (total.cost, total.calls, total.uncounted, total.total_tokens) == (Decimal("0.75"), 2, 2, 0)


UNCOUNTED = [
    ({}, "its usage has none"),
    ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "has prompt_tokens 0, completion_tokens 0"),
    ({"total_tokens": 7}, "its usage has total_tokens 7"),
    ({"prompt_tokens": 7}, "its usage has prompt_tokens 7"),
    ({"completion_tokens": 7}, "its usage has completion_tokens 7"),
    ({"prompt_tokens": -1, "completion_tokens": -5}, "has prompt_tokens -1, completion_tokens -5"),
]


@pytest.mark.parametrize(("usage", "said"), UNCOUNTED, ids=[said for _, said in UNCOUNTED])
async def test_usage_without_counts(usage: Any, said: str, make: Any, emulator: Emulator) -> None:
    """A usage that counts nothing, or half, is no cost of 0: it is unknown, and a budget charges what it estimates."""
    emulator.reply("Hi", usage=usage, times=2)
    client = make()
    with budget(usd=1) as b:
        answers = [await ask(client), await streamed(client)]

    for answer in answers:
        details = answer.cost_details
        assert (details.total, answer.cost) == (None, None)
        assert details.reason == f"the server did not count the tokens: {details.reason.partition(': ')[2]}"
        assert said in details.reason
        assert completion_cost(answer, **GIVEN) is None
    total = client.usage.total
    assert (total.calls, total.uncounted, total.cost, total.total_tokens) == (2, 2, 0, 0)
    assert b.total.uncounted == 2
    assert b.spent > 0
    await done(client.close())


async def test_a_snapshot(client: Any, emulator: Emulator) -> None:
    """What has come of a stream costs what the stream does, by the prices of the call."""
    emulator.reply("Hi", usage=USAGE)
    stream = client.chat.completions.stream(model=MODEL, messages=MESSAGES, **GIVEN)
    async for _ in each(stream):
        pass

    assert stream.snapshot.cost == stream.cost == 110
    assert stream.snapshot.meta == stream.meta
    await done(stream.close())


class Answer(BaseModel):
    """What is parsed."""

    number: int


class TestRounds:
    """Several calls, one answer."""

    async def test_repairs(self, client: Any, emulator: Emulator) -> None:
        """Repairs add up, by the prices of each."""
        emulator.reply('{"number": "x"}', usage=USAGE)
        emulator.reply('{"number": 1}', usage={**USAGE, "cost": 0.25})
        answer = await done(
            client.chat.completions.parse(
                model=MODEL, messages=MESSAGES, response_format=Answer, max_repairs=1, **GIVEN
            )
        )

        assert [round.cost for round in answer.rounds] == [110, Decimal("0.25")]
        assert answer.cost == Decimal("110.25")
        assert answer.cost_details.source == "call; server"
        assert (answer.cost_details.input, answer.cost_details.price) == (None, None)
        assert answer.cost_details.output_tokens == 60

    async def test_a_failed_parse(self, client: Any, emulator: Emulator) -> None:
        """An answer that does not fit costs as much, on the error."""
        emulator.reply("no", usage=USAGE, times=2)
        with pytest.raises(ParseError) as caught:
            await done(
                client.chat.completions.parse(
                    model=MODEL, messages=MESSAGES, response_format=Answer, max_repairs=1, **GIVEN
                )
            )

        assert caught.value.cost == completion_cost(caught.value) == 220
        assert pickle.loads(pickle.dumps(caught.value)).cost == 220

    async def test_tools(self, client: Any, emulator: Emulator) -> None:
        """The rounds of a run with tools add up, so do those before an error, and those of a stream."""

        def double(number: int) -> int:
            """Doubles a number."""
            return number * 2

        emulator.reply(tool_calls=[("double", {"number": 2})], usage=USAGE)
        emulator.reply("4", usage={**USAGE, "prompt_tokens": 0, "completion_tokens": 1, "prompt_tokens_details": None})
        emulator.reply(tool_calls=[("double", {"number": 2})], usage=USAGE)
        emulator.reply("4", usage=USAGE)
        emulator.reply(tool_calls=[("double", {"number": 2})], usage=USAGE)
        asking = {"model": MODEL, "messages": MESSAGES, "tools": [double], **GIVEN}
        answer = await done(client.chat.completions.run_tools(**asking))
        stream = client.chat.completions.run_tools(**asking, stream=True)
        assert (stream.cost, stream.cost_details.reason) == (None, "no answer has come")
        async for _ in each(stream):
            pass
        emulator.fault(Fault.status(400), when=lambda request: len(request.messages) > 1)
        with pytest.raises(APIError) as caught:
            await done(client.chat.completions.run_tools(**asking))

        assert answer.cost == sum(round.cost for round in answer.rounds) == 112
        assert answer.usage.prompt_tokens == 100
        assert stream.cost == 220
        assert caught.value.cost == 110

    async def test_an_unknown_round(self, client: Any, emulator: Emulator) -> None:
        """Where one round's cost is unknown, so is the sum; the tokens that are known stay."""
        emulator.reply("x", usage=USAGE)
        emulator.reply(json={"choices": [{"message": {"content": '{"number": 1}'}}]})
        answer = await done(
            client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Answer, max_repairs=1)
        )

        details = answer.cost_details
        assert (details.total, details.reason, details.input_tokens) == (None, "no token counts have come", 40)


class TestFailures:
    """What failed calls may have cost."""

    async def test_a_cut_stream(self, make: Any, emulator: Emulator) -> None:
        """A stream that was cut has no cost, and is listed as one that may have been billed."""
        emulator.fault(Fault.cut(after_chunks=2))
        client = make(max_retries=0)
        with pytest.raises(StreamInterruptedError) as caught:
            await streamed(client)

        details = caught.value.cost_details
        assert (caught.value.cost, details.total, len(details.possible)) == (None, None, 1)
        assert pickle.loads(pickle.dumps(caught.value)).cost_details.possible == details.possible
        await done(client.close())

    async def test_a_retry(self, make: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        """An attempt that failed before a good one is listed apart, where it may have been billed."""
        monkeypatch.setattr("wandb_inference._core.retry.RetryPolicy.delay", lambda *_: 0.0)
        emulator.fault(Fault.cut())
        emulator.fault(Fault.status(500))
        client = make()
        answer = await ask(client)

        assert answer.cost is not None
        assert [record.outcome for record in answer.meta.attempts] == ["unknown", "answered", "answered"]
        assert answer.cost_details.possible == answer.meta.attempts[:1]
        await done(client.close())

    async def test_prices_of_a_broken_stream(self, make: Any, emulator: Emulator) -> None:
        """What had arrived when a stream broke is priced by its call, even if the last attempt brought nothing."""
        chunk = {"model": MODEL, "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
        emulator.reply(chunks=[chunk, {"model": MODEL, "choices": [], "usage": USAGE}])
        emulator.fault(Fault.cut(after_chunks=2))
        emulator.fault(Fault.status(400))
        client = make(prices={MODEL: GIVEN})
        with pytest.raises(APIError) as caught:
            await ask(client, final_only=True)

        assert caught.value.cost == 110
        await done(client.close())

    def test_of_nothing(self) -> None:
        """An error that knows of no attempt can be asked for its cost."""
        assert APIError("no").cost is None
        assert APIError("no").cost_details == CostDetails(reason="no token counts have come")


class TestHook:
    """What `on_done` is told."""

    async def test_cost(self, make: Any, emulator: Emulator) -> None:
        """The cost that it is told is the answer's, a LoRA's and a stream's too."""
        emulator.reply(json={"model": MODEL, "choices": [{"message": {"content": "Hi"}}], "usage": USAGE})
        events: list[DoneEvent] = []
        client = make(on_done=events.append)
        answers = [await ask(client, model=LORA), await streamed(client, **GIVEN), await done(client.models.list())]

        assert [event.cost for event in events] == [answers[0].cost, answers[1].cost, None]
        assert None not in [event.cost for event in events[:2]]
        assert DoneEvent(CACHED, None, answers[0].usage, None, False, True).cost == completion_cost(
            answers[0], model=CACHED
        )
        await done(client.close())


class TestFunction:
    """`completion_cost()`."""

    def test_mappings(self) -> None:
        """JSON of answers and LiteLLM's name for it are taken."""
        answer = {"model": "wandb/" + CACHED, "usage": USAGE, "choices": []}

        cost = completion_cost(answer)
        assert cost == completion_cost(completion_response=answer) == completion_cost(answer, model=CACHED.lower())
        assert completion_cost({"usage": USAGE, "model": "GLM-5.2"}) == cost
        assert completion_cost({"usage": {**USAGE, "cost": 0.5}, "model": CACHED}) == Decimal("0.5")
        assert completion_cost({"usage": USAGE}) is None
        assert completion_cost({"usage": USAGE, "model": "glm-5.2"}, prices={CACHED: GIVEN}) == 110
        assert completion_cost({"usage": None, "model": CACHED}) is None
        assert completion_cost({"usage": None, "model": CACHED}, **GIVEN) is None
        assert completion_cost({"usage": USAGE}, **GIVEN) == 110
        assert completion_cost({"usage": USAGE, "model": "x/y"}, prices={"x/z": GIVEN}) is None

    def test_other_libraries(self) -> None:
        """Objects of other libraries are taken, with usage as a mapping or as a model of theirs."""

        class Usage(BaseModel):
            prompt_tokens: int = 100
            completion_tokens: int = 30

        for usage in (Usage(), Usage().model_dump()):
            assert completion_cost(SimpleNamespace(model=MODEL, usage=usage)) == completion_cost(
                {"model": MODEL, "usage": USAGE}
            )

    def test_pickle(self, emulator: Emulator) -> None:
        """A completion costs as much in another process."""
        emulator.reply("Hi", usage=USAGE)
        with emulator.client(prices={MODEL: GIVEN}) as client:
            answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
        again = pickle.loads(pickle.dumps(answer))

        assert again.cost_details == answer.cost_details
        assert again.cost == 110


COUNTS = st.integers(0, 10**12)


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    """Any usage that a server may tell."""
    details = st.one_of(st.none(), st.integers(-5, 50), COUNTS)
    return {
        "prompt_tokens": draw(COUNTS | st.integers(-5, 50)),
        "completion_tokens": draw(COUNTS | st.integers(-5, 50)),
        "prompt_tokens_details": draw(st.none() | st.fixed_dictionaries({"cached_tokens": details})),
        "completion_tokens_details": draw(st.none() | st.fixed_dictionaries({"reasoning_tokens": details})),
    }


AMOUNTS = st.decimals(0, 10, places=12)


class TestProperties:
    """What holds of all calls."""

    @given(usages(), AMOUNTS, AMOUNTS, st.none() | AMOUNTS)
    @settings(deadline=None)
    def test_parts_add_up(self, usage: dict[str, Any], input: Decimal, output: Decimal, cached: Decimal | None) -> None:
        """The parts are the total to the last digit, and no token is billed twice."""
        prices = Price(input, output, cached)
        made = ChatCompletion.model_validate({"model": MODEL, "choices": [], "usage": usage})
        details = made.cost_details
        cost = completion_cost(made, prices={MODEL: prices})

        if usage["prompt_tokens"] <= 0 and usage["completion_tokens"] <= 0:
            assert (details.total, cost) == (None, None)
            return
        assert details.total is not None
        assert details.total == details.input + details.cached_input + details.output  # type: ignore[operator]
        assert details.input_tokens + details.cached_tokens == max(usage["prompt_tokens"], 0)
        assert details.reasoning_tokens <= details.output_tokens == max(usage["completion_tokens"], 0)
        rate = input if cached is None else cached
        assert cost == input * details.input_tokens + rate * details.cached_tokens + output * details.output_tokens

    @given(usages(), st.sampled_from([{}, GIVEN]), st.none() | AMOUNTS)
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_stream_costs_the_same(self, usage: dict[str, Any], prices: dict[str, Any], said: Decimal | None) -> None:
        """A stream costs what the completion costs, whatever the server counts and whoever knows the price."""
        emulator = Emulator()
        told = usage if said is None else {**usage, "cost": float(said)}
        emulator.reply("One two", usage=told, times=2)
        with emulator.client() as client:
            whole = client.chat.completions.create(model=CACHED, messages=MESSAGES, **prices)
            stream = client.chat.completions.create(model=CACHED, messages=MESSAGES, stream=True, **prices)
            for _ in stream:
                pass

        assert stream.cost_details == whole.cost_details


def test_meta_is_as_it_was() -> None:
    """What a call is priced by is in no comparison and no repr of its meta."""
    other = Meta(None, 200, {}, (), None, None, None, pricing=Pricing("m"))

    assert other == Meta(None, 200, {}, (), None, None, None)
    assert "pricing" not in repr(other)


def test_clients_of_httpx(emulator: Emulator) -> None:
    """Prices reach calls over an `http_client`, too."""
    emulator.reply("Hi", usage=USAGE)
    http_client = httpx.Client(transport=emulator.transport())
    client = Client(
        api_key=KEY, project=PROJECT, base_url="http://x/v1", http_client=http_client, prices={MODEL: GIVEN}
    )
    assert client.chat.completions.create(model=MODEL, messages=MESSAGES).cost == 110
    http_client.close()
