"""A stream as events: thinking, text and tool calls told apart. Needs WANDB_API_KEY and WANDB_PROJECT."""

from wandb_inference import Client

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

with (
    Client() as client,
    client.chat.completions.stream(
        model="openai/gpt-oss-20b",
        messages=[{"role": "user", "content": "What does get weather say about Lisbon?"}],
        tools=[WEATHER],
    ) as stream,
):
    for event in stream:
        if event.type == "reasoning.delta" or event.type == "content.delta":
            print(event.delta, end="", flush=True)
        elif event.type == "reasoning.done":
            print("\n(that was the thinking)")
        elif event.type == "tool_call.done":
            print("to be called:", event.tool_call.function.name, event.tool_call.function.arguments)
        elif event.type == "usage":
            print(event.usage.total_tokens, "tokens")
    answer = stream.get_final_completion()  # the whole answer, as create() gives it

print("over:", answer.choices[0].finish_reason)
