"""LiteLLM's SDK on our gateway, as on its own proxy: `python gateway_litellm.py`."""

import os

import litellm
from pydantic import BaseModel


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
litellm.suppress_debug_info = True
ask = {
    "model": "litellm_proxy/small",
    "api_base": os.environ["OPENAI_BASE_URL"],
    "api_key": os.environ["OPENAI_API_KEY"],
    "metadata": {"tags": ["example"]},
}


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


answer = litellm.completion(messages=user("Name a prime above 100."), **ask)
headers = answer._hidden_params["additional_headers"]
print(answer.choices[0].message.content, headers["llm_provider-x-litellm-model-group"])

stream = litellm.completion(messages=user("Count down from three."), stream=True, **ask)
print("|".join(chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content))

answer = litellm.completion(messages=user("What does get_weather say of Oslo?"), tools=[TOOL], **ask)
print(answer.choices[0].message.tool_calls[0].function.arguments)

answer = litellm.completion(messages=user("Bread."), response_format=Recipe, **ask)
print(repr(Recipe.model_validate_json(answer.choices[0].message.content)))

try:
    litellm.completion(messages=user("Hello"), **{**ask, "model": "litellm_proxy/smal"})
except litellm.NotFoundError as error:
    print(f"{type(error).__name__}: {error.message}")
