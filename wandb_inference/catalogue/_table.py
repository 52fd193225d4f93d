"""The dated table of models, and those of them that answer.

Written by `scripts/update-catalogue`. What the feed doesn't know is edited here; the script keeps it.
"""

from __future__ import annotations

from ._model_info import ModelInfo
from ._retired import RETIRED

TABLE_DATE = "2026-10-07"
"""Day of the newest source."""

SOURCES = {
    "manifest": "the model list of CoreWeave's OpenClaw plugin, 2026-10-07",
    "litellm": "the price table of LiteLLM 1.109.1",
    "docs": "the service's pages on retired models and on LoRA, April to October 2026",
    "models.dev": "models.dev's entries for the service, 2026-03-12 to 2026-08-13",
}
"""Where the entries come from. Where two disagree, the one that stands first holds."""

LIVING = (
    ModelInfo(
        "deepseek-ai/DeepSeek-V3.1",
        161_000,
        128_000,
        prices=("0.55", "1.65", None),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "deepseek-ai/DeepSeek-V4-Flash-0731",
        262_144,
        262_144,
        "on",
        prices=("0.13", "0.28", "0.07"),
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "deepseek-ai/DeepSeek-V4-Pro-0813",
        1_048_576,
        None,
        "on",
        prices=("1.31", "3.96", "0.044"),
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "deepseek-ai/DeepSeek-V4.1-Flash",
        1_048_576,
        1_048_576,
        "on",
        vision=True,
        prices=("0.20", "0.65", "0.03"),
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "google/gemma-4-26B-A4B-it",
        262_144,
        262_144,
        "off",
        vision=True,
        prices=("0.10", "0.30", "0.05"),
        tools=True,
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "google/gemma-4-31B-it",
        262_144,
        262_144,
        "off",
        vision=True,
        prices=("0.10", "0.34", None),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "ibm-granite/granite-4.2-8b",
        131_072,
        None,
        "on",
        prices=("0.10", "0.15", "0.05"),
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "meta-llama/Llama-3.1-8B-Instruct",
        131_072,
        128_000,
        prices=("0.22", "0.22", None),
        tools=True,
        lora=True,
        sources=("manifest", "litellm", "docs", "models.dev"),
    ),
    ModelInfo(
        "meta-llama/Llama-3.3-70B-Instruct",
        128_000,
        128_000,
        prices=("0.71", "0.71", None),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "MiniMaxAI/MiniMax-M3",
        262_144,
        262_144,
        "adaptive",
        vision=True,
        prices=("0.23", "0.96", "0.05"),
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "moonshotai/Kimi-K2.6",
        262_144,
        262_144,
        "always",
        vision=True,
        prices=("0.65", "3.41", "0.15"),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "moonshotai/Kimi-K2.7-Code",
        262_144,
        262_144,
        "always",
        vision=True,
        prices=("0.71", "3.50", "0.15"),
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B",
        262_144,
        262_144,
        "on",
        prices=("0.50", "2.15", "0.10"),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B",
        262_144,
        262_144,
        "on",
        prices=("0.07", "0.20", "0.04"),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "nvidia/NVIDIA-Nemotron-3.5-Super-VL-120B-A12B",
        1_049_000,
        943_718,
        "on",
        vision=True,
        prices=("0.25", "1.50", "0.05"),
        tools=True,
        sources=("litellm",),
    ),
    ModelInfo(
        "openai/gpt-oss-120b",
        131_072,
        131_072,
        "always",
        effort=True,
        prices=("0.03", "0.17", None),
        tools=True,
        lora=True,
        sources=("manifest", "litellm", "docs", "models.dev"),
    ),
    ModelInfo(
        "openai/gpt-oss-20b",
        131_072,
        131_072,
        "always",
        effort=True,
        prices=("0.03", "0.13", None),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "Qwen/Qwen3.6-35B-A3B",
        262_144,
        262_144,
        "on",
        vision=True,
        prices=("0.25", "1.25", None),
        tools=True,
        sources=("manifest", "litellm", "models.dev"),
    ),
    ModelInfo(
        "Qwen/Qwen3.8-27B",
        262_144,
        262_144,
        "on",
        vision=True,
        prices=("0.40", "3.00", "0.15"),
        sources=("manifest", "litellm"),
    ),
    ModelInfo(
        "reflection/Beam-1.0-501B-A23B",
        1_049_000,
        None,
        "on",
        prices=("1.00", "3.00", "0.10"),
        tools=True,
        sources=("litellm",),
    ),
    ModelInfo(
        "zai-org/GLM-5.2", 1_048_576, 262_144, "on", prices=("0.76", "2.42", "0.14"), sources=("manifest", "litellm")
    ),
    ModelInfo(
        "zai-org/GLM-5.3", 1_049_000, None, "on", prices=("1.20", "4.00", "0.19"), tools=True, sources=("litellm",)
    ),
    ModelInfo(
        "zai-org/GLM-5.3-Flash",
        1_048_576,
        None,
        "always",
        vision=True,
        prices=("0.15", "0.50", "0.05"),
        tools=True,
        sources=("manifest", "litellm"),
    ),
)

MODELS = {model.id: model for model in (*LIVING, *RETIRED)}
"""Every known model by id, the living first."""
