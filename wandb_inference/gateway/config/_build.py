"""The sections of a configuration put together: all that is wrong is found before anything is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..._checks import check_base_url
from ...exceptions import ConfigurationError
from ._access import Access
from ._account import Account
from ._addresses import sdk_hint
from ._checking import check, elements, known, mapping, same
from ._config import GatewayConfig
from ._deployments import Deployments, Entry
from ._findings import Findings, shown
from ._matching import Pattern
from ._models import Deployment, Group, Secret
from ._params import Entry as EntrySection
from ._references import Environment
from ._routes import Routes
from ._routing import router_settings
from ._settings import sections, server_settings, state
from ._short import read_short
from ._sources import Sources
from ._tree import Item

API_BASE_VARIABLE: Final = "WANDB_INFERENCE_GATEWAY_API_BASE"
"""The variable with an address that takes the place of every W&B address in a file: for tests against an emulator."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    host: str
    skip_foreign: bool = False
    api_base: str | None = None
    cwd: Path | None = None
    home: Path | None = None


def build(
    root: Item, environment: Environment, files: tuple[Path, ...], options: Options, findings: Findings
) -> GatewayConfig | None:
    """The configuration; `None` where there is a mistake.

    Args:
        root: What all files add up to, references looked up.
        environment: The environment, with what the files add.
        files: The files.
        options: What the command line says.
        findings: Gets what is wrong.
    """
    entries = known("root", root, findings)
    sources = Sources()
    settings = sections(entries, findings)
    router = router_settings(settings, sources, findings)
    server = server_settings(settings, environment, sources, findings)
    short = read_short(entries.get("models"), findings)
    deployments = Deployments(
        defaults=_defaults(entries.get("defaults"), settings.router.get("default_litellm_params"), findings),
        credentials=entries.get("credential_list"),
        account=Account(environment, cwd=options.cwd, home=options.home, findings=findings),
        drop_unsupported=bool(settings.litellm.values.drop_params),
        tag_filtering=router.tag_filtering,
        max_parallel_requests=(
            settings.router.values.default_max_parallel_requests,
            settings.router.get("default_max_parallel_requests"),
        ),
        api_base=_api_base(options.api_base, environment, findings),
        sources=sources,
        findings=findings,
    )
    listed = [*_listed(entries, root, findings), *short.entries]
    groups, access_groups = _groups(listed, deployments, findings)
    dropped = _foreign(deployments, groups, options.skip_foreign, findings)
    if not findings.failed and (not listed or (dropped and not groups)):
        findings.warn(entries.get("model_list") or entries.get("models"), "there are no models to serve")

    # A model that has a mistake is one that the rest may name.
    named = {entry.name: Group(entry.name, ()) for entry in listed if entry.name not in dropped}
    routes = Routes({**named, **groups}, dropped, sources, findings)
    routes.check_names(settings.router.get("model_group_retry_policy"))
    routes.read_aliases(mapping(settings.router.get("model_group_alias"), findings))
    for alias, model in short.aliases:
        routes.add_alias(alias, model)
    fallbacks = routes.fallbacks(settings, short.fallbacks, router)

    access = Access(options.host, environment, sources, findings)
    keys = entries.get("keys")
    rules = access.rules(keys, routes, access_groups)
    master_key = access.master_key(settings.general, has_keys=bool(keys and keys.items))
    access.check_apart(master_key, rules, keys)
    kept = state(settings, environment, sources, findings)
    for name, place in environment.places.items():
        sources.note(f"environment_variables.{name}", place)
    if findings.failed:
        return None
    return GatewayConfig(
        groups=groups,
        aliases=routes.aliases,
        fallbacks=fallbacks,
        router=router,
        server=server,
        keys=rules,
        master_key=master_key,
        state=kept,
        environment={name: Secret(value) for name, value in environment.added.items()},
        access_groups=access_groups,
        warnings=findings.ordered(),
        sources=sources.all,
        files=files,
        patterns=tuple(sorted((Pattern(name) for name in groups if "*" in name), key=lambda p: p.rank, reverse=True)),
    )


def _listed(entries: dict[str, Item], root: Item, findings: Findings) -> list[Entry]:
    item = entries.get("model_list")
    # Else a misspelt model_list would be said twice.
    if item is None and "models" not in entries and root.entries.keys() == entries.keys():
        findings.error(root.place, "there is no model_list", "write model_list: [] to serve none")
    found: list[Entry] = []
    for each in elements(item, findings):
        if each.value is None and each.origin is None:
            findings.error(each, "there is nothing here", 'leave out the "-", or write model_name and litellm_params')
            continue
        fields = check("model_list", EntrySection, mapping(each, findings), findings)
        params, name = fields.items.get("litellm_params"), fields.values.model_name
        named = each.entries.get("model_name")
        if isinstance(each.value, dict) and (named is None or (named.value is None and named.origin is None)):
            findings.error(each, "there is no model_name")
        if isinstance(each.value, dict) and "litellm_params" not in each.entries:
            findings.error(each, "there are no litellm_params", "write litellm_params: {model: wandb/<id>}")
        if params is not None:
            found.append(Entry(name or "", each, params, fields.get("model_info")))
    return found


def _defaults(short: Item | None, long: Item | None, findings: Findings) -> Item | None:
    if short and long and not same(short, long):
        findings.error(short, f"other defaults are in {long.place}", "write them in one place")
    return short or long


def _groups(
    listed: list[Entry], deployments: Deployments, findings: Findings
) -> tuple[dict[str, Group], dict[str, tuple[str, ...]]]:
    made: dict[str, list[Deployment]] = {}
    access: dict[str, dict[str, None]] = {}
    seen: list[Entry] = []
    for entry in listed:
        twin = next((other for other in seen if other.name == entry.name and _twins(other, entry)), None)
        if twin is not None:
            findings.warn(entry.item, f"this is the same as the deployment in line {twin.item.place.line}")
        seen.append(entry)
        group = made.setdefault(entry.name, [])
        group += deployments.make(entry, len(group))
        for deployment in group:
            for name in deployment.model_info.get("access_groups", ()):
                access.setdefault(name, {})[entry.name] = None
    deployments.report()
    groups = {name: Group(name, tuple(group)) for name, group in made.items() if group}
    return groups, {name: tuple(models) for name, models in access.items()}


def _twins(one: Entry, other: Entry) -> bool:
    if not same(one.params, other.params):
        return False
    return same(one.info, other.info) if one.info and other.info else one.info is other.info


def _foreign(deployments: Deployments, groups: dict[str, Group], skip: bool, findings: Findings) -> frozenset[str]:
    """The names that are left out, if that was asked for; else one mistake that lists what is not W&B's."""
    foreign = deployments.foreign
    if not foreign:
        return frozenset()
    if skip:
        for entry, provider in foreign:
            findings.warn(entry.item, f"{shown(entry.name)} is left out: its provider is {shown(provider)}")
        return frozenset(entry.name for entry, _ in foreign) - groups.keys()
    listed = ", ".join(f"{entry.name} ({provider}, line {entry.item.place.line})" for entry, provider in foreign)
    hint = "take them out, or leave them out by --skip-foreign"
    if any(provider == "openai" for _, provider in foreign):
        hint += "; openai/ needs an api_base, and W&B's own gpt-oss models are wandb/openai/..."
    entry = foreign[0][0]
    findings.error(entry.params, f"these are models of providers that the gateway does not speak to: {listed}", hint)
    return frozenset()


def _api_base(argument: str | None, environment: Environment, findings: Findings) -> str | None:
    source, value = "argument", argument
    if value is None:
        source, value = API_BASE_VARIABLE, environment.get(API_BASE_VARIABLE)
    if not value:
        return None
    try:
        url = check_base_url(value, source)
    except ConfigurationError as error:
        findings.error(None, error.message, sdk_hint(error))
        return None
    if source != "argument":
        findings.warn(None, f"{API_BASE_VARIABLE} is set: all W&B models are asked at {shown(url)}")
    return url
