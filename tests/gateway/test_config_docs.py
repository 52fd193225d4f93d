"""The page on the configuration: its tables are the ones that hold, and its examples can be used."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from config_files import ENVIRON, loaded

from wandb_inference.gateway.config import load
from wandb_inference.gateway.config._keys import table

ROOT = Path(__file__).parent.parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "gateway_keys.py"))
PAGE = (ROOT / "docs" / "gateway-config.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_tables() -> None:
    """The tables are as `python scripts/gateway_keys.py` writes them, one for each section."""
    assert SCRIPT["written"](PAGE) == PAGE
    assert set(re.findall(r"<!-- keys of (\w+) -->", PAGE)) == set(table())


@pytest.mark.parametrize("number", range(3))
def test_the_examples(number: int, tmp_path: Path) -> None:
    """Each example is a configuration, with the models that it leaves out."""
    more = ["models: {small: openai/gpt-oss-20b}", "", "models: {fast: openai/gpt-oss-20b, smart: openai/gpt-oss-20b}"]
    variables = {"LITELLM_MASTER_KEY": "a-master-key-0123456", "SITE_KEY": "a-key-of-a-client-1"}

    config = loaded(tmp_path, f"{EXAMPLES[number]}\n{more[number]}\n", environ={**ENVIRON, **variables})

    assert config.groups
    assert len(EXAMPLES) == 3


def test_the_file_to_copy() -> None:
    """The example configuration is one without a warning."""
    variables = {
        name: f"{name.lower()}-0123456789" for name in ("GATEWAY_MASTER_KEY", "GATEWAY_KEY", "GATEWAY_TRIAL_KEY")
    }

    config = load(ROOT / "examples" / "gateway.yaml", environ={**ENVIRON, **variables})

    assert list(config.groups) == ["small", "big", "wandb/*"]
    assert [key.name for key in config.keys] == ["notebooks", "trial"]
    assert config.warnings == ()
