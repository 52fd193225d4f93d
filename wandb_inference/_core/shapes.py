"""What may stand at each place of an answer, and how much of it can be shown while it grows.

Models, dataclasses, TypedDicts, lists and text grow. Everything else, and what a validator of its own may still change,
is shown when it is complete: half a date is no date.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import getitem
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Discriminator, Field, PrivateAttr, RootModel, Tag, TypeAdapter
from pydantic.errors import PydanticUserError
from typing_extensions import is_typeddict

Complete = Callable[[str], object]

_ANNOTATED: Any = Annotated
_UNDEFINED: object = PrivateAttr().default
_PLAIN = (int, float, bool, type(None))
_SCALARS = (enum.Enum, date, time, timedelta, Decimal, UUID, PurePath, bytes)
_LISTS = (list, Sequence, MutableSequence)


class Missing(enum.Enum):
    """Nothing that can be shown."""

    MISSING = 0


MISSING = Missing.MISSING


class Record:
    """A type with named fields.

    Args:
        kind: The class.
        names: The field for each name on the wire.
        types: The type of each field.
        held: Fields that are not shown before the whole is complete.
    """

    __slots__ = ("_kind", "_shapes", "_types", "held", "names")

    def __init__(
        self, kind: type, names: Mapping[str, str], types: Mapping[str, object], held: frozenset[str] = frozenset()
    ) -> None:
        self._kind: Any = kind
        self.names = names
        self._types = types
        self.held = held
        self._shapes: dict[str, Shape] = {}

    def shape(self, name: str) -> Shape | None:
        """What may stand under a name on the wire; `None` where nothing can be shown."""
        field = self.names.get(name)
        if field is None or field in self.held:
            return None
        # Found when it is needed: types can be recursive.
        shape = self._shapes.get(field)
        if shape is None:
            shape = self._shapes[field] = shape_of(self._types[field], self._kind)
        return shape

    def fits(self, name: str, text: str) -> bool:
        """Whether the record may have this field with this value."""
        if name not in self.names:
            return False
        shape = self.shape(name)
        return shape is None or shape.complete(text) is not MISSING

    def build(self, values: dict[str, object]) -> object:
        """The value as far as it has come: fields that have not are `None`, keys of a mapping are not there."""
        kind = self._kind
        if is_typeddict(kind):
            return values
        made: object = kind.__new__(kind)
        if issubclass(kind, BaseModel):
            # As `model_construct` does, but without defaults and without running the model's own code on half a value.
            object.__setattr__(made, "__dict__", {**dict.fromkeys(kind.model_fields), **values})
            object.__setattr__(made, "__pydantic_fields_set__", set(values))
            object.__setattr__(made, "__pydantic_extra__", None)
            object.__setattr__(made, "__pydantic_private__", _private(kind))
            return made
        for field in fields(kind):
            object.__setattr__(made, field.name, values.get(field.name))
        return made


class Wrapper(Record):
    """The object around a type that is none."""

    __slots__ = ("_key",)

    def __init__(self, key: str, shape: Shape) -> None:
        super().__init__(dict, {key: key}, {})
        self._key = key
        self._shapes[key] = shape

    def build(self, values: dict[str, object]) -> object:
        """The value inside."""
        return values.get(self._key, MISSING)


class Shape:
    """What may stand at one place.

    Args:
        complete: Reads a complete value, and raises where it does not fit.
        text: Whether text can be shown while it grows.
        item: The type of a list's items.
        records: The types with fields that may stand here.
    """

    __slots__ = ("_complete", "_item", "_item_shape", "_owner", "records", "text")

    def __init__(
        self,
        complete: Complete | None,
        *,
        text: bool = False,
        item: object = MISSING,
        records: tuple[Record, ...] = (),
        owner: type | None = None,
    ) -> None:
        self._complete = complete
        self.text = text
        self.records = records
        self._item = item
        self._item_shape: Shape | None = None
        self._owner = owner

    @property
    def item(self) -> Shape | None:
        """What may stand in a list here; `None` where there is no list, or none that can be shown."""
        if self._item_shape is None and self._item is not MISSING:
            self._item_shape = shape_of(self._item, self._owner)
        return self._item_shape

    def complete(self, text: str) -> object:
        """The value of a complete piece of JSON; `MISSING` where it does not fit."""
        if self._complete is None:
            return MISSING
        try:
            return self._complete(text)
        except Exception:  # a validator of the user's may raise anything; the end of the answer will tell
            return MISSING


def wrapper_of(key: str, shape: Shape) -> Shape:
    """The shape of an object that has a shape's value under a key."""
    return Shape(None, records=(Wrapper(key, shape),))


def shape_of(annotation: object, owner: type | None) -> Shape:
    """The shape of a type, made once for each of the last 1024.

    Args:
        annotation: The type.
        owner: The class it is a field of, whose configuration it is read with.
    """
    try:
        return _cached(annotation, owner)
    except TypeError:  # can't be hashed
        return _shape(annotation, owner)


def _shape(annotation: Any, owner: type | None) -> Shape:
    members = list(_members(annotation))
    lists = [member for member in members if get_origin(member) in _LISTS and get_args(member)]
    records = [record for member in members if member not in lists and (record := _record(member)) is not None]
    scalars = [member for member in members if _is_scalar(member)]
    plain = [member for member in members if member is str or member in _PLAIN]
    if len(lists) + len(records) + len(scalars) + len(plain) < len(members):
        return Shape(_reader(annotation, owner))  # one of them can't be looked into, and might be anything
    return Shape(
        _reader(annotation, owner),
        text=str in plain and not scalars,
        item=get_args(lists[0])[0] if len(lists) == 1 else MISSING,
        records=tuple(records),
        owner=owner,
    )


_cached = lru_cache(maxsize=1024)(_shape)


def _members(annotation: Any) -> Iterator[Any]:
    """The types that a value may have, one by one."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inside, *metadata = get_args(annotation)
        if any(map(_changes, metadata)):
            yield object
        else:
            yield from _members(inside)
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif hasattr(annotation, "__value__"):  # `type X = ...`
        yield from _members(annotation.__value__)
    elif hasattr(annotation, "__supertype__"):  # NewType
        yield from _members(annotation.__supertype__)
    else:
        yield annotation


def _changes(metadata: object) -> bool:
    """Whether something beside a type may make another value of it."""
    if isinstance(metadata, (Discriminator, Tag)):
        return False
    return any(hasattr(metadata, name) for name in ("func", "__get_pydantic_core_schema__")) or any(
        getattr(metadata, name, None) for name in ("to_lower", "to_upper", "strip_whitespace")
    )


def _is_scalar(member: Any) -> bool:
    """Whether a member may be text or a number, but is shown only when complete, as half of it means nothing."""
    return get_origin(member) is Literal or (_is_class(member) and issubclass(member, _SCALARS))


def _is_class(member: Any) -> bool:
    # On Python 3.10 `list[int]` passes for one.
    return isinstance(member, type) and get_origin(member) is None


def _record(member: Any) -> Record | None:
    if not _is_class(member):
        return None
    if issubclass(member, BaseModel):
        return None if issubclass(member, RootModel) else _model(member)
    has_fields = _is_dataclass(member)
    if not has_fields and not is_typeddict(member):
        return None
    try:
        hints = get_type_hints(member, include_extras=True)
    except Exception:  # a name that is not there yet, or no longer
        return None
    names = [field.name for field in fields(member)] if has_fields else list(hints)
    # Aliases, which these can have only through `Field`, are left to the end.
    return Record(member, {name: name for name in names}, {name: _unqualified(hints[name]) for name in names})


def _is_dataclass(member: Any) -> bool:
    # Not `is_dataclass` itself, by which type checkers would take a class for an instance.
    return is_dataclass(member)


def _unqualified(hint: Any) -> Any:
    """A TypedDict's hint without `Required` and its like."""
    name = getattr(get_origin(hint), "_name", None)
    return _unqualified(get_args(hint)[0]) if name in ("Required", "NotRequired", "ReadOnly") else hint


def _private(model: type[BaseModel]) -> dict[str, object] | None:
    """The private attributes of a new instance: those that have a default."""
    private: dict[str, object] = {}
    for name, attribute in model.__private_attributes__.items():
        with contextlib.suppress(Exception):  # a factory of the user's may raise anything; the end will tell
            factory = cast("Callable[[], object] | None", attribute.default_factory)
            # By hand: whether `get_default()` calls the factory depends on pydantic's version.
            default: object = attribute.get_default() if factory is None else factory()
            if default is not _UNDEFINED:
                private[name] = default
    return private if model.__private_attributes__ else None


def _model(model: type[BaseModel]) -> Record:
    names: dict[str, str] = {}
    types: dict[str, object] = {}
    for name, info in model.model_fields.items():
        alias = info.validation_alias or info.alias or name
        for known in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            if isinstance(known, str):
                names[known] = name
        if model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name"):
            names.setdefault(name, name)
        metadata = [*info.metadata, *([Field(discriminator=info.discriminator)] if info.discriminator else [])]
        types[name] = getitem(_ANNOTATED, (info.annotation, *metadata)) if metadata else info.annotation
    decorators = model.__pydantic_decorators__.field_validators.values()
    decorated = {name for decorator in decorators for name in decorator.info.fields}
    held = frozenset(names.values()) if "*" in decorated else frozenset(decorated)
    return Record(model, names, types, held)


def _reader(annotation: Any, owner: type | None) -> Complete | None:
    config = getattr(owner, "model_config", None) or getattr(owner, "__pydantic_config__", None)
    try:
        try:
            adapter: TypeAdapter[object] = TypeAdapter(annotation, config=cast("Any", config))
        except PydanticUserError:
            adapter = TypeAdapter(annotation)  # it has a configuration of its own
    except (PydanticUserError, NameError):
        return None
    return adapter.validate_json
