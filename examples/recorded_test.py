"""A test with real answers: recorded by the first run, with a key, and played by each later one without.

With pytest it is shorter: `@pytest.mark.wandb_cassette`, and no cassette in the code.
"""

from pathlib import Path

from wandb_inference import Client
from wandb_inference.testing import Cassette

RECORDING = Path("cassettes") / "capitals.json"


def capitals(client: Client, countries: list[str]) -> dict[str, str]:
    """The code under test."""
    found: dict[str, str] = {}
    for country in countries:
        question = f"The capital of {country}? One word."
        answer = client.chat.completions.create(
            model="meta-llama/Llama-3.1-8B-Instruct", messages=[{"role": "user", "content": question}]
        )
        found[country] = answer.text
    return found


def test_capitals() -> None:
    """Every country has one, and no recording is left over."""
    cassette = Cassette(RECORDING)
    assert list(capitals(cassette.client(), ["Norway", "Peru"])) == ["Norway", "Peru"]
    cassette.assert_all_used()
    print(f"{cassette.recorded} recorded, {cassette.played} played")


if __name__ == "__main__":
    test_capitals()  # 2 recorded, 0 played
    test_capitals()  # 0 recorded, 2 played
