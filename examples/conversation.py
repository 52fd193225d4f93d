"""A conversation: kept, saved, loaded, and gone on with in two ways. Needs WANDB_API_KEY and WANDB_PROJECT."""

from pathlib import Path
from tempfile import TemporaryDirectory

from wandb_inference import Client

MODEL = "meta-llama/Llama-3.1-8B-Instruct"

with Client() as client, TemporaryDirectory() as folder:
    path = Path(folder) / "harbour.json"
    chat = client.chat.conversation(model=MODEL, system="You tell stories, a few lines at a time.", max_tokens=200)

    print(chat.say("Begin one about a harbour.").text)
    for chunk in chat.say("And then?", stream=True):
        print(chunk.text, end="", flush=True)
    print()
    chat.save(path)

    # Another day, perhaps another program.
    chat = client.chat.load_conversation(path)
    sad = chat.fork()
    print("A happy end:", chat.say("End it well.").text)
    print("A sad end:", sad.say("End it sadly.", temperature=1.2).text)

    # A long one is trimmed to the model's window by itself, or earlier, to save tokens.
    dropped = chat.trim(max_tokens=100)
    print(f"{len(dropped)} messages dropped, {len(chat.messages)} kept.")
