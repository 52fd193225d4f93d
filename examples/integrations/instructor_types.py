"""instructor over our client: `python instructor_types.py`."""

import instructor
from instructor.core import InstructorRetryException
from pydantic import BaseModel, field_validator

from wandb_inference import Client


class Recipe(BaseModel):
    """A recipe."""

    name: str
    minutes: int

    @field_validator("minutes")
    @classmethod
    def quick(cls, minutes: int) -> int:
        if minutes > 60:
            raise ValueError("an hour at most")
        return minutes


def patched(mode: instructor.Mode) -> instructor.Instructor:
    """`from_openai()` takes openai's class alone, `patch()` any `create()`; async: `apatch`, `AsyncInstructor`."""
    create = instructor.patch(create=client.chat.completions.create, mode=mode)
    return instructor.Instructor(client=client, create=create, mode=mode)


client = Client()
ask = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "A recipe for bread."}]}
chat = patched(instructor.Mode.JSON_SCHEMA)

recipe, answer = chat.create_with_completion(response_model=Recipe, max_retries=2, **ask)
print(repr(recipe), answer.usage.total_tokens, "tokens")
print(answer.reasoning, answer.meta.request_id)

print(repr(patched(instructor.Mode.TOOLS).create(response_model=Recipe, **ask)))  # a tool call
print(*dict.fromkeys(repr(part) for part in chat.create_partial(response_model=Recipe, **ask)), sep="\n")

try:
    chat.create(response_model=Recipe, max_retries=0, **{**ask, "model": "openai/gpt-oss-21b"})
except InstructorRetryException as error:
    print(f"{type(error.__cause__).__name__}: {error.__cause__}")
