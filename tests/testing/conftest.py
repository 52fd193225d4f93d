from __future__ import annotations

from collections.abc import Iterator

import pytest

from wandb_inference.testing import Emulator


@pytest.fixture
def emulator() -> Emulator:
    """An emulator in process."""
    return Emulator()


@pytest.fixture(params=["process", "port"])
def either(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """An emulator in process, then one on a port."""
    emulator = Emulator()
    if request.param == "port":
        emulator.start()
    yield emulator
    emulator.stop()
