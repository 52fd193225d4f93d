"""The models of `model_list`, `litellm_params`, `model_info` and what goes with them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from ._sections import Section, are_texts
from ._values import (
    Count,
    Dollars,
    Flag,
    Headers,
    Json,
    Name,
    Number,
    Pause,
    Positive,
    Seconds,
    Share,
    Span,
    Text,
    Texts,
    Whole,
    wanted,
)


def _stop(value: object) -> object:
    if isinstance(value, str) or are_texts(value):
        return value
    raise wanted("text or a list of texts")


class Entry(Section):
    """An entry of `model_list`."""

    model_name: Name | None = None
    litellm_params: Json | None = None
    model_info: Json | None = None


class Body(Section):
    """Defaults of a request's body."""

    temperature: Number | None = None
    top_p: Number | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    n: Positive | None = None
    stop: Annotated[Any, BeforeValidator(_stop)] = None
    seed: Whole | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    logit_bias: dict[str, Number] | None = None
    logprobs: Flag | None = None
    top_logprobs: Count | None = None
    response_format: Json | None = None
    tools: list[Json] | None = None
    tool_choice: Any = None
    parallel_tool_calls: Flag | None = None
    functions: list[Json] | None = None
    function_call: Any = None
    stream_options: Json | None = None
    modalities: Texts | None = None
    audio: Json | None = None
    prediction: Json | None = None
    service_tier: Text | None = None
    store: Flag | None = None
    verbosity: Text | None = None
    web_search_options: Json | None = None
    prompt_cache_key: Text | None = None
    safety_identifier: Text | None = None
    user: Text | None = None
    metadata: Json | None = None
    reasoning_effort: Text | None = None
    chat_template_kwargs: Json | None = None
    top_k: Whole | None = None
    min_p: Number | None = None
    repetition_penalty: Number | None = None
    length_penalty: Number | None = None
    min_tokens: Count | None = None
    stop_token_ids: list[Count] | None = None
    ignore_eos: Flag | None = None
    include_stop_str_in_output: Flag | None = None
    skip_special_tokens: Flag | None = None
    spaces_between_special_tokens: Flag | None = None
    truncate_prompt_tokens: Whole | None = None
    prompt_logprobs: Count | None = None
    bad_words: Texts | None = None
    allowed_token_ids: list[Count] | None = None
    structured_outputs: Json | None = None
    guided_json: Any = None
    guided_regex: Text | None = None
    guided_choice: Texts | None = None
    guided_grammar: Text | None = None
    add_generation_prompt: Flag | None = None
    continue_final_message: Flag | None = None
    cache_salt: Text | None = None
    return_token_ids: Flag | None = None


class Params(Body):
    """`litellm_params`."""

    model: Text | None = None
    api_base: Any = None
    base_url: Any = None
    api_key: Any = None
    project: Any = None
    organization: Texts | None = None
    custom_llm_provider: Text | None = None
    timeout: Seconds | None = None
    stream_timeout: Seconds | None = None
    num_retries: Count | None = None
    rpm: Positive | None = None
    tpm: Positive | None = None
    itpm: Positive | None = None
    otpm: Positive | None = None
    weight: Share | None = None
    order: Whole | None = None
    max_parallel_requests: Positive | None = None
    cooldown_time: Pause | None = None
    input_cost_per_token: Dollars | None = None
    output_cost_per_token: Dollars | None = None
    cache_read_input_token_cost: Dollars | None = None
    max_budget: Dollars | None = None
    budget_duration: Span | None = None
    extra_body: Json | None = None
    extra_headers: Headers | None = None
    headers: Headers | None = None
    drop_params: Flag | None = None
    additional_drop_params: Texts | None = None
    allowed_openai_params: Texts | None = None
    tags: Texts | None = None
    tag_regex: Texts | None = None
    litellm_credential_name: Text | None = None
    model_info: Json | None = None
    keepalive_seconds: Pause | None = None
    default_api_key_rpm_limit: Positive | None = None
    default_api_key_tpm_limit: Positive | None = None


class Info(Section):
    """`model_info`; what is not named here is kept as it is."""

    id: Name | None = None
    mode: Text | None = None
    base_model: Text | None = None
    max_tokens: Positive | None = None
    max_input_tokens: Positive | None = None
    max_output_tokens: Positive | None = None
    input_cost_per_token: Dollars | None = None
    output_cost_per_token: Dollars | None = None
    cache_read_input_token_cost: Dollars | None = None
    tpm: Positive | None = None
    rpm: Positive | None = None
    order: Whole | None = None
    cooldown_time: Pause | None = None
    allowed_fails: Count | None = None
    allowed_fails_policy: dict[str, Count] | None = None
    access_groups: Texts | None = None
    disable_background_health_check: Flag | None = None
    health_check_model: Text | None = None
    health_check_timeout: Seconds | None = None
    blocked: Flag | None = None
    description: Any = None


class Credential(Section):
    """An entry of `credential_list`."""

    credential_name: Text | None = None
    credential_values: Json | None = None
    credential_info: Any = None


class Short(Section):
    """What one name of `models` may have beside the keys of a deployment."""

    deployments: Any = None
    fallbacks: Texts | None = None
    aliases: Texts | None = None
