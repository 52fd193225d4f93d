"""`scripts/update-catalogue`: what a feed says otherwise than the table, and the table written anew."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wandb_inference.catalogue import MODELS, SOURCES, TABLE_DATE, ModelInfo
from wandb_inference.catalogue._feed import read_feed
from wandb_inference.testing import Emulator

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import catalogue_table
import update_catalogue

ROOT = catalogue_table.ROOT
DATA = ROOT / "tests" / "data"
TABLE = {
    "deepseek-ai/DeepSeek-V3.1": ModelInfo(
        "deepseek-ai/DeepSeek-V3.1", 161_000, 128_000, prices=("0.55", "1.65", None), tools=True, sources=("manifest",)
    ),
    "openai/gpt-oss-20b": ModelInfo(
        "openai/gpt-oss-20b", 131_072, reasoning="always", effort=True, prices=("0.03", "0.13", None)
    ),
    "Qwen/Qwen3.6-27B": ModelInfo("Qwen/Qwen3.6-27B", 262_144, prices=("0.60", "3.60", "0.12")),
    "google/gemma-4-31B-it": ModelInfo("google/gemma-4-31B-it", 262_144),
    "zai-org/GLM-4.5": ModelInfo("zai-org/GLM-4.5", lifecycle="retired"),
}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting property name"),
        ("null", "no models in it"),
        ('{"models": [null, {"idPlayground": 3}]}', "no models in it"),
        ("[" * 100_000, "nested too deeply to be a feed"),
    ],
)
def test_what_is_no_feed(tmp_path: Path, capsys: Any, text: str, says: str) -> None:
    """It is said in a line, with the file, and nothing is written."""
    file = tmp_path / "feed.json"
    file.write_text(text)
    assert update_catalogue.main([str(file), "--write"]) == 2
    assert capsys.readouterr().err.startswith(f"{file}: {says}")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A small table, and the folder where it would be written."""
    monkeypatch.setattr(update_catalogue, "MODELS", TABLE)
    monkeypatch.setattr(catalogue_table, "FOLDER", tmp_path)
    return tmp_path


def loaded(folder: Path) -> dict[str, Any]:
    """The names of a table that was written."""
    names: dict[str, Any] = {"ModelInfo": ModelInfo}
    for name in ("_retired.py", "_table.py"):
        lines = (folder / name).read_text().splitlines()
        exec("\n".join(line for line in lines if not line.startswith("from .")), names)
    return names


def test_lines(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each model that the feed knows otherwise has a line, and so has one that it lacks."""
    assert update_catalogue.main([str(DATA / "feed.json")]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "~ deepseek-ai/DeepSeek-V3.1: output 1.65 -> 1.50, context 161,000 -> 163,840, reasoning none -> on, lifecycle "
        "general-availability -> deprecated, lora False, label DeepSeek V3.1, its deprecated_on and successor to be "
        "found out",
        "? google/gemma-4-31B-it: not in the feed; kept as general-availability",
        "+ new-maker/New-2-70B: input 0.125, output 1.00, cached 0.013, context 262,144, reasoning on, vision True, "
        "lifecycle experimental, tools True, lora True, label New 2",
        "~ Qwen/Qwen3.6-27B: lifecycle general-availability -> retired, its retired_on and successor to be found out",
        f"3 of 6 models differ from the table of {TABLE_DATE}; 4 are in the feed.",
    ]
    assert list(table.iterdir()) == []


def test_check(table: Path) -> None:
    """`--check` ends in 1 where something differs, and in 0 where nothing does."""
    assert update_catalogue.main([str(DATA / "feed.json"), "--check"]) == 1
    assert update_catalogue.main([str(DATA / "modelsdev.json"), "--check"]) == 1
    (table / "same.json").write_text('{"models": [{"id": "openai/gpt-oss-20b", "contextWindow": 131072}]}')
    assert update_catalogue.main([str(table / "same.json"), "--check", "--write"]) == 0
    assert [path.name for path in table.iterdir()] == ["same.json"]


def test_write(table: Path) -> None:
    """`--write` writes what the feed says, keeps what it doesn't know, and says where each came from."""
    assert update_catalogue.main([str(DATA / "feed.json"), "--write", "--date", "2026-11-25"]) == 0

    names = loaded(table)
    models = names["MODELS"]
    assert names["TABLE_DATE"] == "2026-11-25"
    assert next(iter(names["SOURCES"].items())) == ("feed", "the service's public feed, 2026-11-25")
    assert names["SOURCES"].items() > SOURCES.items()
    assert models["openai/gpt-oss-20b"] == TABLE["openai/gpt-oss-20b"]
    assert models["google/gemma-4-31B-it"] == TABLE["google/gemma-4-31B-it"]
    old = models["deepseek-ai/DeepSeek-V3.1"]
    assert (old.max_output, old.context, old.prices, old.lifecycle, old.sources) == (
        128_000,
        163_840,
        ("0.55", "1.50", None),
        "deprecated",
        ("feed", "manifest"),
    )
    assert [model.id for model in names["RETIRED"]] == ["Qwen/Qwen3.6-27B", "zai-org/GLM-4.5"]
    assert models["Qwen/Qwen3.6-27B"].prices == ("0.60", "3.60", "0.12")


def test_the_table_is_as_written() -> None:
    """The table stands as the script writes it, so that a change of one model is a change of its lines alone."""
    for path, text in catalogue_table.render(MODELS.values(), SOURCES, TABLE_DATE).items():
        assert path.read_text() == text, f"{path.name}: bring it into form by scripts/update-catalogue --write"


def test_written_as_ruff_would(table: Path) -> None:
    """What is written needs no formatter."""
    models = [
        *TABLE.values(),
        ModelInfo("a/short"),
        ModelInfo("z/old", lifecycle="retired", successor="a/short", retired_on="2026-10-05"),
        ModelInfo("a/b", 1000, None, "on", vision=True, tools=False, prices=("0.10", "0.20", None), sources=("feed",)),
        ModelInfo("a/" + "long" * 20, 1000, prices=("0.10", "0.20", "0.01"), label='A "quoted" name'),
    ]
    for path, text in catalogue_table.render(models, SOURCES, TABLE_DATE).items():
        path.write_text(text)
        ast.parse(text)
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--line-length=120", "--isolated", table], check=False
    )

    assert done.returncode == 0
    assert list(loaded(table)["MODELS"].values()) == sorted(
        models, key=lambda model: (model.lifecycle == "retired", model.id.lower())
    )


def test_from_a_url(table: Path, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """The feed is fetched where a URL is given, under a name that the service's edge lets in."""
    assert update_catalogue.main([emulator.feed_url, "--check"]) == 1

    assert f"{len(MODELS)} are in the feed" in capsys.readouterr().out
    assert emulator.requests[0].headers["user-agent"] == "wandb-inference-update-catalogue"


@pytest.mark.parametrize(
    ("text", "says"),
    [("[]", "no models in it"), ("<html>", "Expecting value"), (None, "No such file")],
    ids=["empty", "HTML", "missing"],
)
def test_no_feed(table: Path, capsys: pytest.CaptureFixture[str], text: str | None, says: str) -> None:
    """What is no feed is an error in one line."""
    path = table / "feed.json"
    if text is not None:
        path.write_text(text)

    assert update_catalogue.main([str(path)]) == 2
    assert says in capsys.readouterr().err


def test_a_wrong_day(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A day that is none is refused before anything is written."""
    assert update_catalogue.main([str(DATA / "feed.json"), "--write", "--date", "today"]) == 2
    assert "today" in capsys.readouterr().err


def test_sample_is_of_the_emulators_shape(emulator: Emulator) -> None:
    """The saved sample and the emulator's feed have the same fields."""
    import httpx

    sample = json.loads((DATA / "feed.json").read_text())["models"][0]
    served = httpx.get(emulator.feed_url).json()

    assert set(served["models"][0]) == set(sample) - {"descriptionShort"}
    assert set(read_feed(served)) == set(MODELS)
