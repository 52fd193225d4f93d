"""LangChain's own ChatOpenAI on W&B Inference, over our connections: `python langchain_openai_chat.py`."""

import os

import httpx
from langchain_openai import ChatOpenAI

from wandb_inference.transports import AsyncHTTPTransport, HTTPTransport

model = ChatOpenAI(
    model="openai/gpt-oss-20b",
    base_url=os.environ.get("WANDB_API_BASE", "https://api.inference.wandb.ai/v1"),
    api_key=os.environ["WANDB_API_KEY"],
    default_headers={"OpenAI-Project": os.environ["WANDB_PROJECT"]},
    stream_usage=True,  # off by itself where the base URL is not OpenAI's
    http_client=httpx.Client(transport=HTTPTransport()),
    http_async_client=httpx.AsyncClient(transport=AsyncHTTPTransport()),
)
answer = model.invoke("Name a prime above 100.")
print([block["type"] for block in answer.content_blocks], answer.text)  # no thinking

pieces = list(model.stream("Count down from three."))
whole = sum(pieces[1:], pieces[0])
print("|".join(piece.text for piece in pieces if piece.text), whole.usage_metadata["output_tokens"], "tokens")
