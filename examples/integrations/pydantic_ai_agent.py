"""pydantic-ai with W&B Inference, over our connections: `python pydantic_ai_agent.py`."""

import asyncio
import os

import httpx
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from wandb_inference.transports import AsyncHTTPTransport


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


openai = AsyncOpenAI(
    base_url=os.environ.get("WANDB_API_BASE", "https://api.inference.wandb.ai/v1"),
    api_key=os.environ["WANDB_API_KEY"],
    project=os.environ["WANDB_PROJECT"],
    http_client=httpx.AsyncClient(transport=AsyncHTTPTransport()),
)
provider = OpenAIProvider(openai_client=openai)
model = OpenAIChatModel("openai/gpt-oss-20b", provider=provider)
agent = Agent(model, instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"3 degrees in {city}"


async def main() -> None:
    answer = await agent.run("Name a prime above 100.")
    print(" | ".join(f"{part.part_kind}: {part.content}" for part in answer.response.parts))
    print(answer.usage.total_tokens, "tokens")

    async with agent.run_stream("Count down from three.") as stream:
        print("|".join([piece async for piece in stream.stream_text(delta=True, debounce_by=None)]))

    for message in (await agent.run("What does get_weather say of Oslo?")).all_messages():
        print(" | ".join(f"{part.part_kind}: {getattr(part, 'args', None) or part.content}" for part in message.parts))

    print(repr((await agent.run("Bread.", output_type=NativeOutput(Recipe))).output))
    try:
        await agent.run("Hello", model=OpenAIChatModel("openai/gpt-oss-21b", provider=provider))
    except ModelHTTPError as error:
        print(f"{type(error).__name__}: {error}")


asyncio.run(main())
