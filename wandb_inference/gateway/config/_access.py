"""Who may use the gateway: the master key, and the keys of a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from ._checking import Fields, check, elements, mapping, quote
from ._config import KeyRule
from ._findings import Findings, nearest, shown
from ._matching import Pattern
from ._models import Secret
from ._references import Environment
from ._routes import Routes
from ._sections import ClientKey, General
from ._sources import Sources
from ._tree import Item, plain

_MASTER: Final = "general_settings.master_key"
_VARIABLE: Final = "LITELLM_MASTER_KEY"
_SHORTEST: Final = 16
_SHA256: Final = re.compile(r"sha256:\s*([0-9a-fA-F]{64})")
_WELL_KNOWN: Final = re.compile(
    r"(?:sk-)?(?:1234\d*|master-?key|litellm-?(?:master-?)?key|your-(?:proxy|master|api|secret)-?key|"
    r"(?:please-?)?change-?me|password\d*|secret|test(?:-?key)?|example|x+|\W*)",
    re.IGNORECASE,
)
_ADD_ONE: Final = (
    "under general_settings: write master_key: os.environ/LITELLM_MASTER_KEY, and set it to a long random text"
)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach an address."""
    name = host.strip().strip("[]").lower()
    if name == "localhost" or name.startswith("/"):  # a socket's path is guarded by the file system
        return True
    try:
        return ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


class Access:
    """Reads the keys.

    Args:
        host: The address that the gateway is to listen on.
        environment: For a master key that the file leaves out.
        sources: Gets where things came from.
        findings: Gets what is wrong.
    """

    def __init__(self, host: str, environment: Environment, sources: Sources, findings: Findings) -> None:
        self._host = host
        self._local = is_loopback(host)
        self._environment = environment
        self._sources = sources
        self._findings = findings

    def master_key(self, general: Fields[General], *, has_keys: bool) -> Secret | None:
        """The master key, if there is one.

        Args:
            general: `general_settings`.
            has_keys: Whether there are keys of clients.
        """
        item = general.items.get("master_key")
        text: object = None
        if item is not None:
            text = item.value
            if item.value is None and item.origin:
                return None
            self._sources.note("master_key", item)
        elif (variable := self._environment.get(_VARIABLE)) is not None:
            text = variable
            self._sources.note("master_key", self._environment.origin(_VARIABLE))
        else:
            self._without(has_keys=has_keys)
            return None
        problem = _unfit(text)
        if problem:
            self._say(item, f"the master key {problem}", _ADD_ONE, error=True)
            return None
        key = str(text).strip()
        self._check_strength(item, "the master key", key)
        return Secret(key)

    def rules(self, item: Item | None, routes: Routes, groups: Mapping[str, tuple[str, ...]]) -> tuple[KeyRule, ...]:
        """The clients' keys.

        Args:
            item: `keys`.
            routes: For the models that they name.
            groups: Models by access group.
        """
        found: list[KeyRule] = []
        for entry in elements(item, self._findings):
            fields = check("keys", ClientKey, mapping(entry, self._findings), self._findings)
            digest = self._digest(entry, fields)
            models = self._models(fields, routes, groups)
            name = fields.values.name
            if name is None:
                self._findings.error(entry, "there is no name", "write name: who has this key")
            elif any(each.name == name for each in found):
                self._findings.error(fields.items["name"], f"{shown(name)} is the name of another key")
            if digest is not None and any(each.sha256 == digest for each in found):
                self._findings.error(fields.items["key"], "this key is already in the list")
            if fields.values.budget_duration is not None and fields.values.max_budget is None:
                self._findings.error(fields.items["budget_duration"], "there is no max_budget that it could renew")
            if name is None or digest is None:
                continue
            path = f"keys[{len(found)}]"
            for key in fields.items:
                self._sources.note(f"{path}.{key}", fields.items[key])
            values = fields.values
            metadata = fields.get("metadata")
            found.append(
                KeyRule(
                    name=name,
                    sha256=digest,
                    models=models,
                    rpm=values.rpm,
                    tpm=values.tpm,
                    max_parallel_requests=values.max_parallel_requests,
                    max_budget=values.max_budget,
                    budget_duration=values.budget_duration,
                    expires=values.expires,
                    metadata=values.metadata or {} if metadata else {},
                )
            )
        return tuple(found)

    def check_apart(self, master_key: Secret | None, rules: tuple[KeyRule, ...], item: Item | None) -> None:
        """Notes a client's key that is the master key as well."""
        if master_key and any(rule.sha256 == _sha256(master_key.reveal()) for rule in rules):
            self._findings.error(item, "one of these keys is the master key", "make another one for it")

    def _without(self, *, has_keys: bool) -> None:
        if has_keys:
            self._findings.warn(
                None, "there is no master_key, so the paths of the admin, /metrics among them, are closed", path=_MASTER
            )
        elif self._local:
            self._findings.warn(
                None,
                f"there is no master_key, so any key will do, or none: {self._host} is reached from this machine alone",
                path=_MASTER,
            )
        else:
            self._findings.error(
                None,
                f"there is no master_key, and on {shown(self._host)} anyone could use this account",
                _ADD_ONE,
                path=_MASTER,
            )

    def _check_strength(self, item: Item | None, what: str, key: str) -> None:
        if len(key) < _SHORTEST or _WELL_KNOWN.fullmatch(key):
            self._say(
                item,
                f"{what} can be guessed",
                f"make one of {_SHORTEST} characters or more, for example by `openssl rand -hex 24`",
                error=not self._local,
            )

    def _say(self, item: Item | None, message: str, hint: str, *, error: bool) -> None:
        say = self._findings.error if error else self._findings.warn
        say(item, message, hint, path="" if item else _MASTER)

    def _digest(self, entry: Item, fields: Fields[ClientKey]) -> str | None:
        item = fields.items.get("key")
        if item is None or (item.value is None and item.origin is None):
            self._findings.error(item or entry, "there is no key", "write key: os.environ/NAME, or key: sha256: <hex>")
            return None
        text = item.value
        if isinstance(text, dict) and list(text) == ["sha256"]:
            text = f"sha256: {plain(text['sha256'])}"
        if isinstance(text, str) and text.startswith("sha256:"):
            if match := _SHA256.fullmatch(text):
                return match[1].lower()
            self._findings.error(item, "a SHA-256 has 64 hexadecimal digits", 'printf %s "$KEY" | sha256sum prints one')
            return None
        if item.origin is None:
            self._findings.error(
                item,
                "a key does not stand in the file itself",
                'write os.environ/NAME, or sha256: <hex>, as printf %s "$KEY" | sha256sum prints it',
            )
            return None
        if text is None:
            return None
        problem = _unfit(text)
        if problem:
            self._findings.error(item, f"{quote(item)} {problem}")
            return None
        key = str(text).strip()
        self._check_strength(item, quote(item), key)
        return _sha256(key)

    def _models(
        self, fields: Fields[ClientKey], routes: Routes, groups: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, ...] | None:
        item, names = fields.items.get("models"), fields.values.models
        if item is None or names is None:
            return None
        if not names:
            self._findings.error(item, "the list is empty", "leave models out for all, or name those that it may use")
            return ()
        models: list[str] = []
        for number, name in enumerate(names):
            place = item.items[number] if item.items else item
            if name in groups:
                models += groups[name]
                continue
            models.append(name)
            fits = "*" in name and any(Pattern(name).tails(each) is not None for each in routes.names)
            if not (name == "*" or fits or routes.knows(name) or name in routes.dropped):
                near = nearest(name, [*routes.names, *groups])
                self._findings.error(place, f"there is no model {shown(name)}", near)
        return tuple(dict.fromkeys(models))


def _unfit(key: object) -> str | None:
    """What keeps a value from being a key; `None` for one that can be."""
    if not isinstance(key, str):
        return "is empty" if key is None else "is not text: write it in quotes"
    if not key.strip():
        return "is empty"
    if re.match(r"bearer\b", key.strip(), re.IGNORECASE):
        return 'begins with "Bearer": write the key alone'
    if re.search(r"[^\x21-\x7e]", key.strip()):
        return "holds a space, or a character that no header takes"
    return None


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
