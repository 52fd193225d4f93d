"""Your own LoRA adapter: `python adapter.py team/project/name:v3`. Needs WANDB_API_KEY and WANDB_PROJECT."""

import sys

from wandb_inference import Client, ModelNotFoundError, lora

model = lora(sys.argv[1] if len(sys.argv) > 1 else "team/project/name:v3")
with Client() as client:
    try:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    except ModelNotFoundError as error:
        sys.exit(str(error))  # base model, region, type of the artifact: what to check
print(model, "answers:", answer.text)
