"""One question, one answer. Needs WANDB_API_KEY and WANDB_PROJECT.

No key yet? `wandb-inference emulator` starts a stand-in on this machine and prints the variables to set.
"""

from wandb_inference import Client

with Client() as client:
    answer = client.chat.completions.create(
        model="meta-llama/Llama-3.1-8B-Instruct",
        messages=[
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Why is the sky blue?"},
        ],
        temperature=0.2,
        max_tokens=80,
    )

print(answer.text)
if answer.usage is not None:
    print(f"({answer.usage.prompt_tokens} tokens in, {answer.usage.completion_tokens} out)")
