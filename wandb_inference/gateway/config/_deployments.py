"""One entry of `model_list`, or of our short form, as deployments."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ._account import Account
from ._addresses import Addresses
from ._checking import Fields, check, elements, known, mapping, one_of, read, same, without_none
from ._findings import Findings, nearest, shown
from ._matching import short_name
from ._models import Deployment, Price
from ._params import Body, Credential, Info, Params
from ._providers import Foreign, target_of
from ._routing import FAILS, policy_names
from ._sources import Sources
from ._tree import Item, plain

_PRICES: Final = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")
_LIMITS: Final = (
    *("rpm", "tpm", "itpm", "otpm", "order", "weight", "cooldown_time"),
    *("timeout", "stream_timeout", "num_retries", "max_budget", "budget_duration"),
)
_SECOND: Final = frozenset({*_PRICES, "rpm", "tpm", "order", "cooldown_time"})
"""What may stand in `model_info` as well."""
_AS_THEY_ARE: Final = {
    "extra_body": "extra_body",
    "drop": "additional_drop_params",
    "keep": "allowed_openai_params",
    "drop_unsupported": "drop_params",
    "tags": "tags",
    "tag_regex": "tag_regex",
    "key_rpm": "default_api_key_rpm_limit",
    "key_tpm": "default_api_key_tpm_limit",
}
"""Attributes that come from one key of `litellm_params` alone, for their sources."""
_ABOUT: Final = {
    "allowed_fails_policy": "allowed_fails_policy",
    "health_check": "disable_background_health_check",
    "health_check_timeout": "health_check_timeout",
    "health_check_model": "health_check_model",
}
"""The same for `model_info`."""
_NO_TAGS: Final = "has no effect, since router_settings.enable_tag_filtering is not on"


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to a model, as it stands in a file."""

    name: str
    """What clients ask for."""
    item: Item
    """The whole entry."""
    params: Item
    info: Item | None = None
    short: bool = False
    """Whether it is in our short form."""


class Deployments:
    """Turns entries into deployments, and keeps what concerns several of them.

    Args:
        defaults: Parameters for all.
        credentials: Entries of `credential_list`.
        account: What entries take from when they leave it out.
        drop_unsupported: What `litellm_settings.drop_params` says.
        tag_filtering: Whether tags route.
        max_parallel_requests: What the router's settings say for all.
        api_base: The address that takes the place of all W&B's ones.
    """

    def __init__(
        self,
        *,
        defaults: Item | None,
        credentials: Item | None,
        account: Account,
        drop_unsupported: bool,
        tag_filtering: bool,
        max_parallel_requests: tuple[int | None, Item | None],
        api_base: str | None,
        sources: Sources,
        findings: Findings,
    ) -> None:
        self._findings = findings
        self._sources = sources
        self._defaults = known("litellm_params", mapping(defaults, findings), findings)
        self._credentials = self._credential_list(credentials)
        self._addresses = Addresses(account, api_base, sources, findings)
        self._drop_unsupported = drop_unsupported
        self._tag_filtering = tag_filtering
        self._max_parallel_requests = max_parallel_requests
        self._ids: dict[str, Item] = {}
        self.foreign: list[tuple[Entry, str]] = []
        """Entries of providers that the gateway does not speak to."""

    def make(self, entry: Entry, number: int) -> list[Deployment]:
        """The deployments of an entry; several where `organization` is a list, none where it can't be used.

        Args:
            entry: The entry.
            number: How many deployments its group has already.
        """
        params, info = self._fields(entry)
        path = f"models.{entry.name}[{number}]"
        address = self._addresses.named(params)
        target = target_of(params, has_project=address.has_project, short=entry.short, findings=self._findings)
        if isinstance(target, Foreign):
            self._findings.drop(entry.item.path)  # what is wrong in it is not for us to say
            self.foreign.append((entry, target.provider))
            return []
        written = entry.params.entries.get("model")
        if params.get("model") is None and (written is None or (written.value is None and written.origin is None)):
            place = entry.params if isinstance(entry.params.value, dict) else entry.item
            self._findings.error(place, "there is no model", "write model: wandb/<id>")
        one_of(info.get("mode"), ("chat",), self._findings)
        if target is None:
            return []
        way = self._addresses.way(target, address, params, entry, path)
        if way is None:
            return []
        model = short_name(target.model, way.short_names)
        stars = model.count("*")
        if stars > entry.name.count("*"):
            self._findings.error(
                params.get("model"),
                f"{shown(model)} has more * than the name {shown(entry.name)}",
                "a * stands for what the one in model_name stands for",
            )
            return []
        if model != target.model:
            self._sources.note(f"{path}.model", f"{params.items['model'].source}, in full by the catalogue")
        else:
            self._sources.note(f"{path}.model", params.get("model"))
        made = Deployment(
            id="",
            model=model,
            provider=target.provider,
            base_url=way.base_url,
            api_key=way.api_key,
            project=way.project,
            headers=way.headers,
            short_names=way.short_names,
            **self._limits(params, info, path),
            **self._body(params, path),
            **self._rest(params, info, path),
        )
        organizations = params.values.organization or []
        if len(organizations) > 1:
            self._findings.warn(params.get("organization"), f"this makes {len(organizations)} deployments, one of each")
        made_of = [replace(made, headers={**made.headers, "OpenAI-Organization": each}) for each in organizations]
        return [self._named(each, entry, info, way.key_name) for each in made_of or [made]]

    def report(self) -> None:
        """Notes what entries lack: to be called when all are made."""
        self._addresses.report()

    def _fields(self, entry: Entry) -> tuple[Fields[Params], Fields[Info]]:
        own = known("litellm_params", entry.params, self._findings)
        layers = {**self._defaults, **self._credential(own.get("litellm_credential_name")), **own}
        inner = layers.pop("model_info", None)
        beside = entry.info
        if inner is not None and beside is not None and not same(inner, beside):
            self._findings.error(inner, f"model_info is also beside litellm_params, in line {beside.place.line}")
        info = mapping(beside or inner, self._findings)
        params = read(Params, layers, self._findings)
        return params, check("model_info", Info, info, self._findings)

    def _credential_list(self, item: Item | None) -> dict[str, dict[str, Item]]:
        found: dict[str, dict[str, Item]] = {}
        for each in elements(item, self._findings):
            fields = check("credential_list", Credential, mapping(each, self._findings), self._findings)
            values = known("litellm_params", mapping(fields.get("credential_values"), self._findings), self._findings)
            if fields.values.credential_name is None:
                self._findings.error(each, "there is no credential_name")
            elif fields.values.credential_name in found:
                name = shown(fields.values.credential_name)
                self._findings.error(each, f"there is another credential {name}", "give it another credential_name")
            else:
                found[fields.values.credential_name] = values
        return found

    def _credential(self, item: Item | None) -> Mapping[str, Item]:
        if item is None or not isinstance(item.value, str):  # a wrong type is found with the others
            return {}
        if item.value not in self._credentials:
            hint = nearest(item.value, self._credentials)
            self._findings.error(item, f"{shown(item.value)} is not in credential_list", hint)
        return self._credentials.get(item.value, {})

    def _limits(self, params: Fields[Params], info: Fields[Info], path: str) -> dict[str, Any]:
        own, beside, pick = params.values, info.values, self._sources.pick

        def first(name: str) -> Any:
            second = (getattr(beside, name), info.get(name)) if name in _SECOND else (None, None)
            return pick(f"{path}.{name}", None, (getattr(own, name), params.get(name)), second)

        if own.budget_duration is not None and own.max_budget is None:
            self._findings.error(params.get("budget_duration"), "there is no max_budget that it could renew")
        prices = {name: first(name) for name in _PRICES}
        return {
            **{name: first(name) for name in _LIMITS},
            "price": Price(**prices) if any(price is not None for price in prices.values()) else None,
            "key_rpm": own.default_api_key_rpm_limit,
            "key_tpm": own.default_api_key_tpm_limit,
            "max_parallel_requests": pick(
                f"{path}.max_parallel_requests",
                None,
                (own.max_parallel_requests, params.get("max_parallel_requests")),
                self._max_parallel_requests,
            ),
        }

    def _body(self, params: Fields[Params], path: str) -> dict[str, Any]:
        defaults = without_none({name: getattr(params.values, name) for name in Body.model_fields})
        for name in defaults:
            self._sources.note(f"{path}.defaults.{name}", params.get(name))
        for attribute, key in _AS_THEY_ARE.items():
            self._sources.note(f"{path}.{attribute}", params.get(key))
        drop = tuple(params.values.additional_drop_params or ())
        drop_all = params.values.drop_params
        return {
            "defaults": {name: value for name, value in defaults.items() if name not in drop},
            "extra_body": params.values.extra_body or {},
            "drop": drop,
            "keep": tuple(params.values.allowed_openai_params or ()),
            "drop_unsupported": self._drop_unsupported if drop_all is None else drop_all,
        }

    def _rest(self, params: Fields[Params], info: Fields[Info], path: str) -> dict[str, Any]:
        own, about = params.values, info.values
        for name in ("tags", "tag_regex"):
            if params.get(name) is not None and not self._tag_filtering:
                self._findings.warn(params.get(name), _NO_TAGS)
        for number, pattern in enumerate(own.tag_regex or ()):
            try:
                re.compile(pattern)
            except re.error as error:
                self._findings.error(params.items["tag_regex"], f"entry {number} is no regular expression: {error.msg}")
        policy_names(info.get("allowed_fails_policy"), FAILS, self._findings)
        for attribute, key in _ABOUT.items():
            self._sources.note(f"{path}.{attribute}", info.get(key))
        self._sources.note(f"{path}.model_info", next(iter(info.items.values()), None))
        pick = self._sources.pick
        return {
            "tags": tuple(own.tags or ()),
            "tag_regex": tuple(own.tag_regex or ()),
            "model_info": without_none({**{n: plain(i) for n, i in info.items.items()}, **_plain_info(about)}),
            "allowed_fails": pick(f"{path}.allowed_fails", None, (about.allowed_fails, info.get("allowed_fails"))),
            "allowed_fails_policy": about.allowed_fails_policy,
            "blocked": pick(f"{path}.blocked", False, (about.blocked, info.get("blocked"))),
            "keepalive": pick(f"{path}.keepalive", 15.0, (own.keepalive_seconds, params.get("keepalive_seconds"))),
            "health_check": not about.disable_background_health_check,
            "health_check_timeout": about.health_check_timeout,
            "health_check_model": about.health_check_model,
        }

    def _named(self, made: Deployment, entry: Entry, info: Fields[Info], key_name: str | None) -> Deployment:
        id, item = info.values.id, info.get("id")
        if id is None:
            id = _hash(made, entry, key_name)
        elif id in self._ids and self._ids[id] is not entry.item:
            self._findings.error(item, f"{shown(id)} is also an id in {self._ids[id].place}")
        number = 1
        while (again := id if number == 1 else f"{id}-{number}") in self._ids:
            number += 1
        self._ids[again] = entry.item
        return replace(made, id=again)


def _plain_info(info: Info) -> dict[str, Any]:
    """The checked values, but for amounts, which stay as they were written."""
    return {name: getattr(info, name) for name in Info.model_fields if name not in _PRICES}


def _hash(made: Deployment, entry: Entry, key_name: str | None) -> str:
    """A name for a deployment that its key has no part in, so that a new key leaves it as it is."""
    what: list[object] = [
        entry.name,
        made.model,
        made.provider,
        made.base_url,
        made.project,
        key_name,
        made.order,
        made.weight,
    ]
    what += [made.defaults, made.extra_body, sorted(made.headers), made.rpm, made.tpm, made.tags]
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
