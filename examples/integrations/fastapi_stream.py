"""Server-sent events from FastAPI: `uvicorn fastapi_stream:app`, then `curl -N "localhost:8000/ask?text=Hello"`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse

from wandb_inference import APIError, APIStatusError, AsyncClient, AsyncStream
from wandb_inference.types import ChatCompletionChunk


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient() as client:  # one for all requests: its connections are reused
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


def event(**data: object) -> str:
    return f"data: {json.dumps(data)}\n\n"


async def events(stream: AsyncStream[ChatCompletionChunk]) -> AsyncIterator[str]:
    # When the browser leaves, Starlette cancels this generator; `async with` then ends the call upstream.
    async with stream:
        try:
            async for chunk in stream:
                if chunk.reasoning or chunk.text:
                    yield event(**({"reasoning": chunk.reasoning} if chunk.reasoning else {"text": chunk.text}))
        except APIError as error:  # the status was sent long ago: say it in the stream
            yield event(error=str(error), received=error.text)
        else:
            yield event(tokens=stream.usage.total_tokens if stream.usage else None)


@app.get("/ask")
async def ask(text: str, model: str = "openai/gpt-oss-20b") -> StreamingResponse:
    """The answer, token by token."""
    messages = [{"role": "user", "content": text}]
    try:
        stream = await app.state.client.chat.completions.create(model=model, messages=messages, stream=True)
    except APIStatusError as error:
        raise HTTPException(error.status_code, str(error)) from error
    except APIError as error:
        raise HTTPException(502, str(error)) from error
    return StreamingResponse(events(stream), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
