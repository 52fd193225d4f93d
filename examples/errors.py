"""What can go wrong, and one `except` for each thing you would do about it. Needs WANDB_API_KEY and WANDB_PROJECT."""

from wandb_inference import (
    APIConnectionError,
    APIError,
    Client,
    ConfigurationError,
    ModelNotFoundError,
    QuotaExceededError,
    RateLimitError,
)


def ask(client: Client, model: str) -> str:
    """The answer, or what to do instead. Retries are over by the time an error arrives here."""
    try:
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello!"}]).text
    except ConfigurationError as error:
        return f"set me up first: {error}"
    except ModelNotFoundError as error:
        return f"no such model; try {error.successor or ' or '.join(error.suggestions)}"
    except QuotaExceededError:
        return "out of credits: waiting will not help"
    except RateLimitError as error:
        return f"busy: come back in {error.retry_after or 10:.0f} s"
    except APIConnectionError as error:
        return f"no complete answer: {error}"
    except APIError as error:  # the parent of all of them
        return f"something else: {error}"


with Client() as client:
    print(ask(client, "meta-llama/Llama-3.1-8B-Instruct"))
    print(ask(client, "meta-llama/Llama-3.1-8B-Instrct"))
    print(ask(client.with_options(base_url="http://127.0.0.1:9/v1", max_retries=0), "meta-llama/Llama-3.1-8B-Instruct"))
