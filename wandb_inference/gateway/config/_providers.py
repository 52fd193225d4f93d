"""Whose model an entry of `model_list` is: W&B's, another OpenAI-compatible service's, or a foreign provider's."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ...catalogue import known
from ._checking import Fields
from ._findings import Findings, shown
from ._models import Provider
from ._params import Params

# Prefixes of LiteLLM 1.109; what is none of them, and in no catalogue, is taken for a model without a prefix.
# fmt: off
_FOREIGN: Final = frozenset(
    {
        "ai21", "ai21_chat", "aiml", "anthropic", "anthropic_text", "azure", "azure_ai", "azure_text",
        "baseten", "bedrock", "bedrock_mantle", "cerebras", "chatgpt", "chutes", "clarifai", "cloudflare",
        "codestral", "cohere", "cohere_chat", "cometapi", "custom", "custom_openai", "dashscope",
        "databricks", "deepinfra", "deepseek", "docker_model_runner", "elevenlabs", "empower",
        "featherless_ai", "fireworks_ai", "friendliai", "galadriel", "gemini", "gigachat", "github",
        "github_copilot", "gradient_ai", "groq", "heroku", "hosted_vllm", "huggingface", "hyperbolic",
        "infinity", "jina_ai", "lambda_ai", "lemonade", "litellm_proxy", "llamafile", "lm_studio", "maritalk",
        "meta_llama", "minimax", "mistral", "modelscope", "moonshot", "morph", "nano-gpt", "nebius",
        "nlp_cloud", "novita", "nscale", "nvidia_nim", "oci", "ollama", "ollama_chat", "oobabooga",
        "openai_like", "openrouter", "ovhcloud", "perplexity", "petals", "poe", "predibase", "replicate",
        "sagemaker", "sagemaker_chat", "sambanova", "sap", "scaleway", "snowflake", "synthetic",
        "text-completion-codestral", "text-completion-openai", "together_ai", "triton", "v0",
        "vercel_ai_gateway", "vertex_ai", "vertex_ai_beta", "vllm", "volcengine", "voyage", "watsonx",
        "watsonx_text", "xai", "xinference", "zai",
    }
)
# fmt: on
_PLACEHOLDER: Final = re.compile(r"\{\w*\}")


class Target(NamedTuple):
    """What `model` says."""

    provider: Provider
    model: str


class Foreign(NamedTuple):
    """A model of a provider that the gateway does not speak to."""

    provider: str


def is_wandb_host(url: object) -> bool:
    """Whether an address is one of W&B's."""
    try:
        host = urlsplit(str(url).strip()).hostname or ""
    except ValueError:
        return False
    return host in ("wandb.ai", "coreweave.com") or host.endswith((".wandb.ai", ".coreweave.com"))


def target_of(params: Fields[Params], *, has_project: bool, short: bool, findings: Findings) -> Target | Foreign | None:
    """Where a deployment's requests go; `None` where `model` can't be read, which is noted.

    Args:
        params: Its `litellm_params`.
        has_project: Whether it names a project, be it as a header.
        short: Whether it is in our own short form, where W&B's ids need no `wandb/`.
        findings: Gets what is wrong.
    """
    item, model = params.get("model"), params.values.model
    if item is None or model is None:
        return None
    if _PLACEHOLDER.search(model):
        better = _PLACEHOLDER.sub("*", model)
        findings.error(item, f"{shown(model)} has a placeholder that is never filled in", f"write {shown(better)}")
        return None
    prefix, slash, rest = model.partition("/")
    given = params.values.custom_llm_provider
    address = params.values.api_base or params.values.base_url
    if given is not None and given not in ("wandb", "openai"):
        return Foreign(given)
    if given is not None and prefix != given:
        prefix, slash, rest = given, "/", model
    if short and given is None and prefix != "wandb":
        prefix, slash, rest = "wandb", "/", model
    if slash and not rest:
        findings.error(item, f"{shown(model)} names no model after the provider")
        return None
    if prefix == "wandb" and slash:
        return Target("wandb", rest)
    if prefix == "openai" and slash:
        # At another's address the account's key has no business: there, one must be given.
        if is_wandb_host(address) or (has_project and (not address or params.get("api_key") is not None)):
            return Target("wandb", rest)
        return Target("openai", rest) if address else Foreign("openai")
    if slash and prefix in _FOREIGN and not known(model):
        return Foreign(prefix)
    findings.error(item, f"{shown(model)} begins with no provider", f"write {shown(f'wandb/{model}')}")
    return None
