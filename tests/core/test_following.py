"""Who follows a call hears of its beginning and of its end, once, however it ends."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ask, done, each

from wandb_inference import APIResponseValidationError, APITimeoutError, InternalServerError, StreamInterruptedError
from wandb_inference._core import following
from wandb_inference._core.following import Chat, Ending
from wandb_inference.testing import Emulator, Fault


class Recorder:
    """A follower that keeps what it is told."""

    def __init__(self, chat: Chat, refusal: Exception | None = None) -> None:
        self.chat = chat
        self.begun = 0
        self.endings: list[Ending] = []
        self.refusal = refusal

    def begin(self) -> None:
        self.begun += 1
        if self.refusal is not None:
            raise self.refusal

    def end(self, ending: Ending) -> None:
        self.endings.append(ending)


@pytest.fixture
def followers(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """Those of each call, in order."""
    made: list[Recorder] = []

    def follow(chat: Chat) -> Recorder:
        made.append(Recorder(chat))
        return made[-1]

    monkeypatch.setattr(following, "trace", follow)
    return made


def the(followers: list[Recorder]) -> tuple[Recorder, Ending]:
    """The one follower there is, and the one end it heard of."""
    [follower] = followers
    assert follower.begun == 1
    [ending] = follower.endings
    return follower, ending


async def test_an_answer(client: Any, followers: list[Recorder]) -> None:
    """The end of an answer has its usage, its meta and the answer itself."""
    answer = await ask(client, temperature=0.5, deadline=9)

    follower, ending = the(followers)
    assert follower.chat.model == answer.model
    assert follower.chat.body["temperature"] == 0.5
    assert follower.chat.params["deadline"] == 9
    assert not follower.chat.stream
    assert (ending.error, ending.usage, ending.complete) == (None, answer.usage, True)
    assert ending.meta == answer.meta
    assert ending.answer is not None
    assert ending.answer() is answer


@pytest.mark.parametrize("final_only", [False, True], ids=["stream", "final_only"])
async def test_a_stream(client: Any, followers: list[Recorder], final_only: bool) -> None:
    """A stream ends when it was read."""
    if final_only:
        await ask(client, final_only=True)
    else:
        stream = await ask(client, stream=True)
        assert not followers[0].endings
        async for _ in each(stream):
            pass
        await done(stream.close())

    follower, ending = the(followers)
    assert follower.chat.stream
    assert ending.complete
    assert ending.usage is not None
    assert ending.meta is not None
    assert ending.meta.to_first_token is not None
    assert ending.answer is not None
    assert ending.answer().usage == ending.usage


async def test_a_stream_that_is_left(client: Any, emulator: Emulator, followers: list[Recorder]) -> None:
    """A stream that is left ends without an error, and is not complete."""
    emulator.reply("One two three four five", tokens_per_second=20)
    stream = await ask(client, stream=True)
    async for _ in each(stream):
        break
    await done(stream.close())

    _, ending = the(followers)
    assert ending.error is None
    assert not ending.complete


async def test_a_failure_after_retries(make: Any, emulator: Emulator, followers: list[Recorder]) -> None:
    """Retries belong to one call; the error that ends it is told."""
    emulator.fault(Fault.storm(500, times=2, retry_after=0.001))
    client = make(max_retries=1)
    with pytest.raises(InternalServerError) as caught:
        await ask(client)

    _, ending = the(followers)
    assert ending.error is caught.value
    assert ending.meta is not None
    assert len(ending.meta.attempts) == 2
    assert ending.answer is None
    await done(client.close())


async def test_a_stream_that_breaks(make: Any, emulator: Emulator, followers: list[Recorder]) -> None:
    """A stream that breaks ends with the error and what had arrived."""
    emulator.reply("One two three four")
    emulator.fault(Fault.cut(after_chunks=2))
    client = make(max_retries=0)
    with pytest.raises(StreamInterruptedError) as caught:
        async for _ in each(await ask(client, stream=True)):
            pass

    _, ending = the(followers)
    assert ending.error is caught.value
    assert ending.answer is not None
    assert ending.answer().text == caught.value.text
    await done(client.close())


async def test_an_answer_that_is_none(client: Any, emulator: Emulator, followers: list[Recorder]) -> None:
    """What can't be read as an answer is an error here, too."""
    emulator.fault(Fault.html())
    with pytest.raises(APIResponseValidationError) as caught:
        await ask(client)

    assert the(followers)[1].error is caught.value


async def test_a_deadline(client: Any, emulator: Emulator, followers: list[Recorder]) -> None:
    """A clock that runs out ends the call."""
    emulator.reply("late", delay=5.0)
    with pytest.raises(APITimeoutError) as caught:
        await ask(client, deadline=0.05)

    assert the(followers)[1].error is caught.value


async def test_a_refusal(client: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a follower has against a call is raised, and nothing is sent."""
    made: list[Recorder] = []

    def follow(chat: Chat) -> Recorder:
        made.append(Recorder(chat, ValueError("no")))
        return made[-1]

    monkeypatch.setattr(following, "trace", follow)
    with pytest.raises(ValueError, match="no") as caught:
        await ask(client)

    assert the(made)[1].error is caught.value
    assert the(made)[1].meta is None
    assert not emulator.requests
