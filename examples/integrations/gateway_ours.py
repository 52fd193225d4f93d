"""Our own clients on our gateway: `python gateway_ours.py`, with OPENAI_BASE_URL and OPENAI_API_KEY."""

import asyncio
import os

from pydantic import BaseModel

from wandb_inference import APIStatusError, AsyncClient, Client


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"3 degrees in {city}"


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


where = {"base_url": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"], "project": ""}
client = Client(**where)
answer = client.chat.completions.create(model="small", messages=user("Name a prime above 100."))
print(answer.text, "|", answer.reasoning, "|", answer.cost_details.source)

stream = client.chat.completions.create(model="small", messages=user("Count down from three."), stream=True)
print("|".join(chunk.text for chunk in stream if chunk.text), stream.usage.completion_tokens, "tokens")

run = client.chat.completions.run_tools(model="small", messages=user("The weather of Oslo?"), tools=[get_weather])
print(run.text)


async def parsed() -> Recipe:
    async with AsyncClient(**where) as client:
        answer = await client.chat.completions.parse(model="small", messages=user("Bread."), response_format=Recipe)
        return answer.parsed


print(repr(asyncio.run(parsed())))

trial = Client(**{**where, "api_key": os.environ["GATEWAY_TRIAL_KEY"]}, max_retries=0)
trial.chat.completions.create(model="small", messages=user("Hello"))
for who, model in ((Client(**{**where, "api_key": "wrong"}), "small"), (client, "smal"), (trial, "small")):
    try:
        who.chat.completions.create(model=model, messages=user("Hello"))
    except APIStatusError as error:
        print(f"{type(error).__name__} {error.status_code} {error.code}: {error.message}")
