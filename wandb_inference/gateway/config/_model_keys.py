"""The keys of models: `model_list`, `litellm_params`, `model_info`, and our own short form."""

from __future__ import annotations

from typing import Final

from ._keys import Key, refused, taken, warned

_P: Final = "litellm_params"
_I: Final = "model_info"

_NOT_HERE: Final = "belongs to another provider, and has no effect here"
_BY_TIME: Final = "has no effect: models are priced by the token"
_ELSEWHERE: Final = (
    "another provider's credentials: this gateway speaks to W&B Inference and OpenAI-compatible services"
)
_NO_CACHE: Final = "has no effect: there is no cache of answers"

KEYS: Final[tuple[Key, ...]] = (
    *taken("model_list", "model_name", "the name that clients ask for; several entries of one name share its load"),
    *taken("model_list", "litellm_params", "where its requests go"),
    *taken("model_list", "model_info", "what is known of it"),
    *taken(_P, "model", "`wandb/<id>`; `openai/<id>` for another service, with `api_base`"),
    *taken(_P, "api_base", "the service's address; else `WANDB_API_BASE`, else W&B's"),
    *taken(_P, "base_url", "another name of `api_base`"),
    *taken(_P, "api_key", "else `WANDB_API_KEY`, netrc, W&B's settings files; a variable that is not set is an error"),
    *taken(_P, "project", 'sent as `OpenAI-Project`, never in the body; else `WANDB_PROJECT`; `""` sends none'),
    *taken(_P, "organization", "sent as `OpenAI-Organization`; a list makes one deployment of each, with a warning"),
    *taken(_P, "custom_llm_provider", "`wandb` or `openai`, for a `model` without it"),
    *taken(_P, "timeout", "seconds for each step of an attempt"),
    *taken(_P, "stream_timeout", "seconds without data on a stream"),
    *warned(_P, "max_retries", "has no effect, here as in LiteLLM's proxy; `num_retries` is what counts"),
    *taken(_P, "num_retries", "attempts after the first, where the request does not say"),
    *taken(_P, "rpm tpm itpm otpm", "requests, tokens, tokens in and out a minute: limits, and weights as in LiteLLM"),
    *taken(_P, "weight", "its share of its group's requests"),
    *taken(_P, "order", "lower ones first"),
    *taken(_P, "max_parallel_requests", "requests at a time; more wait in line"),
    *taken(_P, "cooldown_time", "seconds out of use after failures"),
    *taken(
        _P,
        "input_cost_per_token output_cost_per_token cache_read_input_token_cost",
        "dollars; before the table of prices",
    ),
    *warned(_P, "*_cost_per_* *_token_cost *_cost", _BY_TIME),
    *taken(_P, "max_budget", "dollars it may spend, per `budget_duration`; then it is left out"),
    *taken(_P, "budget_duration", "`1d`, `1mo`"),
    *taken(
        _P,
        "temperature top_p max_tokens max_completion_tokens n stop seed presence_penalty frequency_penalty logit_bias "
        "logprobs top_logprobs response_format tools tool_choice parallel_tool_calls functions function_call "
        "stream_options modalities audio prediction service_tier store verbosity web_search_options prompt_cache_key "
        "safety_identifier user metadata",
        "default for requests that don't set it",
    ),
    *taken(
        _P,
        "reasoning_effort chat_template_kwargs top_k min_p repetition_penalty length_penalty min_tokens "
        "stop_token_ids ignore_eos include_stop_str_in_output skip_special_tokens spaces_between_special_tokens "
        "truncate_prompt_tokens prompt_logprobs bad_words allowed_token_ids structured_outputs guided_json "
        "guided_regex guided_choice guided_grammar add_generation_prompt continue_final_message cache_salt "
        "return_token_ids",
        "default for requests that don't set it; W&B's and vLLM's own",
    ),
    *taken(_P, "extra_body", "fields to put into each request's body"),
    *taken(_P, "extra_headers headers", "headers to send; `OpenAI-Project` is the project"),
    *taken(_P, "drop_params", "drop parameters that W&B does not take"),
    *taken(_P, "additional_drop_params", "drop these, even a client's"),
    *taken(_P, "allowed_openai_params", "never drop these"),
    *taken(_P, "tags tag_regex", "for requests that carry such a tag; needs `enable_tag_filtering`"),
    *taken(_P, "litellm_credential_name", "an entry of `credential_list`"),
    *taken(_P, "model_info", "as beside `litellm_params`"),
    *warned(
        _P,
        "merge_reasoning_content_in_choices",
        "has no effect: what a model thinks stays apart from what it answers",
    ),
    *refused(
        _P, "configurable_clientside_auth_params", "clients never choose where their request goes, or whose key it uses"
    ),
    *warned(_P, "mock_response", "has no effect: `wandb-inference emulator` makes up answers"),
    *taken(_P, "keepalive_seconds", "seconds between signs of life on a silent stream; 15, and 0 for none"),
    *taken(_P, "default_api_key_rpm_limit default_api_key_tpm_limit", "limits of each key on this deployment"),
    *refused(
        _P, "guardrails", "there are no guardrails here, and to leave it out would let through what it is to stop"
    ),
    *refused(
        _P,
        "aws_*key* aws_*token* aws_role_name aws_session_name azure_*token* azure_*secret azure_*password "
        "azure_username client_secret client_id tenant_id vertex_credentials watsonx_* *_api_key",
        _ELSEWHERE,
    ),
    *warned(_P, "caching cache", _NO_CACHE),
    *warned(
        _P,
        "region_name api_version aws_* vertex_* azure_* rust use_in_pass_through use_litellm_proxy max_file_size_mb",
        _NOT_HERE,
    ),
    *taken(_I, "id", "the deployment's name in headers and figures; else a hash of its parameters"),
    *taken(_I, "mode", "`chat`"),
    *taken(_I, "base_model", "the id that prices are looked up by"),
    *taken(_I, "max_tokens max_input_tokens max_output_tokens", "for lists, and for checks before a call"),
    *taken(
        _I,
        "input_cost_per_token output_cost_per_token cache_read_input_token_cost tpm rpm order cooldown_time",
        "as in `litellm_params`, which comes first",
    ),
    *taken(_I, "allowed_fails allowed_fails_policy", "failures before it is left out for a while"),
    *taken(_I, "supports_*", "shown in `/model/info`"),
    *taken(_I, "access_groups", "names for it in a key's `models`"),
    *warned(_I, "team_id tier access_windows ptu_*", "has no effect"),
    *taken(_I, "disable_background_health_check health_check_model health_check_timeout", "how it is probed"),
    *taken(_I, "blocked", "out of use"),
    *taken(_I, "description *", "kept, and shown in `/model/info`"),
    *taken("models", "deployments", "the deployments of the name, each as one of `models` itself", ours=True),
    *taken("models", "fallbacks", "the names to go on with when all deployments fail", ours=True),
    *taken("models", "aliases", "other names for it", ours=True),
)
