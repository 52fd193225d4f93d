"""Writes the catalogue's table as the Python module that it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wandb_inference.catalogue import ModelInfo  # noqa: E402

FOLDER = ROOT / "wandb_inference" / "catalogue"
WIDTH = 120
POSITIONAL = ("id", "context", "max_output", "reasoning")
DEFAULTS = ModelInfo("")

_LIVING = '''"""The dated table of models, and those of them that answer.

Written by `scripts/update-catalogue`. What the feed doesn't know is edited here; the script keeps it.
"""

from __future__ import annotations

from ._model_info import ModelInfo
from ._retired import RETIRED

TABLE_DATE = {date}
"""Day of the newest source."""

SOURCES = {{
{sources}}}
"""Where the entries come from. Where two disagree, the one that stands first holds."""

LIVING = (
{models})

MODELS = {{model.id: model for model in (*LIVING, *RETIRED)}}
"""Every known model by id, the living first."""
'''

_RETIRED = '''"""The models of the table that are retired. Their ids answer 404: the service has no aliases.

Written by `scripts/update-catalogue`. What the feed doesn't know is edited here; the script keeps it.
"""

from __future__ import annotations

from ._model_info import ModelInfo

RETIRED = (
{models})
'''


def render(models: Iterable[ModelInfo], sources: Mapping[str, str], date: str) -> dict[Path, str]:
    """The modules' texts by their paths, formatted as ruff would."""
    ordered = sorted(models, key=lambda model: model.id.lower())
    living = "".join(_entry(model) for model in ordered if model.lifecycle != "retired")
    retired = "".join(_entry(model) for model in ordered if model.lifecycle == "retired")
    described = "".join(f"    {_literal(key)}: {_literal(text)},\n" for key, text in sources.items())
    return {
        FOLDER / "_table.py": _LIVING.format(date=_literal(date), sources=described, models=living),
        FOLDER / "_retired.py": _RETIRED.format(models=retired),
    }


def _entry(model: ModelInfo) -> str:
    fields = model._asdict()
    values = [_literal(fields.pop(name)) for name in POSITIONAL]
    while values[-1] == _literal(getattr(DEFAULTS, POSITIONAL[len(values) - 1])):
        values.pop()
    values += [f"{name}={_literal(value)}" for name, value in fields.items() if value != getattr(DEFAULTS, name)]
    line = ", ".join(values)
    if len(f"    ModelInfo({line}),") <= WIDTH:
        return f"    ModelInfo({line}),\n"
    if len(f"        {line}") <= WIDTH:
        return f"    ModelInfo(\n        {line}\n    ),\n"
    return "    ModelInfo(\n" + "".join(f"        {value},\n" for value in values) + "    ),\n"


def _literal(value: object) -> str:
    if isinstance(value, str):
        return repr(value) if '"' in value else json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        items = [_literal(item) for item in cast("tuple[object, ...]", value)]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    return f"{value:_}" if isinstance(value, int) and not isinstance(value, bool) else repr(value)
