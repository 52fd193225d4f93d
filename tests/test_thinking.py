"""The one switch for thinking, and thinking in histories."""

from __future__ import annotations

import pickle
import warnings
from typing import Any, NamedTuple

import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, each

import wandb_inference
from wandb_inference import InvalidRequestError
from wandb_inference.testing import Emulator

ON = "zai-org/GLM-5.2"
OFF = "google/gemma-4-31B-it"
ADAPTIVE = "MiniMaxAI/MiniMax-M3"
ALWAYS = "moonshotai/Kimi-K2.6"
EFFORT = "openai/gpt-oss-20b"


def switched(emulator: Emulator) -> dict[str, Any]:
    """What the last request said about thinking."""
    body = emulator.requests[-1].body
    return {name: body[name] for name in ("chat_template_kwargs", "reasoning_effort", "thinking") if name in body}


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("model", [ON, OFF, ADAPTIVE, "wandb-artifact:///team/project/name:v1"])
async def test_models_that_can_be_told(client: Any, emulator: Emulator, model: str, wanted: bool) -> None:
    """Thinking is turned on and off by the argument of the chat template, and by nothing else."""
    await ask(client, model=model, thinking=wanted)

    assert switched(emulator) == {"chat_template_kwargs": {"enable_thinking": wanted}}


@pytest.mark.parametrize(("model", "wanted", "thinks"), [(ON, False, False), (OFF, True, True), (ON, None, True)])
async def test_what_comes_of_it(client: Any, model: str, wanted: bool | None, thinks: bool) -> None:
    """The answer holds thinking where it was wanted, whole or streamed; `None` leaves it to the model."""
    answer = await ask(client, model=model, thinking=wanted)
    stream = await ask(client, model=model, thinking=wanted, stream=True)
    pieces = [chunk.reasoning async for chunk in each(stream) if chunk.reasoning]

    assert bool(answer.reasoning) is bool(pieces) is thinks
    assert "".join(pieces) == (answer.reasoning or "")


async def test_models_nobody_knows(make: Any, emulator: Emulator) -> None:
    """A model that the table does not know is told, and not warned of."""
    emulator.reply("x")

    await ask(make(), model="my/own", thinking=True)

    assert switched(emulator) == {"chat_template_kwargs": {"enable_thinking": True}}


async def test_models_that_always_think(client: Any, emulator: Emulator) -> None:
    """One that always thinks is told all the same; that it can't be helped is a warning, once."""
    with pytest.warns(UserWarning, match=r"moonshotai/Kimi-K2\.6 always thinks: thinking=False can't stop it"):
        await ask(client, model=ALWAYS, thinking=False)
    await ask(client, model=ALWAYS, thinking=False)
    await ask(client.with_options(timeout=5), model=ALWAYS, thinking=False)
    assert switched(emulator) == {"chat_template_kwargs": {"enable_thinking": False}}

    await ask(client, model=ALWAYS, thinking=True)
    assert switched(emulator) == {"chat_template_kwargs": {"enable_thinking": True}}


async def test_models_that_take_an_effort(client: Any, emulator: Emulator) -> None:
    """A model that takes an effort is asked for the least, or for the one that was given."""
    with pytest.warns(UserWarning, match=r"always thinks.*asked to think little: reasoning_effort='low'"):
        await ask(client, model=EFFORT, thinking=False)
    assert switched(emulator) == {"reasoning_effort": "low"}

    with pytest.warns(UserWarning, match="reasoning_effort='minimal'"):
        await ask(client, model=EFFORT, thinking=False, reasoning_effort="minimal")
    assert switched(emulator) == {"reasoning_effort": "minimal"}

    with pytest.warns(UserWarning, match="reasoning_effort='none'"):
        await ask(client, model=EFFORT, thinking=False, chat_template_kwargs={"reasoning_effort": "none"})
    assert switched(emulator) == {"chat_template_kwargs": {"reasoning_effort": "none"}}

    await ask(client, model=EFFORT, thinking=True)
    assert switched(emulator) == {}

    await ask(client, model=EFFORT, thinking=True, reasoning_effort="high")
    assert switched(emulator) == {"reasoning_effort": "high"}


async def test_models_that_never_think(client: Any) -> None:
    """One that does not think is warned of where it should, and not where it should not."""
    await ask(client, model=MODEL, thinking=False)
    with pytest.warns(UserWarning, match="does not think: thinking=True changes nothing"):
        answer = await ask(client, model=MODEL, thinking=True)

    assert answer.reasoning is None


async def test_warnings_as_errors(client: Any, emulator: Emulator) -> None:
    """Where warnings are errors each call fails, before anything is sent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(UserWarning):
                await ask(client, model=MODEL, thinking=True)

    assert emulator.requests == []


async def test_warnings_name_the_users_line(client: Any) -> None:
    """The warning points to the line that called, not into the package."""
    with pytest.warns(UserWarning, match="does not think") as caught:
        await ask(client, model=MODEL, thinking=True)

    assert caught[0].filename.endswith(("conftest.py", "events.py"))


async def test_it_merges(client: Any, emulator: Emulator) -> None:
    """Other arguments of the template stay, wherever they stand, and the caller's mapping is not changed."""
    mine = {"language": "de"}
    await ask(client, model=ON, thinking=False, chat_template_kwargs=mine)
    assert switched(emulator) == {"chat_template_kwargs": {"language": "de", "enable_thinking": False}}

    await ask(client, model=ON, thinking=False, extra_body={"chat_template_kwargs": mine})
    assert switched(emulator) == {"chat_template_kwargs": {"language": "de", "enable_thinking": False}}

    await ask(client, model=ON, thinking=True, chat_template_kwargs={"enable_thinking": True})
    assert switched(emulator) == {"chat_template_kwargs": {"enable_thinking": True}}

    await ask(client, model=ON, thinking=True, chat_template_kwargs={"thinking": True})
    assert switched(emulator) == {"chat_template_kwargs": {"thinking": True, "enable_thinking": True}}
    assert mine == {"language": "de"}


async def test_an_effort_is_sent_as_it_is(client: Any, emulator: Emulator) -> None:
    """Without the switch, an effort of "none" is an effort like another."""
    await ask(client, model=ON, reasoning_effort="none")
    assert switched(emulator) == {"reasoning_effort": "none"}

    await ask(client, model=ON, reasoning_effort="none", thinking=False)
    assert switched(emulator) == {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}}


async def test_a_servers_own_field(client: Any, emulator: Emulator) -> None:
    """A server's own field of the same name goes through `extra_body`."""
    await ask(client, model=ON, extra_body={"thinking": {"type": "disabled"}})

    assert switched(emulator) == {"thinking": {"type": "disabled"}}


def test_completion(emulator: Emulator, recwarn: pytest.WarningsRecorder) -> None:
    """`completion()` has the switch too, and warns once for all calls."""
    warnings.simplefilter("always")
    for _ in range(2):
        wandb_inference.completion(
            f"wandb/{ALWAYS}", MESSAGES, thinking=False, api_key=KEY, project=PROJECT, api_base=emulator.base_url
        )

    assert len([warning for warning in recwarn if "always thinks" in str(warning.message)]) == 1
    assert switched(emulator) == {"chat_template_kwargs": {"enable_thinking": False}}


class Wrong(NamedTuple):
    """A mistake, and words of what is said about it."""

    params: dict[str, Any]
    says: tuple[str, ...]
    error: type[Exception] = InvalidRequestError


WRONG = [
    Wrong({"thinking": "yes"}, ("thinking is 'yes'", "True or False")),
    Wrong({"thinking": 1}, ("thinking is 1", "True or False")),
    Wrong({"thinking": {"type": "enabled", "budget_tokens": 9}}, ("True or False", "Write thinking=True.")),
    Wrong({"thinking": {"type": "adaptive"}}, ("True or False", "extra_body")),
    Wrong(
        {"thinking": True, "chat_template_kwargs": {"enable_thinking": False}},
        ("thinking is True", "chat_template_kwargs.enable_thinking, which is False", "one of the two"),
    ),
    Wrong(
        {"thinking": False, "extra_body": {"chat_template_kwargs": {"enable_thinking": True}}},
        ("thinking is False", "which is True"),
    ),
    Wrong({"thinking": False, "extra_body": {"chat_template_kwargs": 7}}, ("extra_body.chat_template_kwargs is 7",)),
    Wrong({"thinking": True, "reasoning_effort": "none"}, ("thinking is True", "reasoning_effort, which is 'none'")),
    Wrong(
        {"thinking": False, "chat_template_kwargs": {"thinking": True}},
        ("thinking is False", "chat_template_kwargs.thinking, which is True"),
    ),
    Wrong(
        {"thinking": False, "chat_template_kwargs": {"reasoning_effort": "high"}},
        ("thinking is False", "chat_template_kwargs.reasoning_effort, which is 'high'"),
    ),
    Wrong(
        {"thinking": True, "reasoning_effort": "high", "chat_template_kwargs": {"reasoning_effort": "none"}},
        ("thinking is True", "chat_template_kwargs.reasoning_effort, which is 'none'"),
    ),
    Wrong({"thinking": False, "reasoning_effort": "high"}, ("thinking is False", "which is 'high'")),
    Wrong({"enable_thinking": False}, ("enable_thinking", "did you mean 'thinking'?"), TypeError),
    Wrong({"keep_reasoning": "no"}, ("keep_reasoning is 'no'", "True or False")),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong.params))
async def test_mistakes(client: Any, emulator: Emulator, wrong: Wrong) -> None:
    """A mistake is told before anything is sent."""
    with pytest.raises(wrong.error) as caught:
        await ask(client, model=ON, **wrong.params)

    assert all(words in str(caught.value) for words in wrong.says), str(caught.value)
    assert emulator.requests == []


THOUGHTS = [
    {"role": "assistant", "content": "4", "reasoning": "2+2"},
    {"role": "assistant", "content": "4", "reasoning_content": "2+2"},
]


@pytest.mark.parametrize("said", THOUGHTS)
@pytest.mark.parametrize("keep", [None, True])
async def test_histories_with_thinking(client: Any, emulator: Emulator, said: Any, keep: bool | None) -> None:
    """An answer goes back with its thinking, under the name it came with."""
    emulator.reply(json={"choices": [{"message": said, "finish_reason": "stop"}]})
    message = (await ask(client)).choices[0].message

    await ask(client, messages=[*MESSAGES, message, *MESSAGES], keep_reasoning=keep)

    assert emulator.requests[-1].messages == [*MESSAGES, said, *MESSAGES]


@pytest.mark.parametrize("said", THOUGHTS)
async def test_histories_without_thinking(client: Any, emulator: Emulator, said: dict[str, str]) -> None:
    """By choice it goes back without, whether it is an answer's message or a mapping; both stay as they were."""
    emulator.reply(json={"choices": [{"message": said, "finish_reason": "stop"}]})
    message = (await ask(client)).choices[0].message
    kept = dict(said)

    await ask(client, messages=[*MESSAGES, message, said], keep_reasoning=False)

    assert emulator.requests[-1].messages == [*MESSAGES, *[{"role": "assistant", "content": "4"}] * 2]
    assert message.reasoning == "2+2"
    assert said == kept


async def test_the_check_still_sees_wrong_messages(client: Any) -> None:
    """What is no message is left for the check to name."""
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]"):
        await ask(client, messages=[7], keep_reasoning=False)


def test_a_clients_memory_travels(emulator: Emulator) -> None:
    """A client that has warned can still be pickled."""
    client = wandb_inference.Client(project=PROJECT, base_url=emulator.base_url)

    assert pickle.loads(pickle.dumps(client)).base_url == emulator.base_url
