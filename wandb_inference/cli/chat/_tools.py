"""`--tools`: functions of a file, and the question before each call."""

from __future__ import annotations

import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..._core.tools import Tool
from ...exceptions import InvalidRequestError
from .._console import one_line
from .._paths import typed_path
from .._printable import visible

if TYPE_CHECKING:
    from types import ModuleType

    from ...types import ToolRequest, ToolStep

AnyTool = Tool[..., Any]


def load_tools(path: str) -> list[AnyTool]:
    """The tools of a Python file, which is run: its own functions without a leading underscore, and what `tool()` made.

    Raises:
        InvalidRequestError: It can't be run, has no functions, or has one that can't be a tool.
    """
    file = typed_path(path)
    module = _run(file, path)
    tools = [_tool(value, path) for name, value in vars(module).items() if _is_one(name, value, module.__name__)]
    if not tools:
        hint = "Write functions with type hints and docstrings; those that begin with an underscore are left out."
        raise InvalidRequestError(f"{path} has no functions", hint=hint)
    return tools


def _run(file: Path, path: str) -> ModuleType:
    name = f"_wandb_inference_tools_{file.stem}"
    # `spec_from_file_location` would take no name that does not end in `.py`.
    spec = spec_from_loader(name, SourceFileLoader(name, str(file)))
    module = module_from_spec(cast("Any", spec))
    sys.path.insert(0, str(file.resolve().parent))  # what the file imports from beside it, as `python file.py` does
    sys.modules[name] = module  # dataclasses and pydantic look their module up
    try:
        cast("Any", spec).loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InvalidRequestError(f"The tools in {path} can't be loaded: {_said(error)}") from error
    return module


def _said(error: BaseException) -> str:
    said = traceback.format_exception_only(type(error), error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    return f"{said} (line {frames[-1].lineno} of {frames[-1].filename})" if len(frames) > 1 else said


def _is_one(name: str, value: object, module: str) -> bool:
    if isinstance(value, Tool):
        return True
    return not name.startswith("_") and inspect.isfunction(value) and value.__module__ == module


def _tool(value: object, path: str) -> AnyTool:
    try:
        tool = cast("AnyTool", value) if isinstance(value, Tool) else Tool(cast("Callable[..., Any]", value))
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error.message}", hint=error.hint) from None
    if tool.is_async:
        raise InvalidRequestError(
            f"{path}: {tool.name}() is async", hint="Write a plain function, or rename it _" + tool.name + "."
        )
    return tool


def described(tools: list[AnyTool]) -> str:
    """The tools, a line for each."""
    lines: list[str] = []
    for tool in tools:
        names = ", ".join(cast("Mapping[str, object]", tool.parameters.get("properties", {})))
        about = (tool.description or "").partition("\n")[0]
        lines.append(f"{tool.name}({names})" + (f": {about}" if about else ""))
    return "\n".join(lines)


def call_line(request: ToolRequest) -> str:
    """A call that is asked about, whole: who allows it has to see all of it."""
    arguments = ", ".join(f"{name}={_json(value)}" for name, value in request.arguments.items())
    return visible(f"{request.name}({arguments})")


def step_line(step: ToolStep) -> str:
    """What came of a call, in one line."""
    content = step.content if isinstance(step.content, str) else _json(step.content)
    told = one_line(content)
    return f"{step.name} → {told if len(told) <= 200 else told[:200] + '…'}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


class Approval:
    """Asks before each call, until `always` was answered.

    Args:
        ask: Shows a call, and gives the line that is typed.
        yes: Whether all calls are allowed.
    """

    def __init__(self, ask: Callable[[str], str], *, yes: bool = False) -> None:
        self._ask = ask
        self._all = yes
        self._always: set[str] = set()

    def __call__(self, request: ToolRequest) -> bool | str:
        """Whether a call may be made, or the reason why not."""
        while not (self._all or request.name in self._always):
            answer = self._ask(call_line(request)).strip()
            word, _, reason = answer.partition(" ")
            word = word.lower().rstrip(",:")
            if word in ("y", "yes") and not reason:
                return True
            if word in ("n", "no"):
                return reason.strip() or False
            # A sentence that was typed ahead is no leave: only a "no" may have words behind it.
            if word in ("a", "always") and not reason:
                self._always.add(request.name)
        return True
