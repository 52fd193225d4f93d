"""W&B Inference for `llm`: `llm -m wandb/openai/gpt-oss-20b "Hello"`. Thinking, tools, schemas, pictures and usage."""

import json

import llm
from llm.parts import AttachmentPart, StreamEvent, TextPart, ToolCallPart, ToolResultPart
from pydantic import Field

from wandb_inference import AsyncClient, Client, image
from wandb_inference.catalogue import MODELS


class _Shared:
    can_stream = supports_schema = supports_tools = True
    needs_key, key_env_var = "wandb", "WANDB_API_KEY"

    class Options(llm.Options):
        temperature: float | None = Field(None, ge=0, le=2, description="0 for the likeliest answer")
        max_tokens: int | None = Field(None, ge=1, description="Tokens after which the answer is cut")
        thinking: bool | None = Field(None, description="Turn thinking on or off, where the model lets you")
        reasoning_effort: str | None = Field(None, description="low, medium or high")

    def __init__(self, info):
        self.model_id, self.name = f"wandb/{info.id}", info.id
        self.attachment_types = {"image/png", "image/jpeg", "image/webp", "image/gif"} if info.vision else set()

    def get_key(self, explicit_key=None):
        # None lets the client look in netrc and in W&B's own settings as well.
        return self.key or llm.get_key(explicit_key, self.needs_key, self.key_env_var)

    def _request(self, prompt):
        request = {"model": self.name, "messages": [said for message in prompt.messages for said in _messages(message)]}
        if prompt.schema:
            schema = {"name": "output", "schema": prompt.schema}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        for tool in prompt.tools:
            function = {"name": tool.name, "description": tool.description or "", "parameters": tool.input_schema}
            request.setdefault("tools", []).append({"type": "function", "function": function})
        return {**request, **prompt.options.model_dump(exclude_none=True)}


class WandbModel(_Shared, llm.KeyModel):
    def execute(self, prompt, stream, response, conversation=None, key=None):
        with Client(api_key=key) as client, client.chat.completions.stream(**self._request(prompt)) as events:
            for event in events:
                yield from _told(event, response)


class AsyncWandbModel(_Shared, llm.AsyncKeyModel):
    async def execute(self, prompt, stream, response, conversation=None, key=None):
        async with (
            AsyncClient(api_key=key) as client,
            client.chat.completions.stream(**self._request(prompt)) as events,
        ):
            async for event in events:
                for told in _told(event, response):
                    yield told


@llm.hookimpl
def register_models(register):
    for info in MODELS.values():
        if info.lifecycle != "retired":
            register(WandbModel(info), AsyncWandbModel(info))


def _told(event, response):
    if event.type in ("content.delta", "refusal.delta"):
        yield StreamEvent("text", event.delta)
    elif event.type == "reasoning.delta":
        yield StreamEvent("reasoning", event.delta)
    elif event.type == "tool_call.done":
        id, called = event.tool_call.id, event.tool_call.function
        yield StreamEvent("tool_call_name", called.name, tool_call_id=id)
        yield StreamEvent("tool_call_args", called.arguments, tool_call_id=id)
        arguments = json.loads(called.arguments or "{}")
        response.add_tool_call(llm.ToolCall(name=called.name, arguments=arguments, tool_call_id=id))
    elif event.type == "usage":
        cached = {"cached_tokens": event.usage.cached_tokens, "reasoning_tokens": event.usage.reasoning_tokens}
        response.set_usage(input=event.usage.prompt_tokens, output=event.usage.completion_tokens, details=cached)


def _messages(message):
    text, pictures, calls = "", [], []
    for part in message.parts:
        if isinstance(part, TextPart):
            text += part.text
        elif isinstance(part, AttachmentPart):
            pictures.append(image(part.attachment.url or part.attachment.content_bytes()))
        elif isinstance(part, ToolCallPart):
            function = {"name": part.name, "arguments": json.dumps(part.arguments)}
            calls.append({"id": part.tool_call_id, "type": "function", "function": function})
        elif isinstance(part, ToolResultPart):
            yield {"role": "tool", "tool_call_id": part.tool_call_id, "content": part.output}
    if text or pictures or calls:
        content = [{"type": "text", "text": text}, *pictures] if pictures else text or None
        yield {"role": message.role, "content": content, **({"tool_calls": calls} if calls else {})}
