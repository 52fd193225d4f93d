"""The commands of the repository, as far as they can be tested without setting anything up."""

from __future__ import annotations

import ast
import functools
import io
import os
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from wandb_inference.testing import Emulator

sys.path.append(str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import capture
import printing
import run_tests
import setup_venv
import tour

ROOT = setup_venv.ROOT
SCRIPTS = ROOT / "scripts"
COMMANDS = ("bench", "capture", "demo", "fuzz", "interop", "interop-otel", "pictures", "test", "update-catalogue")
PACKAGE = sorted((ROOT / "wandb_inference").rglob("*.py"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with a shell and no Python."""
    folder = tmp_path / "a path"
    folder.mkdir()
    for name in ("sh", "dirname"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


def fake_python(path: Path, name: str, version: str) -> Path:
    """An interpreter that knows only its version, and says with what it was called."""
    good = tuple(map(int, version.split("."))) >= (3, 10)
    file = path / name
    file.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && echo {version} && exit {0 if good else 1}\necho ran {version}: "$@"\n'
    )
    file.chmod(0o755)
    return file


def start(path: Path, command: Path, *arguments: str, python: str = "") -> tuple[int, str]:
    """Exit code and output of a command that sees only `path`."""
    environment = {"PATH": str(path), **({"PYTHON": python} if python else {})}
    done = subprocess.run(
        [path / "sh", command, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_runs_the_first_python_that_is_new_enough(name: str, path: Path) -> None:
    """An old python3 is passed over for a newer one, and arguments arrive as they were given."""
    fake_python(path, "python3", "3.9")
    fake_python(path, "python3.12", "3.12")

    code, output = start(path, SCRIPTS / name, "-k", "two words")

    assert code == 0
    assert output.startswith(f"ran 3.12: {SCRIPTS}/")
    assert output.endswith(".py -k two words\n")


def test_names_the_old_python(path: Path) -> None:
    """Where no Python is new enough, the message says what was found, and where."""
    old = fake_python(path, "python3", "3.9")

    code, output = start(path, SCRIPTS / "test")

    assert code == 1
    assert f"scripts/test needs Python 3.10 or later; found 3.9 at {old}." in output


def test_says_that_there_is_no_python(path: Path) -> None:
    """Without any Python the message says so."""
    assert start(path, SCRIPTS / "demo") == (
        1,
        "scripts/demo needs Python 3.10 or later; found none on PATH.\n"
        "Install a newer one, or name it: PYTHON=/path/to/python3 scripts/demo\n",
    )


def test_uses_the_python_it_is_told(path: Path) -> None:
    """PYTHON is used instead of what is on PATH."""
    fake_python(path, "python3", "3.12")
    other = fake_python(path, "other", "3.10")

    assert start(path, SCRIPTS / "test", python=str(other))[1].startswith("ran 3.10")


def test_does_not_replace_the_python_it_is_told(path: Path) -> None:
    """A PYTHON that does not run is an error, even where PATH has a good one."""
    fake_python(path, "python3", "3.12")

    code, output = start(path, SCRIPTS / "test", python="/no/python")

    assert code == 1
    assert "found PYTHON=/no/python, and that does not run" in output


def test_ci_runs_the_tests_and_passes_on_how_they_ended(path: Path) -> None:
    """`.ci/run` is `scripts/test`, its exit code included."""
    (path / "bash").symlink_to(shutil.which("bash") or "bash")
    (path / "env").symlink_to(shutil.which("env") or "env")
    old = fake_python(path, "python3", "3.9")

    done = subprocess.run([ROOT / ".ci" / "run"], env={"PATH": str(path)}, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"scripts/test needs Python 3.10 or later; found 3.9 at {old}" in done.stderr


@pytest.mark.parametrize(
    "file", [*(SCRIPTS / name for name in COMMANDS), ROOT / ".ci" / "run"], ids=lambda file: file.name
)
def test_commands_can_be_run(file: Path) -> None:
    """Each command is executable as it is."""
    assert os.access(file, os.X_OK)
    assert file.read_text().startswith("#!")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been run to set up a virtual environment."""
    seen: list[str] = []

    def run(command: list[str | Path], complaint: str) -> None:
        seen.append(" ".join(str(part) for part in command[1:]))
        if command[2] == "venv":
            shutil.rmtree(command[-1], ignore_errors=True)
            Path(command[-1]).mkdir()
            (Path(command[-1]) / "pyvenv.cfg").touch()

    monkeypatch.setattr(setup_venv, "_run", run)
    monkeypatch.setattr(setup_venv, "_runs", lambda python: True)
    return seen


def test_an_environment_is_made_once(tmp_path: Path, calls: list[str]) -> None:
    """The second run needs neither pip nor the network."""
    where = tmp_path / "venv"

    python = setup_venv.prepare(where, "httpx", pip="pip>=25.1")
    assert calls[0] == f"-m venv --clear {where}"
    assert calls[1].endswith("--upgrade pip>=25.1")
    assert calls[2].endswith(" httpx")

    assert setup_venv.prepare(where, "httpx", pip="pip>=25.1") == python
    assert len(calls) == 3


def test_a_change_of_the_followed_file_installs_again(tmp_path: Path, calls: list[str]) -> None:
    """A new dependency in pyproject.toml is installed into the environment that is there."""
    where, project = tmp_path / "venv", tmp_path / "pyproject.toml"
    project.write_text("1")
    setup_venv.prepare(where, "--editable", ".", follows=project)
    project.write_text("2")
    calls.clear()

    setup_venv.prepare(where, "--editable", ".", follows=project)

    assert [call.split()[2] for call in calls] == ["install"]


def test_another_python_makes_another_environment(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment made by one Python is not used with the next."""
    setup_venv.prepare(tmp_path / "venv")
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    setup_venv.prepare(tmp_path / "venv")

    assert calls == [f"-m venv --clear {tmp_path / 'venv'}"] * 2


def test_an_interrupted_installation_is_done_again(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment counts as ready only once everything is in it."""

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setup_venv, "_pip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            setup_venv.prepare(tmp_path / "venv", "httpx")
    setup_venv.prepare(tmp_path / "venv", "httpx")

    assert calls[-1].endswith(" httpx")


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path, calls: list[str]) -> None:
    """A wrong TEST_VENV never empties somebody's folder."""
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(SystemExit, match="is no virtual environment"):
        setup_venv.prepare(tmp_path, "httpx")
    assert calls == []


def test_a_python_without_venv_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's Python without python3-venv is told what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(SystemExit, match=rf"apt install python3\.{sys.version_info[1]}-venv"):
        setup_venv.prepare(tmp_path / "venv", "httpx")


def test_a_failure_shows_its_reason() -> None:
    """What pip said stands above the complaint."""
    with pytest.raises(SystemExit, match=r"(?s)no such thing.*cannot install it; the reason is above"):
        setup_venv._run([sys.executable, "-c", "raise SystemExit('no such thing')"], "cannot install it")


def test_an_environment_whose_python_is_gone_is_noticed(tmp_path: Path) -> None:
    """A broken link, or a Python that can't start, is no environment."""
    assert setup_venv._runs(Path(sys.executable))
    assert not setup_venv._runs(tmp_path / "python")


def test_every_step_runs_and_one_failure_fails_all(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    """A failed step does not stop the next; its output is shown, and the exit code is 1."""
    left = tmp_path / "left"
    steps = [
        run_tests.Step("broken", (("no_such_module",), ("never",))),
        run_tests.Step("quiet", (("timeit", "-n1", "-r1"),), beside=("timeit", "-n1", f"open({str(left)!r}, 'w')")),
        run_tests.Step("live", (("timeit", "-n1", "-r1"),), live=True),
    ]
    monkeypatch.setattr(run_tests, "prepare", lambda *arguments, **options: Path(sys.executable))
    monkeypatch.setattr(run_tests, "steps", lambda arguments, python: steps)

    assert run_tests.main([]) == 1

    output = capfdbinary.readouterr().out.decode()
    assert "No module named no_such_module" in output.partition("quiet ...")[0]
    assert "loop" not in output.partition("quiet ...")[2].partition("live ...")[0]
    assert "loop" in output.partition("live ...")[2].partition("step ")[0]
    assert left.exists()
    assert [line.split()[:2] for line in output.splitlines()[-3:]] == [
        ["broken", "FAILED"],
        ["quiet", "ok"],
        ["live", "ok"],
    ]


def test_arguments_go_to_pytest_without_coverage() -> None:
    """Part of the tests can't cover the package, so that the gate is left out."""
    every = list(run_tests.steps([], Path("python")))
    some = list(run_tests.steps(["-k", "sse"], Path("python")))

    assert [step.name for step in every] == ["ruff check", "ruff format", "mypy", "basedpyright", "pytest", "coverage"]
    assert [step.name for step in some] == [step.name for step in every[:-1]]
    assert some[-1].commands[0][-2:] == ("-k", "sse")


def test_the_summary_holds_pytest_s_closing_line() -> None:
    """One row per step: name, result, seconds, and the last thing it said."""
    result = run_tests.Result("pytest", True, 61.04, "12 passed in 60.9s")

    assert run_tests.summary([result]).splitlines()[1] == "pytest        ok         61.0  12 passed in 60.9s"


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "https_proxy", "NO_PROXY", "NETRC", "PYTEST_ADDOPTS", "NO_COLOR"])
def test_settings_of_the_caller_do_not_leak(name: str) -> None:
    """Keys, proxies and options of whoever runs the tests are not the tests'."""
    assert run_tests._LEAKS.fullmatch(name)
    assert not run_tests._LEAKS.fullmatch("PATH")


def excluded(paths: list[Path]) -> tuple[int, int]:
    """Statements that a pragma takes out of the coverage, whole blocks included, and all there are."""
    left_out = total = 0
    for path in paths:
        source = path.read_text("utf-8")
        marked = {number for number, line in enumerate(source.splitlines(), 1) if "pragma: no cover" in line}
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.stmt, ast.ExceptHandler))]
        gone: set[int] = set()
        for node in nodes:
            end = node.end_lineno or node.lineno
            body: list[ast.stmt] = getattr(node, "body", [])
            if marked.intersection(range(node.lineno, body[0].lineno if body else end + 1)):
                gone.update(range(node.lineno, end + 1))
        statements = {node.lineno for node in nodes}
        left_out += len(statements & gone)
        total += len(statements)
    return left_out, total


def test_hardly_a_line_is_excluded_from_coverage() -> None:
    """At most one statement in a hundred."""
    left_out, total = excluded(PACKAGE)

    assert left_out <= total / 100


def test_an_excluded_block_counts_with_all_its_lines(tmp_path: Path) -> None:
    """The gate sees the body of what a pragma leaves out."""
    module = tmp_path / "module.py"
    module.write_text("x = 1\nif x:  # pragma: no cover - for the test\n    x = 2\n    x = 3\n")

    assert excluded([module]) == (3, 4)


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_exclusion_says_why(path: Path) -> None:
    """A pragma is followed by its reason: `# pragma: no cover - only on Windows`."""
    with path.open("rb") as file:
        comments = [t.string for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]

    for comment in comments:
        if "pragma:" in comment:
            assert len(comment.partition("pragma: no ")[2].split()) > 3, f"no reason given: {comment}"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator that does not take its time."""
    monkeypatch.setattr(tour, "Emulator", lambda **options: Emulator())
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # the tour sets them: they are to be restored


def test_the_demo_without_a_key(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Every part is shown on the emulator, in 80 plain columns."""
    assert tour.main([]) == 0

    output = capsys.readouterr().out
    assert "There is no API key and no project, so this talks to the emulator" in output.replace("\n", " ")
    assert [line[:2] for line in output.splitlines() if line[:1].isdigit()] == ["1.", "2.", "3.", "4."]
    assert "10 of 10" in output
    assert "ModelNotFoundError: 404" in output
    assert "\x1b" not in output
    assert max(map(len, output.splitlines()[:-6])) <= 80


def test_the_demo_with_a_key(
    at_once: None, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configured service is used, and `--emulator` leaves it alone."""
    monkeypatch.setenv("WANDB_API_BASE", emulator.base_url)
    monkeypatch.setenv("WANDB_API_KEY", "key")
    monkeypatch.setenv("WANDB_PROJECT", "team/project")

    assert tour.main([]) == 0
    assert f"Talking to {emulator.base_url}, project team/project" in capsys.readouterr().out.replace("\n", " ")
    asked = len(emulator.requests)
    assert asked == 1 + 1 + 1 + 10 + 1

    assert tour.main(["--emulator"]) == 0
    assert len(emulator.requests) == asked


def test_the_demo_shows_what_stops_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in the settings is told as any user sees it, with the way out."""
    monkeypatch.setenv("WANDB_API_BASE", "wandb.ai")

    assert tour.main([]) == 1
    assert "ConfigurationError: base_url" in (output := capsys.readouterr().out)
    assert "scripts/demo --emulator" in output


def test_a_stream_is_wrapped_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    """Text in pieces breaks between words, within 80 columns, and keeps every word."""
    words = [f"word{number}" for number in range(60)]
    flowing = printing.Flowing()
    for word in words:
        for piece in (word[:3], word[3:], " "):
            flowing.write(piece)
    flowing.write("\n\nend")
    flowing.end()
    flowing.end()

    lines = capsys.readouterr().out.splitlines()
    assert [word for line in lines for word in line.split()] == [*words, "end"]
    assert all(len(line) <= 80 and line.startswith("   ") for line in lines)


def test_progress_is_drawn_in_place_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, redrawn at each step, ended by the last."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)

    progress = printing.Progress(2)
    progress.step("")
    progress.step(" in 1 s")

    assert [line.strip() for line in screen.getvalue().split("\r")[1:]] == [
        f"[{'':<30}] 0 of 2",
        f"[{'#' * 15:<30}] 1 of 2",
        f"[{'#' * 30}] 2 of 2 in 1 s",
    ]
    assert screen.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "colored"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_color_is_for_terminals_that_want_it(
    variables: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No colour in a pipe; NO_COLOR has the last word."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert (printing.bold("x") != "x") is colored


def test_the_picture_keeps_styles_and_escapes_text() -> None:
    """Styles become classes, and what XML reserves is written so that it shows."""
    picture = capture.draw("\x1b[1mW&B\x1b[0m <plain>\n\nlast")

    assert '<tspan class="bold">W&amp;B</tspan> &lt;plain&gt;</text>' in picture
    assert picture.count("<text ") == 3


def test_the_picture_changes_only_with_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another port and other durations leave the file as it is."""
    picture = tmp_path / "docs" / "demo.svg"
    monkeypatch.setattr(capture, "PICTURE", picture)
    for output in ("at 127.0.0.1:4000 in 1.0 s", "at 127.0.0.1:5000 in 2.5 s", "at last"):
        monkeypatch.setattr(capture, "demo_output", functools.partial(str, output))
        capture.main()

    assert [line.rpartition(": ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "drawn",
        "nothing new",
        "drawn",
    ]
    assert "at last" in picture.read_text()


def test_examples_are_short() -> None:
    """At most 40 lines each."""
    assert [path.name for path in (ROOT / "examples").glob("*.py") if len(path.read_text().splitlines()) > 40] == []
