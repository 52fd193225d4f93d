"""An answer, shown as it comes. Needs WANDB_API_KEY and WANDB_PROJECT."""

from wandb_inference import Client

with Client() as client:
    stream = client.chat.completions.create(
        model="meta-llama/Llama-3.1-8B-Instruct",
        messages=[{"role": "user", "content": "Tell me a story about a lighthouse."}],
        max_tokens=120,
        stream=True,
    )
    for chunk in stream:
        print(chunk.text, end="", flush=True)
    print()

# Known once the stream has ended, and after a `break` as far as it had come.
if stream.usage is not None:
    print(f"({stream.usage.completion_tokens} tokens, the first after {stream.meta.to_first_token or 0:.2f} s)")
