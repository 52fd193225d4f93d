from __future__ import annotations

from wandb_inference._core.usage import total_usage
from wandb_inference.types import ChatCompletion, CompletionUsage


def completion(**usage):
    """A completion with a usage; none without arguments."""
    return ChatCompletion.model_validate({"choices": [], "usage": usage or None})


def test_nothing():
    """Where no server told any, there is none."""
    assert total_usage([]) is None
    assert total_usage([completion(), completion()]) is None


def test_one():
    """One usage is as it was sent."""
    assert total_usage([completion(), completion(total_tokens=3, x="y")]) == CompletionUsage.model_validate(
        {"total_tokens": 3, "x": "y"}
    )


def test_several():
    """Numbers add up at every depth, unknown ones too; what is no number is the last one's."""
    total = total_usage(
        [
            completion(
                prompt_tokens=1,
                completion_tokens=2,
                total_tokens=3,
                tier="a",
                prompt_tokens_details={"cached_tokens": 1},
            ),
            completion(),
            completion(prompt_tokens=10, completion_tokens=20, total_tokens=30, tier="b", cost=0.5, cached=True),
            completion(
                total_tokens=300,
                cost=0.25,
                prompt_tokens_details={"cached_tokens": 4, "audio_tokens": None},
                completion_tokens_details={"reasoning_tokens": 7},
            ),
        ]
    )

    assert total is not None
    assert (total.prompt_tokens, total.completion_tokens, total.total_tokens) == (11, 22, 333)
    assert (total.cached_tokens, total.reasoning_tokens) == (5, 7)
    assert (total.model_extra or {}) == {"tier": "b", "cost": 0.75, "cached": True}
