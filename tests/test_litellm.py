"""What people wrote for LiteLLM's `wandb` provider, with the import changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from wandb_inference import Client, acompletion, completion
from wandb_inference.exceptions import APIError, InvalidRequestError
from wandb_inference.testing import Emulator, RecordedRequest, Reply

KEY = "0123456789abcdef0123456789abcdef01234567"
MESSAGES = [{"role": "user", "content": "Hello, how are you?"}]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator in place of the service."""
    with Emulator(api_key=KEY, models=["Llama-3.1-8B-Instruct", "custom-model"]) as emulator:
        monkeypatch.setenv("WANDB_API_BASE", emulator.base_url)
        yield emulator


def test_quick_start(emulator: Emulator) -> None:
    """Key and project as arguments, the model with its prefix."""
    response = completion(
        model="wandb/Llama-3.1-8B-Instruct",
        messages=MESSAGES,
        api_key=KEY,
        project="wandb/inference-demo",
    )

    assert response.choices[0].message.content
    request = emulator.requests[0]
    assert request.model == "Llama-3.1-8B-Instruct"
    assert request.headers["openai-project"] == "wandb/inference-demo"
    assert isinstance(request.body, dict)
    assert "project" not in request.body


def test_environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key from `WANDB_API_KEY`, the server from `WANDB_API_BASE`."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)

    response = completion(model="wandb/Llama-3.1-8B-Instruct", messages=MESSAGES, project="wandb/inference-demo")

    assert response.choices[0].message.content


def test_environment_is_read_at_each_call(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is set after the first call counts for the second."""
    monkeypatch.setenv("WANDB_API_KEY", "wrong")
    with pytest.raises(APIError):
        completion(model="wandb/Llama-3.1-8B-Instruct", messages=MESSAGES, project="wandb/inference-demo")
    monkeypatch.setenv("WANDB_API_KEY", KEY)

    assert completion(model="wandb/Llama-3.1-8B-Instruct", messages=MESSAGES, project="wandb/inference-demo").text


def test_custom_api_base(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server, named by `api_base`."""
    monkeypatch.delenv("WANDB_API_BASE")

    response = completion(
        model="wandb/custom-model",
        messages=MESSAGES,
        api_key=KEY,
        api_base=emulator.base_url,
        project="your-org/your-project",
    )

    assert response.choices[0].message.content
    assert emulator.requests[0].model == "custom-model"


def test_streaming(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """The loop over chunks, with each chunk's first choice."""
    emulator.reply("Once upon a time.")

    response = completion(
        model="wandb/Llama-3.1-8B-Instruct",
        messages=MESSAGES,
        api_key=KEY,
        project="wandb/inference-demo",
        stream=True,
    )
    for chunk in response:
        print(chunk.choices[0].delta.content or "", end="")

    assert capsys.readouterr().out == "Once upon a time."


def test_additional_parameters(emulator: Emulator) -> None:
    """Sampling parameters reach the server as they are."""
    completion(
        model="wandb/Llama-3.1-8B-Instruct",
        messages=MESSAGES,
        api_key=KEY,
        project="wandb/inference-demo",
        temperature=0.7,
        max_tokens=500,
        top_p=0.9,
    )

    body = emulator.requests[0].body
    assert isinstance(body, dict)
    assert (body["temperature"], body["max_tokens"], body["top_p"]) == (0.7, 500, 0.9)


def test_error_handling(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`except APIError`, from the module `exceptions`."""
    try:
        completion(
            model="wandb/Llama-3.1-8B-Instruct",
            messages=MESSAGES,
            api_key="invalid-key",
            project="wandb/inference-demo",
        )
    except APIError as e:
        print(f"W&B API error: {e}")

    assert capsys.readouterr().out.startswith("W&B API error: 401: ")


def test_project_as_header(emulator: Emulator) -> None:
    """The way to name the project before the provider knew the parameter."""
    completion(
        model="wandb/Llama-3.1-8B-Instruct",
        messages=MESSAGES,
        api_key=KEY,
        extra_headers={"openai-project": "wandb/inference-demo"},
    )

    assert emulator.requests[0].headers["openai-project"] == "wandb/inference-demo"


def test_positional(emulator: Emulator) -> None:
    """Model and messages without their names."""
    assert completion("wandb/Llama-3.1-8B-Instruct", MESSAGES, api_key=KEY, project="wandb/inference-demo").text


async def test_async(emulator: Emulator) -> None:
    """`acompletion`, whole and streamed."""
    settings: dict[str, Any] = {"api_key": KEY, "project": "wandb/inference-demo"}
    whole = await acompletion(model="wandb/Llama-3.1-8B-Instruct", messages=MESSAGES, **settings)

    stream = await acompletion(model="wandb/Llama-3.1-8B-Instruct", messages=MESSAGES, stream=True, **settings)
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(pieces) == whole.choices[0].message.content


@pytest.mark.parametrize("name", ["stream", "final_only"])
async def test_switches(emulator: Emulator, name: str) -> None:
    """A switch that is neither true nor false is refused, as in a client's own call; `None` is false."""
    settings: dict[str, Any] = {"api_key": KEY, "project": "wandb/inference-demo"}
    model = "wandb/Llama-3.1-8B-Instruct"

    for value in ("false", 0, 1):
        wrong: Any = {name: value}
        with pytest.raises(InvalidRequestError, match=f"{name} is {value!r}, expected True or False"):
            completion(model, MESSAGES, **wrong, **settings)
        with pytest.raises(InvalidRequestError, match=f"{name} is {value!r}, expected True or False"):
            await acompletion(model, MESSAGES, **wrong, **settings)
    assert emulator.requests == []
    none: Any = {name: None}
    assert completion(model, MESSAGES, **none, **settings).text
    assert (await acompletion(model, MESSAGES, **none, **settings)).text


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"response_format": dict}, "use client.chat.completions.parse(response_format=...), and read .parsed"),
        ({"tools": [len]}, "Write tool(function), or use client.chat.completions.run_tools(...)"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, "Write thinking=True."),
        ({"thinking": {"type": "disabled"}}, "Write thinking=False."),
    ],
)
def test_what_litellm_takes(emulator: Emulator, params: dict[str, Any], says: str) -> None:
    """What LiteLLM takes in another form is refused with the one that works here."""
    with pytest.raises(InvalidRequestError) as caught:
        completion("wandb/Llama-3.1-8B-Instruct", MESSAGES, api_key=KEY, project="a/b", **params)

    assert says in str(caught.value)
    assert "extra_body" not in str(caught.value)
    assert emulator.requests == []


@pytest.mark.parametrize("base_url", ["https://api.inference.wandb.ai/v1", "https://api.inference.wandb.ai/v1/"])
def test_short_names_on_the_service(base_url: str) -> None:
    """On the service's own host the page's short names become full ids."""
    emulator = Emulator()
    client = Client(
        api_key=KEY,
        project="team/project",
        base_url=base_url,
        http_client=httpx.Client(transport=emulator.transport()),
    )

    client.chat.completions.create(model="wandb/Llama-3.1-8B-Instruct", messages=MESSAGES)

    assert emulator.requests[0].model == "meta-llama/Llama-3.1-8B-Instruct"


def test_a_refusal_is_remembered() -> None:
    """A server that takes no `stream_options` is asked without them from the second call on."""
    asked: list[bool] = []

    def answer(request: RecordedRequest) -> Reply:
        assert isinstance(request.body, dict)
        asked.append("stream_options" in request.body)
        if asked[-1]:
            return Reply(status=400, json={"error": {"message": "include_usage is not known here"}})
        return Reply(text="Hello.")

    with Emulator() as emulator:
        for _ in range(3):
            emulator.reply(answer, times=2)
            stream = completion(
                "Llama-3.1-8B-Instruct", MESSAGES, api_key=KEY, api_base=emulator.base_url, project="a/b", stream=True
            )
            assert "".join(chunk.text for chunk in stream) == "Hello."
            emulator.clear()

    assert asked == [True, False, False, False]
