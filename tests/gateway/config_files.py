"""What the tests of configurations need: an environment, a model or two, and files to write them to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wandb_inference.gateway.config import GatewayConfig, Report, check

DATA = Path(__file__).parent / "data"

ENVIRON = {
    "WANDB_API_KEY": "the-key-of-the-account",
    "WANDB_PROJECT": "team/project",
}

MODEL = """
model_list:
  - model_name: m
    litellm_params: {model: wandb/openai/gpt-oss-20b}
  - model_name: n
    litellm_params: {model: wandb/openai/gpt-oss-120b}
"""

MASTER = """
general_settings:
  master_key: a-master-key-0123456789
"""


def checked(folder: Path, text: str, *, environ: dict[str, str] | None = None, **options: Any) -> Report:
    """What a file with this text amounts to; W&B's own files are looked for in its folder."""
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return check(file, environ=ENVIRON if environ is None else environ, cwd=folder, home=folder, **options)


def loaded(folder: Path, text: str, **options: Any) -> GatewayConfig:
    """The configuration in a file with this text, in which nothing is wrong."""
    report = checked(folder, text, **options)
    assert report.resolved is not None, "\n".join(map(str, report.findings))
    return report.resolved


def said(report: Report, severity: str = "error") -> list[str]:
    """The findings as a person reads them, without the folder of the file."""
    found = [finding for finding in report.findings if finding.severity == severity]
    return [
        str(finding).replace(f"{Path(finding.file).parent}/", "") if finding.file else str(finding) for finding in found
    ]


def mistake(folder: Path, text: str, **options: Any) -> str:
    """The one mistake in a file with this text."""
    (only,) = said(checked(folder, text, **options))
    return only


def warnings(config: GatewayConfig) -> list[str]:
    """What one is told at start, but for the word about a missing master key."""
    return [
        f"{finding.path}: {finding.message}"
        for finding in config.warnings
        if finding.path != "general_settings.master_key" or "no master_key" not in finding.message
    ]
