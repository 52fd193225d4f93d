"""YAML as a tree in which each key and value knows its line: YAML 1.1, safe types alone."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol, TypeAlias, cast

import yaml

from ._findings import Findings, Place, shown

Value: TypeAlias = "str | int | float | bool | list[Item] | dict[str, Item] | None"

_TAG: Final = "tag:yaml.org,2002:"
_SCALARS: Final = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value"))
_MERGE: Final = _TAG + "merge"
_MOST_ITEMS: Final = 200_000
_DEEPEST: Final = 60
_DIGITS: Final = 30


@dataclass(frozen=True, slots=True)
class Item:
    """A value of a configuration, and where it stands."""

    value: Value
    """Dates are text here, as ISO 8601 writes them."""
    place: Place
    key: Place | None = None
    """The place of its key; `None` for a file's root and for what stands in a list."""
    path: str = ""
    """`model_list[2].litellm_params.rpm`; set when all files are read."""
    origin: str | None = None
    """Which variable it was taken from: `environment WANDB_API_KEY`; `None` for what stands in the file itself."""

    @property
    def source(self) -> str:
        """Where the value comes from: `config.yaml:7`, or `environment WANDB_API_KEY (config.yaml:6)`."""
        return f"{self.origin} ({self.place})" if self.origin else str(self.place)

    @property
    def entries(self) -> dict[str, Item]:
        """What a mapping holds; nothing for any other value."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Item]:
        """What a list holds; nothing for any other value."""
        return self.value if isinstance(self.value, list) else []


def plain(item: Item) -> object:
    """The value without its places."""
    if isinstance(item.value, dict):
        return {name: plain(entry) for name, entry in item.value.items()}
    if isinstance(item.value, list):
        return [plain(entry) for entry in item.value]
    return item.value


class Unreadable(Exception):
    """A text that is no YAML, or more of it than a configuration can be. What it is has been noted."""


def read_yaml(text: str, file: str, findings: Findings) -> Item:
    """The one document of a text.

    Args:
        text: What stands in the file.
        file: Its name, for the places.
        findings: Gets what is wrong with it.

    Raises:
        Unreadable: There is nothing to go on with; `findings` says why.
    """
    reader = _Reader(file, findings)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except _TooDeep as error:
        findings.error(error.place(file), f"more than {_DEEPEST} levels are nested here", "no configuration needs them")
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        findings.error(place, f"there is a character that YAML does not allow (code {error.character})")
    except yaml.MarkedYAMLError as error:
        findings.error(_marked(file, error.problem_mark), f"this is not YAML: {_problem(error)}", _mending(error))
    else:
        if node is None:
            return Item(None, Place(file, 1, 1))
        return reader.item(node)
    raise Unreadable


class _TooDeep(Exception):
    def __init__(self, mark: yaml.Mark) -> None:
        super().__init__()
        self._mark = mark

    def place(self, file: str) -> Place:
        return _marked(file, self._mark)


# What PyYAML's stubs leave without types.
class _Event(Protocol):
    start_mark: yaml.Mark

    def peek_event(self) -> _Event: ...


class _Constructor(Protocol):
    def construct_object(self, node: yaml.Node) -> object: ...


class _Loader(yaml.SafeLoader):
    """PyYAML's, which would otherwise go as deep as the stack does."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _TooDeep(cast("_Event", self).peek_event().start_mark)
        node = super().compose_node(parent, cast("int", index))
        self._depth -= 1
        return node


class _Reader:
    def __init__(self, file: str, findings: Findings) -> None:
        self._file = file
        self._findings = findings
        self._constructor = yaml.constructor.SafeConstructor()
        self._open: set[int] = set()
        self._count = 0

    def item(self, node: yaml.Node, key: Place | None = None) -> Item:
        """The node as a value with its place; aliases are followed."""
        place = _marked(self._file, node.start_mark)
        self._count += 1
        if self._count > _MOST_ITEMS:  # aliases of aliases: a few lines that stand for billions
            self._findings.error(place, f"the file stands for more than {_MOST_ITEMS} values", "its aliases multiply")
            raise Unreadable
        if isinstance(node, yaml.ScalarNode):
            return Item(self._scalar(node, place), place, key)
        if id(node) in self._open:
            self._findings.error(place, "an alias leads back to the value that it stands in")
            raise Unreadable
        self._open.add(id(node))
        value: Value
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            value = self._mapping(node)
        elif isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            value = [self.item(entry) for entry in node.value]
        else:
            value = None
            self._foreign_tag(place)
        self._open.remove(id(node))
        return Item(value, place, key)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Value:
        if node.tag not in _SCALARS:
            self._foreign_tag(place)
            return None
        if node.tag in (_TAG + "str", _TAG + "value"):
            return self._joined(node.value, place)
        try:
            value = cast("_Constructor", self._constructor).construct_object(node)
        except (ValueError, KeyError, AttributeError, OverflowError):  # `!!int x`, the 31st of February
            kind = node.tag.removeprefix(_TAG)
            self._findings.error(place, f"this can't be read as a YAML {kind}", "write it in quotes if it is text")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._findings.error(place, f"{shown(value)} is no finite number")
            return None
        if isinstance(value, int) and abs(value) >= 10**_DIGITS:
            self._findings.error(place, f"this number has more than {_DIGITS} digits")
            return None
        if isinstance(value, date):  # a datetime is one too
            return value.isoformat()
        return cast("Value", value)

    def _joined(self, text: str, place: Place) -> str | None:
        """The text with its surrogates joined: JSON writes an emoji as two, which PyYAML leaves as they are."""
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._findings.error(place, "there is half of a character here (a surrogate without the other one)")
            return None

    def _foreign_tag(self, place: Place) -> None:
        # The tag is not named: it may be a password that begins with "!".
        self._findings.error(
            place, "this has a tag that a configuration can't have", 'write the value in quotes if it begins with "!"'
        )

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Item]:
        entries: dict[str, Item] = {}
        merged: list[Item] = []
        for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            place = _marked(self._file, key_node.start_mark)
            if key_node.tag == _MERGE:
                merged += self._merged(value_node, place)
                continue
            name = self._name(key_node, place)
            item = self.item(value_node, place)
            if name is None:
                continue
            if name in entries:
                first = cast("Place", entries[name].key)
                self._findings.error(
                    place, f"{shown(name)} is here twice in one mapping, first in line {first.line}", "keep one of them"
                )
                continue
            entries[name] = item
        for source in merged:
            for name, item in source.entries.items():
                entries.setdefault(name, item)
        return entries

    def _merged(self, node: yaml.Node, place: Place) -> list[Item]:
        nodes = cast("list[yaml.Node]", node.value) if isinstance(node, yaml.SequenceNode) else [node]
        items = [self.item(each) for each in nodes]
        if not all(isinstance(item.value, dict) for item in items):
            self._findings.error(place, '"<<" takes in mappings alone, as in "<<: *defaults"')
        return items

    def _name(self, node: yaml.Node, place: Place) -> str | None:
        if isinstance(node, yaml.ScalarNode):
            value = self._scalar(node, place)
            if isinstance(value, str):
                return value
            if isinstance(value, int) and not isinstance(value, bool):  # logit_bias, or a model named 4
                return str(value)
        self._findings.error(
            place, "a key must be text", "YAML reads yes, no, on, off and null otherwise: write such a key in quotes"
        )
        return None


def _marked(file: str, mark: object) -> Place:
    at = cast("yaml.Mark", mark)
    return Place(file, at.line + 1, at.column + 1)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML says, without what it quotes of the file beyond two characters: that may be a password's half."""
    what = " ".join(text for text in (error.context, error.problem) if text)
    return re.sub(r" '(?!<[\w ]+>')[^']{3,}'", "", what.replace("character '\\t'", "a tab"))


def _mending(error: yaml.MarkedYAMLError) -> str | None:
    problem = str(error.problem)
    if "\\t" in problem:
        return "YAML is indented by spaces"
    if "alias" in problem:
        return 'write the value in quotes if it begins with "*"'
    if "mapping values are not allowed" in problem:
        return 'look at the indentation, and write text with ": " in it in quotes'
    if "expected a single document" in str(error.context):
        return 'take away the "---" between the documents'
    return None
