"""LangChain's ChatOpenAI on our gateway: `python gateway_langchain.py`, with OPENAI_BASE_URL and OPENAI_API_KEY."""

import openai
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


@tool
def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"3 degrees in {city}"


model = ChatOpenAI(model="small", stream_usage=True)
print(model.invoke("Name a prime above 100.").text)

pieces = list(model.stream("Count down from three."))
whole = sum(pieces[1:], pieces[0])
print("|".join(piece.text for piece in pieces if piece.text), whole.usage_metadata["output_tokens"], "tokens")

print(model.bind_tools([get_weather]).invoke("What does get_weather say of Oslo?").tool_calls[0]["args"])
print(repr(model.with_structured_output(Recipe).invoke("Bread, in a word and a number.")))

try:
    ChatOpenAI(model="smal").invoke("Hello")
except openai.NotFoundError as error:
    print(f"{type(error).__name__}: {error.body['message']}")
