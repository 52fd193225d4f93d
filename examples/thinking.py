"""Thinking: shown as it comes, turned off, and left out of a history. Needs WANDB_API_KEY and WANDB_PROJECT."""

from wandb_inference import Client

MODEL = "zai-org/GLM-5.2"
question = {
    "role": "user",
    "content": "A bat and a ball cost 1.10 together, the bat 1.00 more. What does the ball cost?",
}

with Client() as client:
    for chunk in client.chat.completions.create(model=MODEL, messages=[question], stream=True):
        if chunk.reasoning:
            print(chunk.reasoning.upper(), end="", flush=True)  # what it thinks
        print(chunk.text, end="", flush=True)  # what it says
    print()

    # Quicker and cheaper: thinking is billed, and counts against max_tokens.
    quick = client.chat.completions.create(model=MODEL, messages=[question], thinking=False)
    print(quick.text, f"({quick.usage.completion_tokens if quick.usage else '?'} tokens, thinking: {quick.reasoning})")

    # An answer's message goes back with its thinking, or without.
    long = client.chat.completions.create(model=MODEL, messages=[question], thinking=True)
    again = {"role": "user", "content": "And if the ball cost 0.10?"}
    answer = client.chat.completions.create(
        model=MODEL, messages=[question, long.choices[0].message, again], keep_reasoning=False
    )
    print(answer.text)
