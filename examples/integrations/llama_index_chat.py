"""LlamaIndex with W&B Inference, over our connections: `python llama_index_chat.py`."""

import asyncio
import os

import httpx
import openai
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from wandb_inference.transports import AsyncHTTPTransport, HTTPTransport


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"3 degrees in {city}"


async def ask_agent() -> str:
    agent = FunctionAgent(tools=[get_weather], llm=llm, streaming=False)
    result = await agent.run("What does get_weather say of Oslo?")
    return f"{result.tool_calls[0].tool_kwargs} -> {result.response.content}"


llm = OpenAILike(
    model="openai/gpt-oss-20b",
    api_base=os.environ.get("WANDB_API_BASE", "https://api.inference.wandb.ai/v1"),
    api_key=os.environ["WANDB_API_KEY"],
    default_headers={"OpenAI-Project": os.environ["WANDB_PROJECT"]},
    http_client=httpx.Client(transport=HTTPTransport()),
    async_http_client=httpx.AsyncClient(transport=AsyncHTTPTransport()),
    is_chat_model=True,  # else it asks /completions
    is_function_calling_model=True,
    context_window=131072,  # else it takes 3900 tokens for the model's
)

answer = llm.chat([ChatMessage(role="system", content="Be brief."), ChatMessage("Name a prime above 100.")])
print(
    " | ".join(
        f"{block.block_type}: {getattr(block, 'content', None) or block.text}" for block in answer.message.blocks
    )
)
print(answer.raw.usage.total_tokens, "tokens")
print("|".join(piece.delta for piece in llm.stream_chat([ChatMessage("Count down from three.")]) if piece.delta))
print(asyncio.run(ask_agent()))
print(repr(llm.structured_predict(Recipe, PromptTemplate("A recipe for {dish}."), dish="bread")))
try:
    llm.chat([ChatMessage("Hello")], model="openai/gpt-oss-21b")
except openai.APIError as error:
    print(f"{type(error).__name__}: {error}")
