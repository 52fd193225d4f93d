"""Answers as values of a type, one that has to be asked for twice, and one that is cut."""

from typing import Literal

from pydantic import BaseModel, Field

from wandb_inference import Client, LengthFinishReasonError, ParseError


class Ingredient(BaseModel):
    """What goes in."""

    name: str
    grams: int = Field(description="Rounded to ten.", gt=0)


class Recipe(BaseModel):
    """A recipe for a beginner."""

    title: str
    difficulty: Literal["easy", "medium", "hard"]
    ingredients: list[Ingredient]


client = Client()
model = "meta-llama/Llama-3.1-8B-Instruct"
messages = [{"role": "user", "content": "How do I bake bread?"}]

try:
    answer = client.chat.completions.parse(model=model, messages=messages, response_format=Recipe, max_repairs=2)
    recipe = answer.parsed  # a Recipe, to type checkers, too
    print(recipe.title, recipe.difficulty, *(f"{item.grams} g {item.name}" for item in recipe.ingredients))
    print(len(answer.rounds), "rounds,", answer.usage.total_tokens if answer.usage else "?", "tokens in all")
except ParseError as error:
    print(error, "Still there:", error.text, error.usage)

try:
    client.chat.completions.parse(model=model, messages=messages, response_format=list[Recipe], max_tokens=8)
except LengthFinishReasonError as error:
    print(error, "What could be read:", error.partial_value)
