"""A deployment's address, key and project: from its entry, else from the account of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ..._checks import DEFAULT_HOST, check_base_url, check_key, check_project, shown_url
from ...exceptions import ConfigurationError
from ._account import Account
from ._checking import Fields, quote
from ._findings import Findings, shown
from ._models import Secret
from ._params import Params
from ._providers import Target
from ._sources import Sources
from ._tree import Item

if TYPE_CHECKING:
    from ._deployments import Entry

_OURS: Final = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding"})
_PROJECT: Final = "openai-project"
_AUTHORIZATION: Final = "authorization"


@dataclass(frozen=True, slots=True)
class Named:
    """What an entry says of where it goes."""

    base_url: Item | None
    project: Item | None
    headers: Mapping[str, str]

    @property
    def has_project(self) -> bool:
        """Whether it names a project, as a parameter or as a header."""
        return self.project is not None


@dataclass(frozen=True, slots=True)
class Way:
    """Where a deployment's requests go, and as whose."""

    base_url: str
    api_key: Secret | None
    key_name: str | None
    """The variable that the key came from; `None` for one that stands in the file."""
    project: str | None
    headers: Mapping[str, str]
    short_names: bool


class Addresses:
    """Finds the way of each deployment, and collects what several of them lack.

    Args:
        account: The account of the environment.
        api_base: The address that takes the place of all W&B's ones.
        sources: Gets where things came from.
        findings: Gets what is wrong.
    """

    def __init__(self, account: Account, api_base: str | None, sources: Sources, findings: Findings) -> None:
        self._account = account
        self._api_base = api_base
        self._sources = sources
        self._findings = findings
        self.without_key: list[Entry] = []
        self.without_project: list[Entry] = []

    def named(self, params: Fields[Params]) -> Named:
        """What an entry says of itself, with what is wrong in it noted."""
        base = self._either(params, "api_base", "base_url")
        headers: dict[str, str] = {}
        project = given(params, "project")
        for name in ("headers", "extra_headers"):
            for header, item in (params.items[name].entries if params.get(name) else {}).items():
                spelt = header.lower()
                if spelt == _AUTHORIZATION:
                    self._findings.error(item, "the key goes under api_key, not into a header")
                elif spelt in _OURS:
                    self._findings.error(item, "the gateway sets this header itself")
                elif spelt != _PROJECT:
                    headers[header] = str(item.value)
                elif project is None:
                    project = item
                elif project.value != item.value:
                    self._findings.error(
                        item, f"another project is given in {project.place}", "write it once, under project"
                    )
        return Named(base, project, headers)

    def way(self, target: Target, named: Named, params: Fields[Params], entry: Entry, path: str) -> Way | None:
        """The deployment's way; `None` where it has none, which is noted."""
        address = self._address(target, named, path)
        key = self._key(target, params, entry, path)
        project = self._project(target, named, entry, path)
        for header in named.headers:
            self._sources.note(f"{path}.headers.{header}", params.get("extra_headers") or params.get("headers"))
        if address is None or key is None or project is False:
            return None
        base_url, short_names = address
        secret, key_name = key
        return Way(base_url, secret, key_name, project, named.headers, short_names)

    def report(self) -> None:
        """Notes what deployments lack: one finding, however many they are."""
        for entries, what, hint in (
            (
                self.without_key,
                "there is no API key",
                "write api_key: os.environ/WANDB_API_KEY and set it, or run `wandb login`",
            ),
            (
                self.without_project,
                "there is no project",
                'write project: team/project, or set WANDB_PROJECT=team/project; project: "" sends none',
            ),
        ):
            if entries:
                others = ", ".join(f"{each.name} in line {each.item.place.line}" for each in entries[1:])
                where = entries[0].params
                self._findings.error(
                    where.place, f"{what}{f' (nor for {others})' if others else ''}", hint, path=where.path
                )

    def _either(self, params: Fields[Params], name: str, other: str) -> Item | None:
        first, second = given(params, name), given(params, other)
        if first and second and first.value != second.value:
            self._findings.error(second, f"another address is given in {first.place}", f"write {name} alone")
        return first or second

    def _address(self, target: Target, named: Named, path: str) -> tuple[str, bool] | None:
        url, short_names = self._own_address(target, named, path)
        if url is None:
            return None
        if target.provider == "wandb" and self._api_base is not None:
            self._sources.note(f"{path}.base_url", "argument")
            url = self._api_base
        return url, short_names

    def _own_address(self, target: Target, named: Named, path: str) -> tuple[str | None, bool]:
        item = named.base_url
        if item is None:
            config = self._account.config
            if config is None:
                return None, False
            if config.sources["base_url"] != "default":
                self._sources.note(f"{path}.base_url", self._account.source("base_url"))
            return config.base_url, config.on_default_host
        if item.value is None:  # a variable that is not set, which has been noted
            return None, False
        try:
            url = check_base_url(item.value, "api_base")
        except ConfigurationError as error:
            self._refused(item, error, "api_base")
            return None, False
        self._sources.note(f"{path}.base_url", item)
        if target.provider == "openai":
            self._findings.warn(
                item, "this is not W&B's: its requests go there as to any OpenAI-compatible service, without a project"
            )
        return url, target.provider == "wandb" and f"//{DEFAULT_HOST}/" in f"{url}/"

    def _key(
        self, target: Target, params: Fields[Params], entry: Entry, path: str
    ) -> tuple[Secret | None, str | None] | None:
        item = params.items.get("api_key")
        if item is not None:
            if item.value is None and item.origin:  # a variable that is not set has been noted
                return None
            try:
                key = check_key("" if item.value is None else item.value, "api_key")
            except ConfigurationError as error:
                self._refused(item, error, "api_key")
                return None
            self._sources.note(f"{path}.api_key", item)
            return Secret(str(key)), item.origin and item.origin.partition(",")[0]
        if target.provider == "openai":
            self._findings.warn(entry.params.place, "there is no api_key, so none is sent", path=entry.params.path)
            return None, None
        config = self._account.config
        if config is None or not isinstance(config.api_key, str):
            if config is not None:
                self.without_key.append(entry)
            return None
        self._sources.note(f"{path}.api_key", self._account.source("api_key"))
        return Secret(str(config.api_key)), "account"

    def _project(self, target: Target, named: Named, entry: Entry, path: str) -> str | Literal[False] | None:
        item = named.project
        if target.provider == "openai":
            return None
        if item is None:
            config = self._account.config
            if config is None or config.project is None:
                if config is not None:
                    self.without_project.append(entry)
                return False
            self._sources.note(f"{path}.project", self._account.source("project"))
            return config.project
        if item.value is None:
            return False
        try:
            project = check_project(item.value, "project", self._team(item))
        except ConfigurationError as error:
            self._refused(item, error, "project")
            return False
        if project is None:
            if self._account.config is None:  # which has been noted
                return False
            self._findings.error(item, f"{quote(item)} names no team", "write team/project, or set WANDB_ENTITY")
            return False
        self._sources.note(f"{path}.project", item)
        return project

    def _team(self, item: Item) -> str | None:
        alone = isinstance(item.value, str) and item.value.strip() and "/" not in item.value
        return self._account.team if alone else None

    def _refused(self, item: Item, error: ConfigurationError, source: str) -> None:
        # The SDK's texts have the name and the value first, where there is one to show, and the source after it.
        before, _, after = error.message.rpartition(f" ({source})")
        value = item.value
        is_url = source == "api_base" and isinstance(value, str) and not item.origin
        text = shown(shown_url(str(value))) if is_url else quote(item)
        message = f"{text}{after}" if after else f"the value {before.partition(' ')[2]}"
        self._findings.error(item, message, None if item.origin and after else sdk_hint(error))


def sdk_hint(error: ConfigurationError) -> str | None:
    """The hint of an error of the SDK's, as findings have them."""
    return error.hint and error.hint[0].lower() + error.hint[1:].rstrip(".")


def given(params: Fields[Params], name: str) -> Item | None:
    """The value of a key, be it a variable that is not set; `None` where it is left out or null."""
    item = params.items.get(name)
    return None if item is None or (item.value is None and item.origin is None) else item
