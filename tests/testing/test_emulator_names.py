"""The public names of `wandb_inference.testing`."""

from __future__ import annotations

import pytest

from wandb_inference import testing

NAMES = ["Cassette", "CassetteMissError", "Emulator", "EmulatorTransport", "Fault", "RecordedRequest", "Reply"]


def test_names():
    """Every public name can be reached, and says where it is from."""
    assert testing.__all__ == dir(testing) == NAMES
    for name in NAMES:
        assert getattr(testing, name).__doc__


def test_an_unknown_name():
    """A misspelt name is an AttributeError as anywhere."""
    with pytest.raises(AttributeError, match="has no attribute 'Simulator'"):
        _ = testing.Simulator
