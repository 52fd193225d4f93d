"""The models of the table that are retired. Their ids answer 404: the service has no aliases.

Written by `scripts/update-catalogue`. What the feed doesn't know is edited here; the script keeps it.
"""

from __future__ import annotations

from ._model_info import ModelInfo

RETIRED = (
    ModelInfo("deepseek-ai/DeepSeek-R1-0528", lifecycle="retired", retired_on="2026-03-04", sources=("docs",)),
    ModelInfo("deepseek-ai/DeepSeek-V3-0324", lifecycle="retired", retired_on="2026-03-04", sources=("docs",)),
    ModelInfo(
        "deepseek-ai/DeepSeek-V4-Flash",
        lifecycle="retired",
        successor="deepseek-ai/DeepSeek-V4-Flash-0731",
        prices=("0.14", "0.28", "0.07"),
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo(
        "deepseek-ai/DeepSeek-V4-Pro",
        lifecycle="retired",
        successor="deepseek-ai/DeepSeek-V4-Pro-0813",
        prices=("1.15", "2.55", "0.20"),
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo(
        "ibm-granite/granite-4.1-8b",
        lifecycle="retired",
        successor="ibm-granite/granite-4.2-8b",
        prices=("0.05", "0.10", None),
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo(
        "JetBrains/Mellum2-12B-A2.5B-Instruct",
        lifecycle="retired",
        successor="ibm-granite/granite-4.2-8b",
        prices=("0.05", "0.10", None),
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo(
        "meta-llama/Llama-3.1-70B-Instruct",
        lifecycle="retired",
        successor="meta-llama/Llama-3.3-70B-Instruct",
        prices=("0.80", "0.80", None),
        lora=True,
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo(
        "meta-llama/Llama-4-Scout-17B-16E-Instruct",
        lifecycle="retired",
        prices=("0.17", "0.66", None),
        retired_on="2026-04-21",
        sources=("docs", "models.dev"),
    ),
    ModelInfo(
        "microsoft/Phi-4-mini-instruct",
        lifecycle="retired",
        prices=("0.08", "0.35", None),
        retired_on="2026-07-20",
        sources=("docs", "models.dev"),
    ),
    ModelInfo(
        "MiniMaxAI/MiniMax-M2.5", lifecycle="retired", prices=("0.30", "1.20", None), sources=("docs", "models.dev")
    ),
    ModelInfo("moonshotai/Kimi-K2-Instruct", lifecycle="retired", retired_on="2026-03-04", sources=("docs",)),
    ModelInfo("moonshotai/Kimi-K2-Instruct-0905", lifecycle="retired", retired_on="2026-03-04", sources=("docs",)),
    ModelInfo(
        "moonshotai/Kimi-K2.5", lifecycle="retired", prices=("0.60", "3.00", "0.10"), sources=("litellm", "docs")
    ),
    ModelInfo(
        "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8",
        lifecycle="retired",
        prices=("0.20", "0.80", None),
        sources=("docs", "models.dev"),
    ),
    ModelInfo(
        "OpenPipe/Qwen3-14B-Instruct",
        lifecycle="retired",
        successor="Qwen/Qwen3.8-27B",
        prices=("0.05", "0.22", None),
        lora=True,
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo("Qwen/Qwen2.5-14B-Instruct", lifecycle="retired", retired_on="2026-03-04", sources=("docs",)),
    ModelInfo(
        "Qwen/Qwen3-235B-A22B-Instruct-2507",
        lifecycle="retired",
        prices=("0.10", "0.10", None),
        sources=("docs", "models.dev"),
    ),
    ModelInfo(
        "Qwen/Qwen3-235B-A22B-Thinking-2507",
        lifecycle="retired",
        prices=("0.10", "0.10", None),
        sources=("docs", "models.dev"),
    ),
    ModelInfo(
        "Qwen/Qwen3-30B-A3B-Instruct-2507",
        lifecycle="retired",
        successor="Qwen/Qwen3.6-35B-A3B",
        prices=("0.10", "0.30", None),
        lora=True,
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo(
        "Qwen/Qwen3-Coder-480B-A35B-Instruct",
        lifecycle="retired",
        prices=("1.00", "1.50", None),
        sources=("docs", "models.dev"),
    ),
    ModelInfo("Qwen/Qwen3.5-27B", lifecycle="retired", prices=("0.39", "3.12", "0.08"), sources=("docs", "models.dev")),
    ModelInfo(
        "Qwen/Qwen3.5-35B-A3B",
        lifecycle="retired",
        successor="Qwen/Qwen3.6-35B-A3B",
        prices=("0.25", "1.25", None),
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo(
        "Qwen/Qwen3.6-27B",
        lifecycle="retired",
        successor="Qwen/Qwen3.8-27B",
        prices=("0.60", "3.60", "0.12"),
        retired_on="2026-10-05",
        sources=("litellm", "docs"),
    ),
    ModelInfo("zai-org/GLM-4.5", lifecycle="retired", retired_on="2026-03-04", sources=("docs",)),
    ModelInfo("zai-org/GLM-5.1", lifecycle="retired", prices=("1.40", "4.40", "0.26"), sources=("docs", "models.dev")),
)
