"""LiteLLM itself, on the service or on our emulator: `python litellm_calls.py`."""

import os

import litellm
from pydantic import BaseModel


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
litellm.suppress_debug_info = True
# `project=`, which LiteLLM's page asks for, goes into the body, where the service does not look for it.
ask = {"model": "wandb/openai/gpt-oss-20b", "extra_headers": {"OpenAI-Project": os.environ["WANDB_PROJECT"]}}


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


answer = litellm.completion(messages=user("Name a prime above 100."), **ask)
message = answer.choices[0].message
print(message.content, "|", message.reasoning_content, "|", answer.usage.total_tokens, "tokens")

stream = litellm.completion(messages=user("Count down from three."), stream=True, **ask)
print("|".join(chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content))

answer = litellm.completion(
    messages=user("What does get_weather say of Oslo?"), tools=[TOOL], tool_choice="auto", **ask
)
(call,) = answer.choices[0].message.tool_calls
print(call.function.name, call.function.arguments)

answer = litellm.completion(messages=user("Bread."), response_format=Recipe, **ask)
print(repr(Recipe.model_validate_json(answer.choices[0].message.content)))

try:
    litellm.completion(messages=user("Hello"), **{**ask, "model": "wandb/openai/gpt-oss-21b"})
except litellm.NotFoundError as error:
    print(f"{type(error).__name__}: {error}")
