"""The libraries that `scripts/interop` tries with the emulator: what each needs, and what the model says to it.

A library is a row here, a page in `docs/integrations` and its files in `examples/integrations`. The page shows each
file, and below it what it prints; `scripts/interop NAME --write` fills it in from what was printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Replies = Sequence[Mapping[str, Any]]
"""What the emulator says, in turn: the fields of `wandb_inference.testing.Reply`."""

PRIME = {"reasoning": "101 has no small divisor.", "text": "101."}
COUNT = {"text": "Three, two, one."}
WEATHER = {"tool_calls": [("get_weather", {"city": "Oslo"})]}
COLD = {"text": "It is 3 degrees in Oslo."}
BREAD = {"name": "bread", "minutes": 40}


class Library(NamedTuple):
    """One that is tried."""

    packages: tuple[str, ...]
    """Requirements for pip; the lower bounds are what the examples are written for."""
    replies: Mapping[str, Replies]
    """By the name of the file that is run. What is asked beyond these is answered unscripted: no such model, say."""
    extras: str = "emulator"
    """Extras of this package, with commas."""
    left: int = 0
    """Answers that the example leaves before their end."""
    environment: Mapping[str, str] = {}
    """Variables beside those of the client."""
    gateway: str = ""
    """The configuration in `examples` of a gateway between the library and the emulator."""
    node: tuple[str, ...] = ()
    """What npm installs for files that Node runs."""


def fields(**values: str) -> Mapping[str, Any]:
    """What DSPy's usual adapter reads."""
    return {"text": "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in values.items())}


LIBRARIES: dict[str, Library] = {
    "langchain": Library(
        packages=("langchain>=1.5", "langchain-core>=1.8", "langchain-openai>=1.7"),
        replies={
            "langchain_chat.py": [PRIME, COUNT, COUNT, WEATHER, COLD, {"tool_calls": [("Recipe", BREAD)]}],
            "langchain_openai_chat.py": [PRIME, COUNT],
        },
    ),
    "llama-index": Library(
        packages=("llama-index-core>=0.14.25", "llama-index-llms-openai-like>=0.8"),
        replies={"llama_index_chat.py": [PRIME, COUNT, WEATHER, COLD, {"tool_calls": [("Recipe", BREAD)]}]},
    ),
    "pydantic-ai": Library(
        packages=("pydantic-ai-slim[openai]>=2.68",),
        replies={"pydantic_ai_agent.py": [PRIME, COUNT, WEATHER, COLD, {"value": BREAD}]},
    ),
    "dspy": Library(
        packages=("dspy>=3.4.1",),
        replies={
            "dspy_programs.py": [
                PRIME,
                fields(steps='["knead", "bake"]', minutes="40", completed=""),
                fields(answer="Three, two, one.", completed=""),
                fields(next_thought="Ask.", next_tool_name="get_weather", next_tool_args='{"city": "Oslo"}'),
                fields(next_thought="Done.", next_tool_name="finish", next_tool_args="{}"),
                fields(reasoning="The tool says it.", answer=COLD["text"]),
            ]
        },
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # nothing is fetched at import
    ),
    "instructor": Library(
        packages=("instructor>=1.17",),
        replies={
            "instructor_types.py": [
                {"reasoning": "Sourdough takes a day.", "value": {"name": "bread", "minutes": 1440}},
                {"reasoning": "An hour at most, then.", "value": BREAD},
                {"tool_calls": [("Recipe", BREAD)]},
                {"value": BREAD},
            ]
        },
    ),
    "fastapi": Library(
        packages=("fastapi>=0.165", "uvicorn>=0.54"),
        replies={
            "fastapi_try.py": [
                {"reasoning": "Easy.", **COUNT},
                {"text": "Once upon a time. " * 100, "tokens_per_second": 20.0},  # a minute, were it not left
            ]
        },
        left=1,
    ),
    "jupyter": Library(
        packages=("ipykernel>=7.4", "nbclient>=0.11"),
        replies={"jupyter.ipynb": [PRIME, COUNT, COUNT, WEATHER, COLD, {"value": BREAD}]},
    ),
    "llm": Library(
        packages=("llm>=0.36", "./examples/integrations/llm_wandb_inference"),
        replies={"llm_commands.sh": [PRIME, {"value": BREAD}, WEATHER, COLD, {"text": "A coat."}]},
    ),
    "opentelemetry": Library(
        packages=("opentelemetry-sdk>=1.30",),
        replies={"opentelemetry_tracing.py": [WEATHER, COLD]},
        extras="emulator,otel",
    ),
    "gateway": Library(
        packages=("openai>=2.30", "langchain-openai>=1.7", "litellm>=1.110"),
        replies={
            "gateway_openai.py": [PRIME, COUNT, WEATHER, COLD, {"value": BREAD}, COUNT],
            "gateway_node.mjs": [PRIME, COUNT, WEATHER, {"value": BREAD}],
            "gateway_langchain.py": [PRIME, COUNT, WEATHER, {"value": BREAD}],
            "gateway_litellm.py": [PRIME, COUNT, WEATHER, {"value": BREAD}],
            "gateway_ours.py": [PRIME, COUNT, WEATHER, COLD, {"value": BREAD}, COUNT],
        },
        extras="emulator,gateway",
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # nothing is fetched at import
        gateway="gateway.yaml",
        node=("openai@6",),
    ),
    "litellm": Library(
        packages=("litellm>=1.110",),
        replies={"litellm_calls.py": [PRIME, COUNT, WEATHER, {"value": BREAD}]},
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # nothing is fetched at import
    ),
}
