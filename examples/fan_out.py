"""Many prompts at once, a few in flight, answers in the order of the prompts. Needs WANDB_API_KEY and WANDB_PROJECT."""

import asyncio

from wandb_inference import APIError, AsyncClient

CITIES = ["Lisbon", "Nairobi", "Osaka", "Quito", "Reykjavik", "Tallinn"]
IN_FLIGHT = 3


async def describe(client: AsyncClient, slots: asyncio.Semaphore, city: str) -> str:
    """What the model says about a city, or why it said nothing: one failure is no reason to lose the others."""
    async with slots:
        try:
            answer = await client.chat.completions.create(
                model="meta-llama/Llama-3.1-8B-Instruct",
                messages=[{"role": "user", "content": f"Describe {city} in one sentence."}],
                max_tokens=40,
            )
        except APIError as error:
            return f"failed: {error}"
    return answer.text


async def main() -> None:
    """Asks about all cities and prints what came back."""
    slots = asyncio.Semaphore(IN_FLIGHT)
    async with AsyncClient() as client:
        answers = await asyncio.gather(*(describe(client, slots, city) for city in CITIES))
    for city, answer in zip(CITIES, answers, strict=True):
        print(f"{city}: {answer}")


asyncio.run(main())
