"""Tests of code that calls a model: no key, no network, milliseconds. Run with pytest, or as it is."""

from wandb_inference import APIError, Client
from wandb_inference.testing import Emulator, Fault


def headline(client: Client, article: str) -> str:
    """The code under test."""
    question = f"Write a headline for: {article}"
    try:
        answer = client.chat.completions.create(
            model="meta-llama/Llama-3.1-8B-Instruct", messages=[{"role": "user", "content": question}]
        )
    except APIError:
        return "(no headline today)"
    return answer.text.rstrip(".")


def test_the_full_stop_goes() -> None:
    """An answer of our choice, and a look at what was sent."""
    emulator = Emulator()
    emulator.reply("Lighthouse keeper retires.")
    assert headline(emulator.client(), "...") == "Lighthouse keeper retires"
    assert emulator.requests[0].messages == [{"role": "user", "content": "Write a headline for: ..."}]


def test_a_broken_line_is_no_disaster() -> None:
    """A connection that breaks in the middle of the answer, every time."""
    emulator = Emulator()
    emulator.fault(Fault.cut(after_chunks=1), times=None)
    assert headline(emulator.client(max_retries=0), "...") == "(no headline today)"
    assert len(emulator.requests) == 1


if __name__ == "__main__":
    test_the_full_stop_goes()
    test_a_broken_line_is_no_disaster()
    print("2 tests passed")
