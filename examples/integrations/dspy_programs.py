"""DSPy with W&B Inference, through the LiteLLM that it brings: `python dspy_programs.py`."""

import asyncio
import os

import dspy


class Cook(dspy.Signature):
    """Say how long a dish takes."""

    dish: str = dspy.InputField()
    steps: list[str] = dspy.OutputField()
    minutes: int = dspy.OutputField()


def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"3 degrees in {city}"


async def stream() -> str:
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    program = dspy.streamify(dspy.Predict("question -> answer"), stream_listeners=[listener])
    pieces = [piece async for piece in program(question="Count down from three.")]
    return "|".join(piece.chunk for piece in pieces if getattr(piece, "chunk", ""))


project = {"OpenAI-Project": os.environ["WANDB_PROJECT"]}  # LiteLLM's `project=` does not become a header
lm = dspy.LM("wandb/openai/gpt-oss-20b", extra_headers=project, cache=False)
dspy.configure(lm=lm, track_usage=True)

(said,) = lm("Name a prime above 100.")
print(said["text"], "|", said["reasoning_content"])

recipe = dspy.Predict(Cook)(dish="bread")
print(recipe.steps, recipe.minutes, recipe.get_lm_usage()["wandb/openai/gpt-oss-20b"]["total_tokens"], "tokens")
print(asyncio.run(stream()))

weather = dspy.ReAct("question -> answer", tools=[get_weather])(question="What does get_weather say of Oslo?")
print(weather.trajectory["observation_0"], "->", weather.answer)

try:
    dspy.LM("wandb/openai/gpt-oss-21b", extra_headers=project, num_retries=0)("Hello")
except dspy.LMError as error:
    print(f"{type(error).__name__}: {error}")
