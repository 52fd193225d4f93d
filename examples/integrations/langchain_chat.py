"""LangChain with W&B Inference: `python langchain_chat.py`, beside `langchain_model.py`."""

import asyncio

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_model import ChatWandbInference
from pydantic import BaseModel

from wandb_inference import APIError


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


@tool
def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"3 degrees in {city}"


async def count_down(model: ChatWandbInference) -> str:
    return "|".join([piece.text async for piece in model.astream("Count down from three.") if piece.text])


model = ChatWandbInference(model="openai/gpt-oss-20b", params={"temperature": 0})

answer = model.invoke([("system", "Be brief."), ("human", "Name a prime above 100.")])
print(answer.text, answer.usage_metadata["total_tokens"], "tokens")
for block in answer.content_blocks:
    print(f"{block['type']}: {block.get('reasoning') or block['text']}")

pieces = list(model.stream("Count down from three."))
whole = sum(pieces[1:], pieces[0])
print("|".join(piece.text for piece in pieces if piece.text), whole.usage_metadata["output_tokens"], "tokens")
print(asyncio.run(count_down(model)))

agent = create_agent(model, tools=[get_weather])
for message in agent.invoke({"messages": [("human", "What does get_weather say of Oslo?")]})["messages"]:
    print(f"{message.type}: {message.text or message.tool_calls}")

print(repr(model.with_structured_output(Recipe).invoke("Bread, in a word and a number.")))

try:
    ChatWandbInference(model="openai/gpt-oss-21b").invoke("Hello")
except APIError as error:
    print(f"{type(error).__name__}: {error}")
