"""The tour that `scripts/demo` gives: every step is a real HTTP request.

It talks to the service where a key and a project are configured, else to the emulator on a free port of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import shlex
import sys
import time
from pathlib import Path
from typing import NamedTuple, cast

from printing import Flowing, Progress, bold, dim, heading, one_line, paragraph, styled

from wandb_inference import APIError, AsyncClient, Client, ConfigurationError, __version__
from wandb_inference.testing import Emulator

ROOT = Path(__file__).resolve().parent.parent
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
CITIES = ("Accra", "Bergen", "Cusco", "Dakar", "Esfahan", "Florence", "Galway", "Hanoi", "Izmir", "Jaipur")
IN_FLIGHT = 4
DEADLINE = 30.0  # seconds a call may take: a demo that hangs shows nothing


class Stage(NamedTuple):
    """Who the tour talks to."""

    client: Client
    async_client: AsyncClient
    model: str


def stage(stack: contextlib.ExitStack, *, use_emulator: bool) -> Stage:
    """The service where it is configured, else an emulator that lives as long as `stack`; says which one."""
    reason = "As you asked, this"
    if not use_emulator:
        client = stack.enter_context(Client(deadline=DEADLINE))
        try:
            models = [model.id for model in client.models.list()]
        except ConfigurationError as error:
            reason = f"{error.message}, so this"
        else:
            model = MODEL if MODEL in models or not models else models[0]
            paragraph(f"Talking to {client.base_url}, project {client.project or '(none)'}, model {model}.", indent="")
            return Stage(client, AsyncClient(deadline=DEADLINE), model)
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"  # nothing leaves this machine, not even for its proxy
    # Slow enough for the stream to be seen, quick enough not to bore.
    emulator = stack.enter_context(Emulator(latency=0.15, tokens_per_second=40))
    paragraph(
        f"{reason} talks to the emulator: a stand-in for the service, started on this machine at {emulator.base_url}. "
        "The requests are real; the answers are made up.",
        indent="",
    )
    return Stage(stack.enter_context(emulator.client()), emulator.async_client(), MODEL)


def answer(on: Stage) -> None:
    """One answer."""
    heading("1. An answer")
    question = "Why is the sky blue? One sentence, please."
    print(f"   {dim('>')} {question}", flush=True)
    completion = on.client.chat.completions.create(
        model=on.model, messages=[{"role": "user", "content": question}], max_tokens=80
    )
    paragraph(completion.text or "(no text)")
    if completion.usage is not None:
        counts = f"{completion.usage.prompt_tokens} tokens in, {completion.usage.completion_tokens} out"
        print(f"   {dim(counts)}")


def stream(on: Stage) -> None:
    """One answer, shown as it comes."""
    heading("2. An answer as it comes")
    question = "Tell me about lighthouses."
    print(f"   {dim('>')} {question}", flush=True)
    text = Flowing()
    with on.client.chat.completions.create(
        model=on.model, messages=[{"role": "user", "content": question}], max_tokens=100, stream=True
    ) as chunks:
        for chunk in chunks:
            text.write(chunk.text)
    text.end()
    first = chunks.meta.to_first_token
    if first is not None:
        print(f"   {dim(f'first token after {first:.1f} s')}")


async def fan_out(on: Stage) -> None:
    """Ten prompts, a few in flight."""
    heading(f"3. Ten prompts at once, {IN_FLIGHT} in flight")
    slots = asyncio.Semaphore(IN_FLIGHT)
    started = time.monotonic()
    progress = Progress(len(CITIES))

    async def ask(client: AsyncClient, city: str) -> str:
        async with slots:
            completion = await client.chat.completions.create(
                model=on.model,
                messages=[{"role": "user", "content": f"Describe {city} in one short sentence."}],
                max_tokens=24,
            )
        progress.step(f" in {time.monotonic() - started:.1f} s")
        return completion.text

    async with on.async_client as client:
        answers = await asyncio.gather(*(ask(client, city) for city in CITIES))
    for city, text in zip(CITIES, answers, strict=True):
        print(f"   {dim(f'{city:<10}')}{one_line(text, 64)}")


def mistake(on: Stage) -> None:
    """A misspelt model, and the error that a user sees."""
    heading("4. A mistake: the model's name lacks a letter")
    misspelt = on.model[:-2] + on.model[-1]
    print(f"   {dim('>>>')} client.chat.completions.create(")
    print(f'   {dim("...")}     model="{misspelt}", messages=[...])', flush=True)
    try:
        on.client.chat.completions.create(model=misspelt, messages=[{"role": "user", "content": "Hello!"}])
    except APIError as error:
        paragraph(f"{type(error).__name__}: {error}", code=31)
    else:
        paragraph("This server does not mind: it answered all the same.")


def epilogue() -> None:
    """What to try next."""
    heading("What to try next")
    python = Path(os.path.relpath(sys.executable, ROOT))
    rows = [
        (f"{shlex.quote(str(python.with_name('wandb-inference')))} emulator", "the stand-in, for any client"),
        ("export WANDB_API_KEY=...", "a key, from wandb.ai/settings"),
        ("export WANDB_PROJECT=team/project", "then scripts/demo asks the service"),
        (f"{shlex.quote(str(python))} examples/answer.py", "a first program of your own"),
        ("scripts/test", "everything that is checked here"),
    ]
    if Path.cwd() != ROOT:
        rows.insert(0, (f"cd {shlex.quote(str(ROOT))}", ""))
    width = max(len(command) for command, _ in rows[-5:])
    for command, purpose in rows:
        print(f"   {styled(f'{command:<{width}}', 32)}  {dim(purpose)}".rstrip())


def main(arguments: list[str]) -> int:
    """Exit code: 0, or 1 if something failed that should not have."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="A tour of the package.")
    parser.add_argument("--emulator", action="store_true", help="use the emulator even where a key is configured")
    options = parser.parse_args(arguments)
    # A model may use signs that this terminal lacks.
    cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="replace")
    print(f"{bold('W&B Inference from Python')}   {dim(f'wandb-inference {__version__}')}\n")
    try:
        with contextlib.ExitStack() as stack:
            on = stage(stack, use_emulator=options.emulator)
            answer(on)
            stream(on)
            asyncio.run(fan_out(on))
            mistake(on)
    except APIError as error:
        print(flush=True)
        paragraph(f"{type(error).__name__}: {error}", indent="", code=31)
        print("To see the tour without the service: scripts/demo --emulator")
        return 1
    epilogue()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
