"""Conversations: what is kept, what leaves no trace, and what is left out of a history that is too long."""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import KEY, MODEL, done, each

from wandb_inference import APIError, BadRequestError, Client, InvalidRequestError, StreamInterruptedError, image, tool
from wandb_inference.testing import Emulator, Fault, Reply
from wandb_inference.types import ChatCompletion, ChatCompletionMessage, UserMessage

SYSTEM = {"role": "system", "content": "Be short."}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
SEEING = "Qwen/Qwen3.8-27B"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """The service on a port, which takes no long prompts: 200 tokens of prompt and answer."""
    with Emulator(context_window=200) as emulator:
        yield emulator


@pytest.fixture
def chat(client: Any) -> Any:
    """A conversation of either kind of client."""
    return client.chat.conversation(model=MODEL, system="Be short.")


def user(text: str) -> dict[str, Any]:
    """What the user said."""
    return {"role": "user", "content": text}


def model(text: str, **more: Any) -> dict[str, Any]:
    """What the model said."""
    return {"role": "assistant", "content": text, **more}


async def say(chat: Any, *args: Any, **params: Any) -> Any:
    """One turn of either kind of conversation."""
    return await done(chat.say(*args, **params))


async def leave(chat: Any, text: str, **params: Any) -> Any:
    """The stream of a turn that was left after its first piece of text."""
    stream = await say(chat, text, stream=True, **params)
    if hasattr(stream, "__next__"):
        for chunk in stream:
            if chunk.text:
                break
    else:
        async for chunk in stream:
            if chunk.text:
                break
    return stream


async def test_say(chat: Any, emulator: Emulator) -> None:
    """Each turn is sent with all that was said before it, and kept with its answer."""
    emulator.reply("Hello.")
    emulator.reply("Fine.", reasoning="Hm.")

    first = await say(chat, "Hi")
    second = await say(chat, "How are you?", temperature=0.5)

    assert (first.text, second.text) == ("Hello.", "Fine.")
    assert chat.messages == [SYSTEM, user("Hi"), model("Hello."), user("How are you?"), model("Fine.", reasoning="Hm.")]
    assert emulator.requests[1].messages == chat.messages[:4]
    assert emulator.requests[1].body["temperature"] == 0.5
    assert chat.last is second
    assert chat.dropped == []


async def test_stream(chat: Any, emulator: Emulator) -> None:
    """A streamed turn is kept when the stream has ended; until then nothing has changed."""
    emulator.reply("One two three.")
    stream = await say(chat, "Count", stream=True)
    assert chat.messages == [SYSTEM]

    texts = [chunk.text async for chunk in each(stream)]

    assert "".join(texts) == stream.text == "One two three."
    assert chat.messages == [SYSTEM, user("Count"), model("One two three.")]
    assert chat.last.choices[0].finish_reason == "stop"
    assert chat.last.usage == stream.usage
    assert chat.last.meta.request_id == stream.meta.request_id
    await say(chat, "Go on")
    assert len(chat.messages) == 5


async def test_parameters(client: Any, emulator: Emulator) -> None:
    """A conversation's parameters go with each turn; a turn's own take their place, and `None` leaves one out."""
    chat = client.chat.conversation(model=MODEL, stop=(word for word in ("a", "b")), seed=1)
    await say(chat, "Hi", seed=2)
    await say(chat, "Hi", seed=None)
    chat.params["seed"] = 3
    chat.model = "openai/gpt-oss-20b"
    await say(chat, "Hi")

    assert [request.body.get("seed") for request in emulator.requests] == [2, None, 3]
    assert [request.body["stop"] for request in emulator.requests] == [["a", "b"]] * 3
    assert [request.model for request in emulator.requests] == [MODEL, MODEL, "openai/gpt-oss-20b"]


async def test_final_only(client: Any, emulator: Emulator, tmp_path: Path) -> None:
    """Turns can be streamed on the wire alone: one, or all of a conversation's, from a file, too."""
    chat = client.chat.conversation(model=MODEL, final_only=True)
    first = await say(chat, "Hi")
    await say(chat, "Hi", final_only=None)
    with pytest.raises(InvalidRequestError, match="not to be given together with stream=True"):
        await say(chat, "Hi", stream=True)
    chat.save(tmp_path / "a.json")
    await say(client.chat.load_conversation(tmp_path / "a.json"), "Hi")

    assert isinstance(first, ChatCompletion)
    assert [request.body.get("stream") for request in emulator.requests] == [True, None, True]
    for method in (chat.say, client.chat.conversation, client.chat.load_conversation):
        assert "final_only" in signature(method).parameters


async def test_messages_of_the_callers(client: Any, emulator: Emulator) -> None:
    """Messages can be given, read and edited freely, as mappings or models."""
    given = [SYSTEM, UserMessage(content="Hi"), ChatCompletionMessage(content="Hello.")]
    chat = client.chat.conversation(model=MODEL, messages=given)
    assert chat.messages == [SYSTEM, user("Hi"), model("Hello.")]
    assert chat.messages[0] is not SYSTEM

    chat.messages[2]["content"] = "Welcome."
    chat.messages.append(UserMessage(content="Who are you?"))
    chat.messages[0] = {**SYSTEM, "content": "Be long."}
    await say(chat)

    sent = [{"role": "system", "content": "Be long."}, user("Hi"), model("Welcome."), user("Who are you?")]
    assert [message["content"] for message in emulator.requests[0].messages] == [m["content"] for m in sent]
    assert len(chat.messages) == 5
    assert isinstance(chat.messages[3], UserMessage)


async def test_pictures(client: Any, emulator: Emulator) -> None:
    """Content parts can be said, texts among them."""
    emulator.reply("A cat.")
    chat = client.chat.conversation(model=SEEING)
    await say(chat, ["What is this?", PICTURE])

    content = [{"type": "text", "text": "What is this?"}, PICTURE]
    assert chat.messages == [{"role": "user", "content": content}, model("A cat.")]


async def test_tool_calls(chat: Any, emulator: Emulator) -> None:
    """Tool calls are kept as they are; their answers are said, or appended to the messages."""
    emulator.reply(tool_calls=[("add", {"a": 1}), ("add", {"a": 2})])
    emulator.reply(tool_calls=[("add", {"a": 3})])
    emulator.reply("Six.")
    tools = [{"type": "function", "function": {"name": "add"}}]

    def answers(completion: Any) -> list[dict[str, Any]]:
        return [
            {"role": "tool", "tool_call_id": call.id, "content": "1"}
            for call in completion.choices[0].message.tool_calls
        ]

    first = await say(chat, "Add", tools=tools)
    second = await say(chat, answers(first), tools=tools)
    chat.messages += answers(second)
    third = await say(chat, tools=tools)

    assert third.text == "Six."
    roles = [message["role"] for message in chat.messages]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "tool", "assistant"]
    assert chat.messages[2]["content"] is None
    assert emulator.requests[2].messages == chat.messages[:-1]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_failed_turns_leave_no_trace(chat: Any, emulator: Emulator, stream: bool) -> None:
    """After a refusal all is as it was, and the next turn can be said."""
    await say(chat, "Hi")
    before = list(chat.messages)
    last = chat.last
    emulator.fault(Fault.status(400))

    with pytest.raises(BadRequestError):
        await say(chat, "Again", stream=stream)
    with pytest.raises(InvalidRequestError):
        await say(chat, "Again", stream=stream, temperature="hot")
    with pytest.raises(InvalidRequestError):
        await say(chat, 5, stream=stream)

    assert (chat.messages, chat.last) == (before, last)
    assert (await say(chat, "Again")).text


async def test_cut_before_any_text(make: Any, emulator: Emulator) -> None:
    """A stream that breaks before anything was said leaves no trace, either."""
    chat = make(max_retries=1).chat.conversation(model=MODEL)
    emulator.fault(Fault.cut(after_chunks=0), times=2)

    stream = await say(chat, "Hi", stream=True)
    with pytest.raises(APIError):
        async for _ in each(stream):
            pass

    assert chat.messages == []
    assert chat.last is None


async def test_cut(chat: Any, emulator: Emulator) -> None:
    """A stream that breaks is an error, and the turn keeps what had come."""
    emulator.reply("One two three four.")
    emulator.fault(Fault.cut(after_chunks=3))
    stream = await say(chat, "Count", stream=True)
    with pytest.raises(StreamInterruptedError) as caught:
        async for _ in each(stream):
            pass

    assert caught.value.text
    assert chat.messages == [SYSTEM, user("Count"), model(caught.value.text)]
    assert chat.last.choices[0].finish_reason is None
    await say(chat, "Go on")
    assert emulator.requests[-1].messages[2] == model(caught.value.text)


async def test_break(chat: Any, emulator: Emulator) -> None:
    """A turn that is left by `break` keeps what had come, at once: the next can be said without a wait."""
    emulator.reply(Reply(text="word " * 20, tokens_per_second=100))
    stream = await leave(chat, "Talk")

    assert stream.text.startswith("word")
    assert chat.messages == [SYSTEM, user("Talk"), model(stream.text)]
    assert chat.last.choices[0].finish_reason is None
    assert (await say(chat, "Go on")).text
    assert len(chat.messages) == 5


async def test_closed(chat: Any, emulator: Emulator) -> None:
    """A stream that is closed with nothing read leaves no trace; one in `with` ends with it."""
    emulator.reply(Reply(text="word " * 20, tokens_per_second=50, delay=0.05), times=2)
    stream = await say(chat, "Talk", stream=True)
    await done(stream.close())
    await done(stream.close())
    assert chat.messages == [SYSTEM]

    if hasattr(stream, "__next__"):
        with await say(chat, "Talk", stream=True) as stream:
            while not stream.text:
                next(stream)
    else:
        async with await say(chat, "Talk", stream=True) as stream:
            while not stream.text:
                await anext(stream)
    assert chat.messages == [SYSTEM, user("Talk"), model(stream.text)]


@pytest.mark.filterwarnings("ignore:a stream was left open:ResourceWarning")
async def test_forgotten_stream(chat: Any, emulator: Emulator) -> None:
    """A stream that nobody holds any more has ended its turn."""
    emulator.reply(Reply(text="word " * 20, tokens_per_second=100))
    stream = await say(chat, "Talk", stream=True)
    while not stream.text:
        await done(stream.__anext__() if hasattr(stream, "__anext__") else next(stream))
    del stream
    gc.collect()

    assert [message["role"] for message in chat.messages] == ["system", "user", "assistant"]
    await say(chat, "Go on")


async def test_cut_tool_call(chat: Any, emulator: Emulator) -> None:
    """Of a tool call that was cut nothing is kept, as nobody could answer it."""
    emulator.reply(tool_calls=[("add", {"numbers": list(range(20))})])
    emulator.fault(Fault.cut(after_chunks=4))
    with pytest.raises(StreamInterruptedError):
        async for _ in each(
            await say(chat, "Add", stream=True, tools=[{"type": "function", "function": {"name": "add"}}])
        ):
            pass

    assert chat.messages == [SYSTEM]
    await say(chat, "Hi")


async def test_half_a_tool_call(chat: Any, emulator: Emulator) -> None:
    """A call that `max_tokens` has cut is in `last`, and is never sent back."""
    half = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"a": '}}
    answer = ChatCompletion.model_validate(
        {"choices": [{"message": {"tool_calls": [half]}, "finish_reason": "length"}]}
    )
    chat._begin("Add", {}).end(answer)
    await say(chat, "Hi")

    assert answer.choices[0].message.tool_calls
    assert emulator.requests[0].messages == [SYSTEM, user("Add"), model(""), user("Hi")]


async def test_cancelled(make: Any, kind: Any, emulator: Emulator) -> None:
    """A turn that is cancelled leaves no trace, and does not block the next."""
    if kind is Client:
        chat = make(deadline=0.05, max_retries=0).chat.conversation(model=MODEL)
        emulator.reply(Reply(text="Late.", delay=5))
        with pytest.raises(APIError):
            chat.say("Hi")
        chat.params["deadline"] = None
    else:
        chat = make().chat.conversation(model=MODEL)
        emulator.reply(Reply(text="Late.", delay=5))
        with anyio.move_on_after(0.05):
            await chat.say("Hi")

    assert chat.messages == []
    assert (await say(chat, "Hi")).text


async def test_one_turn_at_a_time(chat: Any, emulator: Emulator) -> None:
    """A second turn while one is under way is refused, before anything is sent; a fork goes on beside it."""
    stream = await say(chat, "Hi", stream=True)
    with pytest.raises(InvalidRequestError, match=r"another turn .* is under way\. Wait .*fork\(\)"):
        await say(chat, "And?")
    fork = chat.fork()
    await say(fork, "And?")
    await done(stream.close())

    assert len(emulator.requests) == 2
    assert [message["content"] for message in emulator.requests[1].messages] == ["Be short.", "And?"]


def test_a_turn_ends_once(emulator: Emulator) -> None:
    """A stream that two threads close at the same time is kept once."""
    chat = emulator.client().chat.conversation(model=MODEL)
    turn = chat._begin("Hi", {})
    completion = ChatCompletion.model_validate({"choices": [{"message": {"content": "Hello."}}]})

    turn.end(completion)
    turn.end(completion)

    assert chat.messages == [user("Hi"), model("Hello.")]


def test_threads(emulator: Emulator) -> None:
    """Of many threads that speak at once each is answered or refused, and the history stays whole."""
    with Client(api_key=KEY, project="team/project", base_url=emulator.base_url) as client:
        chat = client.chat.conversation(model=MODEL, window=10**6)
        emulator.reply("Yes.", times=None)
        refused: list[InvalidRequestError] = []

        def speak(number: int) -> None:
            try:
                chat.say(str(number))
            except InvalidRequestError as error:
                refused.append(error)

        threads = [threading.Thread(target=speak, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(chat.messages) == 2 * (8 - len(refused)) > 0
    assert [message["role"] for message in chat.messages] == ["user", "assistant"] * (8 - len(refused))


async def test_fork(chat: Any, emulator: Emulator) -> None:
    """A fork has the history so far, and neither hears what the other says or changes."""
    await say(chat, "Hi")
    fork = chat.fork()
    fork.messages[0]["content"] = "Be long."
    fork.params["seed"] = 1
    await say(fork, "And?")
    await say(chat, "Or?")

    assert type(fork) is type(chat)
    assert chat.messages[0] == SYSTEM
    assert fork.messages[1:3] == chat.messages[1:3]
    assert [fork.messages[3], chat.messages[3]] == [user("And?"), user("Or?")]
    assert "seed" not in emulator.requests[2].body


def test_a_fork_has_parameters_of_its_own(emulator: Emulator) -> None:
    """What is changed within a fork's parameters is not changed in the others; tools are the same."""

    def look(place: str) -> str:
        """Looks for it."""
        return place

    tools = [tool(look)]
    chat = emulator.client().chat.conversation(model=MODEL, extra_body={"a": [{"b": 1}]}, tools=tools)
    fork = chat.fork()
    fork.params["extra_body"]["a"][0]["b"] = 2
    fork.params["tools"].append({"type": "function"})

    assert chat.params["extra_body"] == {"a": [{"b": 1}]}
    assert chat.params["tools"] == tools
    assert fork.params["tools"][0] is tools[0]


def test_a_fork_shares_pictures(emulator: Emulator) -> None:
    """A picture's data is not copied, and still not shown."""
    picture = image(GIF)
    chat = emulator.client().chat.conversation(model=SEEING, messages=[{"role": "user", "content": [picture]}])
    part = chat.fork().messages[0]["content"][0]

    assert part == picture
    assert part is not picture
    assert part["image_url"]["url"] is picture["image_url"]["url"]


async def test_save_and_load(client: Any, chat: Any, emulator: Emulator, tmp_path: Path) -> None:
    """A conversation goes on from its file where it stopped, with its parameters and no secret."""
    chat.params.update(seed=1, extra_headers={"X-Secret": "hush"}, timeout=(1, 2))
    chat.window = 150
    await say(chat, "Hi")
    path = tmp_path / "a.json"
    path.write_text("old")
    chat.save(path)
    loaded = client.chat.load_conversation(str(path), temperature=0)

    assert type(loaded) is type(chat)
    assert (loaded.model, loaded.messages, loaded.window) == (MODEL, chat.messages, 150)
    assert loaded.params == {"seed": 1, "timeout": [1, 2], "temperature": 0}
    await say(loaded, "And?")
    assert emulator.requests[-1].body["seed"] == 1
    assert emulator.requests[-1].messages[:3] == chat.messages
    text = path.read_text()
    assert "hush" not in text
    assert KEY not in text
    assert json.loads(text)["version"] == 1
    assert os.listdir(tmp_path) == ["a.json"]


def test_save_is_whole_or_not_at_all(emulator: Emulator, tmp_path: Path) -> None:
    """Where a file can't be written nothing is left behind, and a link leads on to its file."""
    chat = emulator.client().chat.conversation(model=MODEL)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for place in ("folder", "file/a.json", "nowhere/a.json"):
        with pytest.raises(OSError) as caught:
            chat.save(tmp_path / place)
        assert caught.value.filename == str(tmp_path / place)
        assert caught.value.filename2 is None
    assert isinstance(caught.value, FileNotFoundError)
    path = tmp_path / "a.json"
    path.write_text("old")
    chat.messages.append(object())
    with pytest.raises(InvalidRequestError, match="can't be saved"):
        chat.save(path)
    assert path.read_text() == "old"

    chat.messages.clear()
    (tmp_path / "link.json").symlink_to(path)
    chat.save(tmp_path / "link.json")

    assert json.loads(path.read_text())["messages"] == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "file", "folder", "link.json"]


def test_permissions(emulator: Emulator, tmp_path: Path) -> None:
    """A new file is its owner's alone; one that is replaced keeps the permissions it has."""
    chat = emulator.client().chat.conversation(model=MODEL)
    path = tmp_path / "a.json"
    modes: list[int] = []
    for mode in (None, 0o640, 0o400, 0o664):
        if mode is not None:
            path.chmod(mode)
        chat.save(path)
        modes.append(path.stat().st_mode & 0o777)

    assert modes == [0o600, 0o640, 0o400, 0o664]


def test_an_interrupted_save_leaves_nothing(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What interrupts the writing is passed on, and no half of a file stays."""

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        emulator.client().chat.conversation(model=MODEL).save(tmp_path / "a.json")

    assert os.listdir(tmp_path) == []


async def test_trim(chat: Any) -> None:
    """Trimming takes the oldest turns and says which; the newest and the instructions stay."""
    for number in range(3):
        chat.messages += [user(f"Question {number} " * 10), model("Answer " * 10)]
    said = list(chat.messages)

    assert chat.trim(max_tokens=10_000) == []
    assert chat.trim(max_tokens=200) == said[1:3]
    assert chat.messages == [SYSTEM, *said[3:]]
    assert chat.trim(max_tokens=1) == said[3:5]
    assert chat.messages == [SYSTEM, *said[5:]]
    assert chat.dropped == said[1:5]
    assert chat.trim(max_tokens=1) == []


async def test_trims_by_itself(client: Any, emulator: Emulator) -> None:
    """A history stays within the window, turn after turn, with room for the answer; no request is refused."""
    chat = client.chat.conversation(model=MODEL, system="Be short.", window=200, max_tokens=50)
    emulator.reply("Well, so it is.", times=None)
    for number in range(30):
        await say(chat, f"This is what I have to say, number {number}.")

    assert len(emulator.requests) == 30
    assert chat.messages[0] == SYSTEM
    assert chat.messages[1]["role"] == "user"
    assert len(chat.messages) > 5
    said = [message["content"] for message in [*chat.dropped, *chat.messages[1:]] if message["role"] == "user"]
    assert said == [f"This is what I have to say, number {number}." for number in range(30)]
    # The server's counts made the estimate good: not much of the window is wasted.
    assert chat.last.usage.prompt_tokens > 110


async def test_trims_to_the_catalogues_window(make: Any) -> None:
    """Without a window given the catalogue's holds, less a tenth for the answer; unknown models lose nothing."""
    with Emulator() as emulator:
        client = make(base_url=emulator.base_url)
        long = "x" * 100_000
        said = [user(long), model(long), user(long), model("Yes.")]
        known = client.chat.conversation(model=MODEL, messages=[*said, *said])
        unknown = client.chat.conversation(model="wandb-artifact:///team/project/name:v1", messages=[*said, *said])
        await say(known, "And?")
        await say(unknown, "And?")
        await done(client.close())

    assert known.dropped == said
    assert unknown.dropped == []
    assert len(unknown.messages) == 10


async def test_trimming_is_undone_by_a_failure(client: Any, emulator: Emulator) -> None:
    """What was left out for a turn that failed is still there."""
    said = [user("Hello " * 60), model("Hi."), user("How are you?"), model("Fine.")]
    chat = client.chat.conversation(model=MODEL, messages=said, window=150)
    emulator.fault(Fault.status(400))
    with pytest.raises(BadRequestError):
        await say(chat, "And?")
    assert (chat.messages, chat.dropped) == (said, [])

    stream = await say(chat, "And?", stream=True)
    chat.messages[1] = model("Hi!")  # edited while the answer comes, and so not what was left out
    async for _ in each(stream):
        pass

    assert chat.dropped == said[:1]
    assert chat.messages[:3] == [model("Hi!"), *said[2:]]
    assert chat.messages[3] == user("And?")


async def test_trims_what_was_just_said(client: Any, emulator: Emulator) -> None:
    """Messages that are left out of the very turn that says them are dropped, as any are."""
    chat = client.chat.conversation(model=MODEL, window=150)
    new = [user("Hello " * 60), model("Hi."), user("How are you?")]
    await say(chat, new)

    assert chat.dropped == new[:2]
    assert chat.messages[:-1] == emulator.requests[0].messages == new[2:]


async def test_tools_count(client: Any, emulator: Emulator) -> None:
    """Tools made of functions count when a history is trimmed, given once or in something that is read only once."""

    def look(place: str) -> str:
        """Looks for it."""
        return place

    look.__doc__ = "Looks for it. " * 20
    said = [user("Hello"), model("Hi.")]
    once = client.chat.conversation(model=MODEL, messages=said, window=150)
    await say(once, "And?", tools=(tool(look) for _ in range(1)))
    always = client.chat.conversation(model=MODEL, messages=said, window=150)
    always.params["tools"] = iter([tool(look)])
    await say(always, "And?")
    await say(always, "Or?")

    assert once.dropped == said
    assert always.dropped[:2] == said
    assert [len(request.body["tools"]) for request in emulator.requests] == [1, 1, 1]
    always.params["tools"] = iter([tool(look)])
    always.messages[:] = [*said, user("And?")]
    assert always.trim(max_tokens=60) == said
    assert isinstance(always.params["tools"], list)


async def test_counts_of_another_model(client: Any) -> None:
    """What one model's tokenizer has counted says nothing about another's."""
    chat = client.chat.conversation(model=MODEL, messages=[user("Hello " * 5), model("Hi.")])
    await say(chat, "And?")
    text = "x" * 600
    chat.messages[:] = [user(text), model("Yes."), user("And?")]
    assert chat.fork().trim(max_tokens=215) == []
    chat.model = "openai/gpt-oss-20b"

    assert chat.trim(max_tokens=215) == [user(text), model("Yes.")]


def test_repr(emulator: Emulator) -> None:
    """Shown, a conversation is its model and how long it is, and nothing that was said."""
    chat = emulator.client().chat.conversation(model=MODEL, system="Be short.")
    other = emulator.async_client().chat.conversation(model=MODEL)

    assert repr(chat) == f"<Conversation with {MODEL}, 1 message>"
    assert repr(other) == f"<AsyncConversation with {MODEL}, 0 messages>"
    chat.messages = None  # type: ignore[assignment]
    assert repr(chat) == f"<Conversation with {MODEL}, 0 messages>"
    del chat.model, chat.messages
    assert repr(chat) == "<Conversation with None, 0 messages>"
    assert repr(type(chat).__new__(type(chat))) == "<Conversation with None, 0 messages>"
