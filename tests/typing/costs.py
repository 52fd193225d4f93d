"""What type checkers make of costs, totals and budgets. Checked, never run."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from typing_extensions import assert_type

from wandb_inference import (
    APIError,
    AsyncClient,
    Budget,
    BudgetExceededError,
    Client,
    Price,
    UsageTotals,
    budget,
    completion,
    completion_cost,
)
from wandb_inference.types import CostDetails, DoneEvent, Spending, UsageSnapshot

PRICES = {"m": Price("0.1", 1), "n": Price.per_million(0.1, Decimal(1), None)}
client = Client(prices=PRICES).with_options(prices={"m": {"input_cost_per_token": 1, "output_cost_per_token": "2"}})
AsyncClient(prices=PRICES)
assert_type(client.usage, UsageTotals)

answer = client.chat.completions.create(
    model="m", messages=[], input_cost_per_token=Decimal(1), output_cost_per_token=1
)
assert_type(answer.cost, Decimal | None)
assert_type(answer.cost_details, CostDetails)
assert_type(answer.cost_details.price, Price | None)
assert_type(completion("m", [], input_cost_per_token="1", output_cost_per_token=0.5).cost, Decimal | None)
assert_type(completion_cost(answer, prices=PRICES), Decimal | None)
assert_type(completion_cost(completion_response={"usage": {}}, model="m"), Decimal | None)

with client.chat.completions.create(model="m", messages=[], stream=True) as stream:
    assert_type(stream.cost, Decimal | None)
with client.chat.completions.stream(model="m", messages=[]) as events:
    assert_type(events.cost_details, CostDetails)

assert_type(client.usage.total, Spending)
assert_type(client.usage.by_model, dict[str, Spending])
assert_type(client.usage.reset(), UsageSnapshot)

with budget(5, tokens=1_000, calls=3) as b:
    assert_type(b, Budget)
    assert_type(b.spent, Decimal)
    assert_type(b.left, Decimal | None)
    assert_type(b.possible, int)
    assert_type(b.total.total_tokens, int)
client.with_options(budget=b).with_options(budget=None)


def failed(error: APIError, refused: BudgetExceededError, event: DoneEvent) -> None:
    """Errors and hooks tell costs, too."""
    assert_type(error.cost, Decimal | None)
    assert_type(refused.unit, Literal["usd", "tokens", "calls"])
    assert_type(refused.asked, Decimal | int)
    assert_type(refused.by_model, dict[str, Spending])
    assert_type(event.cost, Decimal | None)


budget(usd=[])  # type: ignore[arg-type]
Price(1)  # type: ignore[call-arg]
