# `llm install ./llm_wandb_inference`, and then, with the service or the emulator:
model=wandb/openai/gpt-oss-20b
llm -m $model 'Name a prime above 100.' --usage
llm -m $model --schema 'name, minutes int' 'A recipe for bread.'
llm -m $model --functions 'def get_weather(city: str): return f"3 degrees in {city}"' --tools-debug 'Weather in Oslo?'
llm -c --async -o temperature 0 'And what do I wear?'
llm logs --count 1 --json | python -c 'import json, sys; print(json.load(sys.stdin)[0]["prompt"])'
llm models -q wandb/openai
llm -m wandb/openai/gpt-oss-20b --key wrong 'Hello' || true
