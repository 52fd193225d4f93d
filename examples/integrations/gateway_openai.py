"""OpenAI's client on our gateway: `python gateway_openai.py`, with OPENAI_BASE_URL and OPENAI_API_KEY."""

import os

import openai
from pydantic import BaseModel


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


client = openai.OpenAI()
answer = client.chat.completions.with_raw_response.create(model="small", messages=user("Name a prime above 100."))
print(answer.parse().choices[0].message.content, "by", answer.parse().model, "for $", answer.headers["x-gateway-cost"])

stream = client.chat.completions.create(
    model="small", messages=user("Count."), stream=True, stream_options={"include_usage": True}
)
chunks = list(stream)
print("|".join(c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content))
print(chunks[-1].usage.completion_tokens, "tokens for $", chunks[-1].usage.cost)

messages = user("What does get_weather say of Oslo?")
answer = client.chat.completions.create(model="small", messages=messages, tools=[TOOL])
(call,) = answer.choices[0].message.tool_calls
messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "3 degrees"}]
answer = client.chat.completions.create(model="small", messages=messages)
print(call.function.arguments, answer.choices[0].message.content)

answer = client.chat.completions.parse(model="small", messages=user("Bread."), response_format=Recipe)
print(repr(answer.choices[0].message.parsed))

trial = client.with_options(api_key=os.environ["GATEWAY_TRIAL_KEY"], max_retries=0)
trial.chat.completions.create(model="small", messages=user("Hello"))
for who, model in ((client.with_options(api_key="wrong"), "small"), (client, "smal"), (trial, "small")):
    try:
        who.chat.completions.create(model=model, messages=user("Hello"))
    except openai.APIStatusError as error:
        print(f"{type(error).__name__} {error.status_code} {error.code}: {error.body['message']}")
