"""The rules of the package's structure: who may import whom, and who may wait."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wandb_inference"
MODULES = sorted(PACKAGE.rglob("*.py"))


def each_module(check: Callable[[Path], None]) -> Callable[[], None]:
    """Has a test look at every module: two thousand tests of a millisecond would cost seconds."""

    def test() -> None:
        for path in MODULES:
            try:
                check(path)
            except AssertionError as error:
                raise AssertionError(f"{path.relative_to(PACKAGE)}: {error}") from error

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    return test


# From the ground up. Imports point to the same layer or to a lower one.
LAYERS = [
    ("_version", "_curl", "_failure", "_budget_errors", "exceptions", "_parse_errors", "_tool_errors"),
    ("_checks", "_credentials", "_config", "_files", "_log", "_network"),
    # In one circle, whose last link is made at run time alone: an answer can tell what it costs.
    ("types", "catalogue", "_money"),
    ("_core",),
    ("_transport",),
    ("_images", "_lora", "_streaming", "transports"),
    ("_chat_stream", "_tool_stream"),
    ("resources", "_turn", "_history", "_conversation"),
    ("_client_options", "_client"),
    ("_completion",),
    ("testing", "tracing"),
    ("gateway",),
    ("cli",),
    ("__main__",),
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

WAITING = {"anyio", "asyncio", "concurrent", "http", "httpx", "select", "socket", "ssl", "threading", "time", "urllib3"}


def layer_of(path: Path) -> str:
    """The module or package right below the root that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a module, but for those that only type checkers see."""
    for child in ast.iter_child_nodes(tree):
        if is_type_checking(child):
            continue
        yield child
        yield from nodes(child)


def third_party(path: Path) -> set[str]:
    """Top-level names of what a module imports from outside, when it runs."""
    found: set[str] = set()
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def own(path: Path) -> set[str]:
    """Layers that a module imports when it runs."""
    found: set[str] = set()
    depth = len(path.relative_to(PACKAGE).parts)
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level >= depth:
            found |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


@each_module
def test_imports_point_down(path: Path) -> None:
    """A module imports from its own layer and from lower ones."""
    if path == PACKAGE / "__init__.py":
        assert not own(path)
        return

    above = {name for name in own(path) if RANK[name] > RANK[layer_of(path)]}

    assert not above


@pytest.mark.parametrize("path", sorted((PACKAGE / "_core").rglob("*.py")), ids=lambda path: path.name)
def test_core_never_waits(path: Path) -> None:
    """The core neither waits nor knows who does."""
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

    assert not [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, waits)]
    assert not third_party(path) & WAITING


@pytest.mark.parametrize("name", ["decoding", "http11", "lanes", "pool", "proxies", "routes", "uploads"])
def test_the_transports_decisions_never_wait(name: str) -> None:
    """Who gets which connection, and what the bytes mean, is decided without a socket or a clock."""
    assert not third_party(PACKAGE / "_transport" / f"{name}.py") & WAITING


@each_module
def test_httpx_has_one_home(path: Path) -> None:
    """Only the transport imports httpx, its public face, and the emulator, which stands in for it."""
    if layer_of(path) not in ("_transport", "transports", "testing"):
        assert not third_party(path) & {"httpx", "anyio", "httpcore", "h11"}


@each_module
def test_the_sdk_needs_what_it_declares(path: Path) -> None:
    """Outside the standard library, the SDK imports its declared dependencies alone."""
    declared = {"httpx", "anyio", "certifi", "h11", "pydantic", "typing_extensions"}
    # uvicorn and aiohttp come with the extras that need them, yarl with aiohttp, pytest with whoever runs tests,
    # truststore with whoever asks for it, Pillow with the extra for pictures, requests with OpenTelemetry's exporter.
    extras = {
        "testing": {"uvicorn", "pytest"},
        "transports": {"aiohttp", "yarl"},
        "_transport": {"truststore"},
        "_images": {"PIL"},
        "cli": {"click", "markdown_it", "prompt_toolkit", "rich"},
        "tracing": {"opentelemetry", "requests"},
        # pydantic_core is what pydantic itself reads and writes JSON with, at a tenth of the cost of json.
        "gateway": {"httptools", "opentelemetry", "pydantic_core", "uvicorn", "uvloop", "yaml"},
    }
    extra = extras.get(layer_of(path), set())

    assert not third_party(path) - set(sys.stdlib_module_names) - {"wandb_inference"} - declared - extra


def test_dependencies_are_declared() -> None:
    """Each library that the SDK imports has its line in pyproject.toml, and nothing else has."""
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)

    assert block
    assert re.findall(r'"([a-z0-9-]+)', block[1]) == [
        "anyio",
        "certifi",
        "h11",
        "httpx",
        "pydantic",
        "typing-extensions",
    ]


@each_module
def test_modules_are_small(path: Path) -> None:
    """A module that passes 300 lines is two modules; 400 is the end."""
    assert len(path.read_text().splitlines()) <= 400


def test_excluded_lines_are_few_and_explained() -> None:
    """At most one line in a hundred is kept out of coverage, and each says why."""
    lines = [line for path in MODULES for line in path.read_text().splitlines()]
    excluded = [line for line in lines if "pragma: no" in line]

    assert len(excluded) <= len(lines) / 100
    assert all(re.search(r"pragma: no (cover|branch)\s+\S+", line) for line in excluded)


@each_module
def test_modules_say_what_they_are(path: Path) -> None:
    """Each module has a docstring, and no `print`."""
    tree = ast.parse(path.read_text())
    prints = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "print"]

    assert ast.get_docstring(tree)
    assert layer_of(path) == "cli" or not prints


def test_parameters_are_documented() -> None:
    """Each key of the parameters' TypedDicts has a docstring of its own."""
    for path in (PACKAGE / "types" / "chat_params.py", PACKAGE / "_client.py"):
        for cls in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(cls, ast.ClassDef) and any(k.arg == "total" for k in cls.keywords)):
                continue
            for node, following in zip(cls.body, [*cls.body[1:], None], strict=True):
                if isinstance(node, ast.AnnAssign):
                    is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                    assert is_text, f"{cls.name}.{ast.unparse(node.target)}"
