"""The dated table of models."""

from __future__ import annotations

from typing import Literal, NamedTuple

TABLE_DATE = "2026-10-07"
"""Day of the newest source: CoreWeave's plugin manifest, with later additions from LiteLLM 1.109.1."""

Reasoning = Literal["none", "on", "off", "adaptive", "always"]
"""Whether a model thinks first: `on` and `off` are defaults that a request can change, `always` can't be changed,
`adaptive` leaves it to the model."""

Lifecycle = Literal["general-availability", "deprecated", "retired"]


class ModelInfo(NamedTuple):
    """What the table knows of one model."""

    id: str
    """The id to send, case included."""
    context: int | None = None
    """Tokens of prompt and answer together; `None` where unknown."""
    max_output: int | None = None
    """Tokens of the longest answer; `None` where unknown."""
    reasoning: Reasoning = "none"
    """Whether it thinks first."""
    vision: bool = False
    """Whether it takes pictures."""
    lifecycle: Lifecycle = "general-availability"
    """`retired` models answer 404."""
    successor: str | None = None
    """The id that replaced a retired model, where one was named."""
    effort: bool = False
    """Whether `reasoning_effort` is how it is told how long to think."""


def _retired(id: str, successor: str | None = None) -> ModelInfo:
    return ModelInfo(id, lifecycle="retired", successor=successor)


_LIVING = (
    ModelInfo("deepseek-ai/DeepSeek-V3.1", 161_000, 128_000),
    ModelInfo("deepseek-ai/DeepSeek-V4-Flash-0731", 262_144, 262_144, "on"),
    ModelInfo("deepseek-ai/DeepSeek-V4-Pro-0813", 1_048_576, None, "on"),
    ModelInfo("deepseek-ai/DeepSeek-V4.1-Flash", 1_048_576, 1_048_576, "on", vision=True),
    ModelInfo("google/gemma-4-26B-A4B-it", 262_144, 262_144, "off", vision=True),
    ModelInfo("google/gemma-4-31B-it", 262_144, 262_144, "off", vision=True),
    ModelInfo("ibm-granite/granite-4.2-8b", 131_072, None, "on"),
    ModelInfo("meta-llama/Llama-3.1-8B-Instruct", 131_072, 128_000),
    ModelInfo("meta-llama/Llama-3.3-70B-Instruct", 128_000, 128_000),
    ModelInfo("MiniMaxAI/MiniMax-M3", 262_144, 262_144, "adaptive", vision=True),
    ModelInfo("moonshotai/Kimi-K2.6", 262_144, 262_144, "always", vision=True),
    ModelInfo("moonshotai/Kimi-K2.7-Code", 262_144, 262_144, "always", vision=True),
    ModelInfo("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B", 262_144, 262_144, "on"),
    ModelInfo("nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B", 262_144, 262_144, "on"),
    ModelInfo("nvidia/NVIDIA-Nemotron-3.5-Super-VL-120B-A12B", 1_049_000, 943_718, "on", vision=True),
    ModelInfo("openai/gpt-oss-20b", 131_072, 131_072, "always", effort=True),
    ModelInfo("openai/gpt-oss-120b", 131_072, 131_072, "always", effort=True),
    ModelInfo("Qwen/Qwen3.6-35B-A3B", 262_144, 262_144, "on", vision=True),
    ModelInfo("Qwen/Qwen3.8-27B", 262_144, 262_144, "on", vision=True),
    ModelInfo("reflection/Beam-1.0-501B-A23B", 1_049_000, None, "on"),
    ModelInfo("zai-org/GLM-5.2", 1_048_576, 262_144, "on"),
    ModelInfo("zai-org/GLM-5.3", 1_049_000, None, "on"),
    ModelInfo("zai-org/GLM-5.3-Flash", 1_048_576, None, "always", vision=True),
)

# Retired ids answer 404: the service has no aliases. Most of these left on 2026-10-05, the ones without a named
# successor earlier.
_RETIRED = (
    _retired("deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Flash-0731"),
    _retired("deepseek-ai/DeepSeek-V4-Pro", "deepseek-ai/DeepSeek-V4-Pro-0813"),
    _retired("ibm-granite/granite-4.1-8b", "ibm-granite/granite-4.2-8b"),
    _retired("JetBrains/Mellum2-12B-A2.5B-Instruct", "ibm-granite/granite-4.2-8b"),
    _retired("meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"),
    _retired("OpenPipe/Qwen3-14B-Instruct", "Qwen/Qwen3.8-27B"),
    _retired("Qwen/Qwen3.6-27B", "Qwen/Qwen3.8-27B"),
    _retired("Qwen/Qwen3.5-35B-A3B", "Qwen/Qwen3.6-35B-A3B"),
    _retired("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3.6-35B-A3B"),
    _retired("microsoft/Phi-4-mini-instruct"),
    _retired("meta-llama/Llama-4-Scout-17B-16E-Instruct"),
    _retired("deepseek-ai/DeepSeek-R1-0528"),
    _retired("deepseek-ai/DeepSeek-V3-0324"),
    _retired("moonshotai/Kimi-K2-Instruct"),
    _retired("moonshotai/Kimi-K2-Instruct-0905"),
    _retired("moonshotai/Kimi-K2.5"),
    _retired("Qwen/Qwen2.5-14B-Instruct"),
    _retired("Qwen/Qwen3-235B-A22B-Instruct-2507"),
    _retired("Qwen/Qwen3-235B-A22B-Thinking-2507"),
    _retired("Qwen/Qwen3-Coder-480B-A35B-Instruct"),
    _retired("zai-org/GLM-4.5"),
    _retired("MiniMaxAI/MiniMax-M2.5"),
)

MODELS: dict[str, ModelInfo] = {model.id: model for model in (*_LIVING, *_RETIRED)}
"""Every known model by id, the living first."""
