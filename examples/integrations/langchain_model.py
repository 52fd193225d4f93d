"""W&B Inference as a chat model of LangChain, to be copied. It keeps what ChatOpenAI drops, the thinking above all."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, convert_to_openai_messages, message_chunk_to_message
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from wandb_inference import AsyncClient, Client


class ChatWandbInference(BaseChatModel):
    """`params` are those of `create()`, such as `{"temperature": 0, "thinking": True}`."""

    model: str
    params: dict[str, Any] = Field(default_factory=dict)
    client: Any = Field(default_factory=Client, exclude=True)
    async_client: Any = Field(default_factory=AsyncClient, exclude=True)

    @property
    def _llm_type(self):
        return "wandb-inference"

    def bind_tools(self, tools, *, tool_choice=None, **kwargs):
        if tool_choice in ("any", True):
            tool_choice = "required"
        elif isinstance(tool_choice, str) and tool_choice not in ("auto", "none", "required"):
            tool_choice = {"type": "function", "function": {"name": tool_choice}}
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _request(self, messages, stop, kwargs):
        request = {"model": self.model, "messages": convert_to_openai_messages(messages), **self.params, **kwargs}
        return {**request, "stop": stop} if stop else request

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return _result(self.client.chat.completions.create(**self._request(messages, stop, kwargs)))

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        return _result(await self.async_client.chat.completions.create(**self._request(messages, stop, kwargs)))

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        with self.client.chat.completions.create(**self._request(messages, stop, kwargs), stream=True) as stream:
            for chunk in stream:
                yield ChatGenerationChunk(message=_message(chunk.choices[0].delta, chunk))
        yield ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=_usage(stream.usage)))

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        stream = await self.async_client.chat.completions.create(**self._request(messages, stop, kwargs), stream=True)
        async with stream:
            async for chunk in stream:
                yield ChatGenerationChunk(message=_message(chunk.choices[0].delta, chunk))
        yield ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=_usage(stream.usage)))


def _result(answer):
    message = _message(answer.choices[0].message, answer)
    message.usage_metadata = _usage(answer.usage)
    return ChatResult(generations=[ChatGeneration(message=message_chunk_to_message(message))])


def _message(said, answer):
    calls = []
    for place, call in enumerate(said.tool_calls or ()):
        name, arguments = call.function.name, call.function.arguments
        calls.append(tool_call_chunk(name=name, args=arguments, id=call.id, index=getattr(call, "index", place)))
    finish = answer.choices[0].finish_reason
    return AIMessageChunk(
        said.text,
        tool_call_chunks=calls,
        additional_kwargs={"reasoning_content": said.reasoning} if said.reasoning else {},
        response_metadata={"model_name": answer.model, "finish_reason": finish} if finish else {},
    )


def _usage(usage):
    return usage and {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "input_token_details": {"cache_read": usage.cached_tokens or 0},
        "output_token_details": {"reasoning": usage.reasoning_tokens or 0},
    }
