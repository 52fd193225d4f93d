# After `llm install ./llm_wandb_inference`. Thinking, tool calls, usage and errors go to the standard error.
exec 2>&1
model=wandb/openai/gpt-oss-20b
llm -m $model 'Name a prime above 100.' --usage
llm -m $model --schema 'name, minutes int' 'A recipe for bread.'
llm -m $model --functions 'def get_weather(city: str): return f"3 degrees in {city}"' --tools-debug 'What does get_weather say?'
llm -c --async -o temperature 0 'And what do I wear?'
llm models -q wandb/openai
llm -m $model --key wrong 'Hello' || true
