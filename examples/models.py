"""Which models there are and what they cost: the cheapest that see, and what to do about one that is gone.

Needs WANDB_API_KEY and WANDB_PROJECT. `models.list(feed=True)` also asks the service's public feed, without your key.
"""

from decimal import Decimal

from wandb_inference import Client, InvalidRequestError
from wandb_inference.catalogue import known

QUESTION = [{"role": "user", "content": "Name a prime above 100."}]


def price(model_id: str) -> Decimal:
    """Dollars for a million tokens, half of them read and half of them written; a model without price comes last."""
    info = known(model_id)
    if info is None or info.input_price is None or info.output_price is None:
        return Decimal("Infinity")
    return (info.input_price + info.output_price) / 2


with Client() as client:
    seeing = [model for model in client.models.list().served if model.info is not None and model.info.vision]
    for model in sorted(seeing, key=lambda model: price(model.id))[:3]:
        print(model)

    wanted = "meta-llama/Llama-3.1-70B-Instruct"
    info = known(wanted)
    if info is not None and info.lifecycle == "retired":
        print(f"{wanted} was retired on {info.retired_on}; next is {info.successor}")
        wanted = info.successor or "meta-llama/Llama-3.1-8B-Instruct"
    print(client.chat.completions.create(model=wanted, messages=QUESTION).text)

    try:
        client.chat.completions.create(model=wanted, messages=QUESTION, max_tokens=200_000)
    except InvalidRequestError as error:
        print(error.errors[0].value)  # the numbers
