"""The examples with other libraries, as far as they can be tested without these; `scripts/interop NAME` runs them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import interop
import interop_library
from interop_library import complaints, difference, tried
from interop_page import EXAMPLES, PAGES, Shown, code_of, filled, page_of, shown
from interop_table import LIBRARIES, Library

from wandb_inference.testing import Emulator

ROOT = PAGES.parent.parent
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.suffix in {".py", ".ipynb", ".sh", ".toml", ".mjs"})
LONGER = {"langchain_model.py": 85, "llm_wandb_inference.py": 99}
"""Lines of what is a class or a plugin to be copied; the others have 60 at most."""


def files_of(name: str) -> dict[str, Shown]:
    """The files that a library's page shows, by name."""
    return {file.name: file for file in shown(page_of(name).read_text())}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_page_shows_the_files_as_they_are(name: str) -> None:
    """What a reader copies from the page is the file that is run."""
    files = files_of(name)

    assert files
    for file in files.values():
        assert file.code == code_of(EXAMPLES / file.name), f"scripts/interop {name} --write"


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_page_shows_what_was_printed(name: str) -> None:
    """Each file that is run has its output on the page, and the versions it was run with are new enough."""
    ran = [file.name for file in files_of(name).values() if file.output]
    (line,) = re.findall(r"^Run with (.*) on Python [\d.]+\.$", page_of(name).read_text(), re.MULTILINE)
    versions = dict(item.split() for item in line.split(", "))

    assert sorted(ran) == sorted(LIBRARIES[name].replies)
    for package in LIBRARIES[name].packages:
        if not package.startswith("."):
            distribution, bound = re.sub(r"\[.*\]", "", package).split(">=")
            assert [*map(int, versions[distribution].split("."))] >= [*map(int, bound.split("."))]


def test_each_file_is_on_a_page() -> None:
    """No example is left that nobody finds, or runs."""
    assert {EXAMPLES / file for name in LIBRARIES for file in files_of(name)} == set(FILES)


def test_each_page_is_listed() -> None:
    """The index and the README lead to each page, and to none that is not there."""
    for index, prefix in ((PAGES / "README.md", ""), (ROOT / "README.md", "docs/integrations/")):
        linked = re.findall(rf"\]\({prefix}([\w-]+)\.md\)", index.read_text())
        assert sorted(set(linked) - {"README", "CHANGELOG"}) == sorted(LIBRARIES), index


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_is_short_and_says_what_it_is(path: Path) -> None:
    """At most 60 lines, or what is said above; Python that compiles, with a docstring."""
    code = code_of(path)
    assert len(code.splitlines()) <= LONGER.get(path.name, 60)
    if path.suffix in {".py", ".ipynb"}:
        tree = compile(code, path.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert path.suffix == ".ipynb" or ast.get_docstring(tree)
    elif path.suffix == ".sh":
        subprocess.run(["sh", "-n", path], check=True)


def test_the_notebook_is_clean() -> None:
    """No output and no count of somebody's run is kept in it."""
    for cell in json.loads((EXAMPLES / "jupyter.ipynb").read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Names, requirements and pages; the server first."""
    assert interop.main(["--list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["llama.cpp", *LIBRARIES]
    assert lines[1].endswith("docs/integrations/langchain.md")


def test_an_unknown_name_is_told_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt library is no traceback."""
    with pytest.raises(SystemExit):
        interop.main(["langchian"])

    assert "'langchian' is none of llama.cpp, langchain, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["llama.cpp"]),
        (["dspy", "llm"], ["dspy", "llm"]),
        (["all"], ["llama.cpp", *LIBRARIES]),
    ],
    ids=lambda value: " ".join(value) if len(value) < 4 else "everything",
)
def test_what_is_named_is_run(
    arguments: list[str],
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The server where nothing is named; one failure fails the run, and the others run all the same."""
    ran: list[str] = []
    monkeypatch.setattr(interop, "server", lambda: ran.append("llama.cpp"))
    monkeypatch.setattr(interop, "library", lambda name, write: ran.append(name) or int(name == "llm"))

    assert interop.main(arguments) == int("llm" in expected)

    assert ran == expected
    if len(expected) > 1:
        assert f"{len(expected) - 1} of {len(expected)} did as they should; not llm" in capsys.readouterr().out


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library that is this package itself, its example, and the page of it."""
    page = tmp_path / "docs" / "integrations" / "tiny.md"
    page.parent.mkdir(parents=True)
    page.write_text("<!-- file: tiny.py -->\n```python\n```\n\n```text\n```\n\nRun with nothing.\n")
    monkeypatch.setattr(interop_library, "EXAMPLES", tmp_path)
    monkeypatch.setattr("interop_page.EXAMPLES", tmp_path)
    monkeypatch.setattr(interop_library, "page_of", lambda name: page)
    row = Library(packages=("httpx>=0.27",), replies={"tiny.py": [{"text": "Hi!"}]})
    monkeypatch.setitem(LIBRARIES, "tiny", row)
    return tmp_path


ASK = """\
from wandb_inference import Client

ask = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "Hello"}]}
print(Client().chat.completions.create(**ask).text)
"""


def test_an_example_that_prints_something_else_fails(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The difference is shown; `--write` puts it into the page, and then all is well."""
    (tiny / "tiny.py").write_text(ASK)

    assert not tried("tiny", write=False)
    assert "+Hi!" in capsys.readouterr().out

    assert tried("tiny", write=True)
    page = (tiny / "docs" / "integrations" / "tiny.md").read_text()
    assert f"```python\n{ASK}```\n\n```text\nHi!\n```\n\nRun with httpx " in page

    assert tried("tiny", write=False)
    assert "ok       1 requests, each with the project" in capsys.readouterr().out


def test_an_example_that_fails_is_not_written(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its traceback is shown, and the page stays."""
    (tiny / "tiny.py").write_text(f"{ASK}raise SystemExit('no such thing')\n")

    assert not tried("tiny", write=True)

    output = capsys.readouterr().out
    assert "exit code 1" in output
    assert "no such thing" in output
    assert "Run with nothing." in (tiny / "docs" / "integrations" / "tiny.md").read_text()


def test_requests_are_looked_at() -> None:
    """A request without the project, and a stream that is left or read against what was expected, are told."""
    emulator = Emulator(require_project=False)
    emulator.client(project="").models.list()

    assert complaints(emulator.requests, 1) == [
        "1 of 1 requests name no project",
        "0 answers were left before their end, not 1",
    ]


def test_a_difference_is_shown_line_by_line() -> None:
    """As a diff, and nothing where there is none."""
    assert difference("a\nb\n", "a\nc\n").splitlines()[-2:] == ["    -b", "    +c"]
    assert difference("a\n", "a\n") == ""


def test_what_is_not_run_has_no_output() -> None:
    """A file that is only shown stays so, with backslashes as they are."""
    text = "<!-- file: llm_wandb_inference/pyproject.toml -->\n```toml\n```\n\nRun with nothing.\n"

    page = filled(text, {}, r"a\b 1")

    assert page.endswith("```\n\nRun with a\\b 1.\n")
    assert [file.output for file in shown(page)] == [None]
