"""Tests of code that calls a model: no key, no network, milliseconds. Run with pytest, or as it is."""

from wandb_inference import APIConnectionError, Client
from wandb_inference.testing import Emulator, Fault


def headline(client: Client, article: str) -> str:
    """The code under test."""
    answer = client.chat.completions.create(
        model="meta-llama/Llama-3.1-8B-Instruct",
        messages=[{"role": "user", "content": f"Write a headline for: {article}"}],
    )
    return answer.text.strip().rstrip(".")


def test_takes_the_full_stop_off() -> None:
    """An answer of our choice, and a look at what was sent."""
    emulator = Emulator()
    emulator.reply("Lighthouse keeper retires.")
    assert headline(emulator.client(), "...") == "Lighthouse keeper retires"
    assert emulator.requests[0].messages == [{"role": "user", "content": "Write a headline for: ..."}]


def test_survives_a_busy_service() -> None:
    """Two refusals, then an answer."""
    emulator = Emulator()
    emulator.fault(Fault.storm(429, times=2, retry_after=0))
    assert headline(emulator.client(), "...")
    assert len(emulator.requests) == 3


def test_says_so_when_the_line_is_cut() -> None:
    """A connection that breaks in the middle of each answer."""
    emulator = Emulator()
    emulator.fault(Fault.cut(after_chunks=1), times=None)
    try:
        headline(emulator.client(max_retries=0), "...")
    except APIConnectionError:
        return
    raise AssertionError("no error")


for test in (test_takes_the_full_stop_off, test_survives_a_busy_service, test_says_so_when_the_line_is_cut):
    if __name__ == "__main__":
        test()
        print(f"passed: {test.__doc__}")
