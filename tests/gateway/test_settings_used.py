"""Everything that a configuration says is acted upon by the server."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

import wandb_inference
from wandb_inference.gateway.config._config import GatewayConfig, KeyRule, RouterSettings, ServerSettings
from wandb_inference.gateway.config._models import Alias, Deployment, Fallbacks, Group, Price

PACKAGE = Path(wandb_inference.__file__).parent
FORMS = (GatewayConfig, KeyRule, RouterSettings, ServerSettings, Deployment, Group, Alias, Fallbacks, Price)
ELSEWHERE = {
    # What `GatewayConfig.match()`, `Fallbacks.of()` and `KeyRule.allows()` go by, and the list of `--check`.
    *("short_names", "patterns", "access_groups", "models", "environment", "sources"),
    *("general", "context_window", "content_policy", "default"),
}
NAMES = sorted({(form.__name__, field.name) for form in FORMS for field in fields(form)})


def _read() -> set[str]:
    files = [
        *(file for file in (PACKAGE / "gateway").rglob("*.py") if file.parent.name != "config"),
        PACKAGE / "cli" / "gateway.py",
    ]
    return {
        node.attr
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }


READ = _read()


@pytest.mark.parametrize(("form", "name"), NAMES)
def test_each_setting_is_read(form, name):
    """What is accepted is read somewhere outside of the configuration."""
    assert name in READ or name in ELSEWHERE


@pytest.mark.parametrize("method", [GatewayConfig.match, Fallbacks.of, KeyRule.allows])
def test_methods_of_the_configuration_are_called(method):
    """Where a method stands for settings, the server calls it."""
    assert method.__name__ in READ
