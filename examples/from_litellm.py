"""Coming from LiteLLM: change the import, keep the rest. Needs WANDB_API_KEY and WANDB_PROJECT."""

from wandb_inference import completion  # was: from litellm import completion
from wandb_inference.exceptions import APIError  # was: from litellm.exceptions import APIError

try:
    response = completion(
        model="wandb/Llama-3.1-8B-Instruct",
        messages=[{"role": "user", "content": "Tell me a joke."}],
        temperature=0.7,
        max_tokens=60,
    )
    print(response.choices[0].message.content)

    for chunk in completion(
        model="wandb/Llama-3.1-8B-Instruct",
        messages=[{"role": "user", "content": "And another one."}],
        max_tokens=60,
        stream=True,
    ):
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()
except APIError as error:
    print(f"API error: {error}")
