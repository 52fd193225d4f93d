"""A model that calls functions: the second one only if you say so. Needs WANDB_API_KEY and WANDB_PROJECT."""

from wandb_inference import Client
from wandb_inference.types import ToolRequest, ToolStep


def get_weather(city: str, days: int = 1) -> dict[str, object]:
    """Say the weather of a city.

    Args:
        city: The city's name in English.
        days: How many days ahead.
    """
    return {"city": city, "days": days, "celsius": 3, "sky": "clear"}


def send_mail(to: str, subject: str) -> None:
    """Send a mail."""
    raise AssertionError("nobody allowed it")


def approve(request: ToolRequest) -> bool | str:
    """Asked before each call."""
    return request.name != "send_mail" or "Mails are not sent from examples."


def show(step: ToolStep) -> None:
    """Told of each call that is over."""
    print(f"{step.name}({step.arguments}) {step.outcome}: {step.content}")


with Client() as client:
    answer = client.chat.completions.run_tools(
        model="openai/gpt-oss-20b",
        messages=[{"role": "user", "content": "Ask get_weather for Oslo, then send_mail the result to Ada."}],
        tools=[get_weather, send_mail],
        approve=approve,
        on_step=show,
    )
print(answer.text, f"({len(answer.rounds)} rounds, {answer.usage.total_tokens if answer.usage else 0} tokens)")
