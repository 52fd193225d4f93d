"""Models as a configuration has them: groups, their deployments, aliases and fallbacks. Plain frozen data."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from ._findings import hide
from ._values import Duration

Provider = Literal["wandb", "openai"]


class Secret:
    """A text that shows itself when it is asked to, and nowhere else."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text."""
        return self._value

    def matches(self, other: str) -> bool:
        """Whether it is the same text; how long the comparison takes does not say where they differ."""
        one, two = (text.encode("utf-8", "surrogatepass") for text in (self._value, other))
        return hmac.compare_digest(one, two)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self._value,)


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per token; `None` where only the table of prices knows."""

    input_cost_per_token: Decimal | None = None
    output_cost_per_token: Decimal | None = None
    cache_read_input_token_cost: Decimal | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Deployment:
    """One way to serve a group: a model at an address, with a key and a project of its own."""

    id: str
    """`model_info.id`, else a hash of the parameters without the key: the same after a key was renewed."""
    model: str
    """The id to send; with a `*` where the client's text goes."""
    provider: Provider
    """`openai` is any other service of that form: it gets no project."""
    base_url: str
    """Without a slash at its end."""
    api_key: Secret | None
    """`None`: no `Authorization` header, for generic services alone."""
    project: str | None
    """`team/project`, sent as `OpenAI-Project`; `""` and `None` (generic services): none is sent."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """More headers to send; neither `Authorization` nor `OpenAI-Project`. Their values may be secret."""
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields for the body of a request that does not have them."""
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields for the body of every request."""
    price: Price | None = None
    """`None`: the table of prices decides, by `model_info`'s `base_model` if it has one."""
    weight: float | None = None
    """Its share; `None` where it has none. By LiteLLM's rule weights count if any in the group has one, else rpm, else
    tpm."""
    order: int | None = None
    """Lower ones first."""
    rpm: int | None = None
    """Requests a minute at most; so are `tpm` (tokens), `itpm` (tokens in) and `otpm` (tokens out)."""
    tpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    max_parallel_requests: int | None = None
    """Requests at a time; `None`: no limit of ours."""
    key_rpm: int | None = None
    """Requests a minute that one key may make here; `key_tpm`: tokens."""
    key_tpm: int | None = None
    timeout: float | None = None
    """Seconds for each step of an attempt; `None`: the router's. So with `stream_timeout` and the next four."""
    stream_timeout: float | None = None
    num_retries: int | None = None
    cooldown_time: float | None = None
    allowed_fails: int | None = None
    allowed_fails_policy: Mapping[str, int] | None = None
    tags: tuple[str, ...] = ()
    tag_regex: tuple[str, ...] = ()
    model_info: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """For `/model/info`: what the file has there, checked."""
    max_budget: Decimal | None = None
    """Dollars that it may spend per `budget_duration`."""
    budget_duration: Duration | None = None
    """`None`: the budget is never renewed."""
    blocked: bool = False
    drop: tuple[str, ...] = ()
    """Fields to take out of every request's body."""
    keep: tuple[str, ...] = ()
    """Fields that are sent even where `drop_unsupported` would take them out."""
    drop_unsupported: bool = False
    keepalive: float = 15.0
    """Seconds between signs of life on a silent stream; 0: none."""
    health_check: bool = True
    """Whether background probes ask it."""
    health_check_timeout: float | None = None
    health_check_model: str | None = None
    short_names: bool = False
    """Whether the catalogue's names hold here: `Llama-3.1-8B-Instruct` for the id with its publisher."""

    def __repr__(self) -> str:
        return hide(
            f"Deployment({self.id!r}, model={self.model!r}, base_url={self.base_url!r}, project={self.project!r})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Group:
    """The deployments behind one name."""

    name: str
    """What clients ask for; with `*` for any text."""
    deployments: tuple[Deployment, ...]

    @property
    def is_wildcard(self) -> bool:
        """Whether its name is a pattern."""
        return "*" in self.name

    def __repr__(self) -> str:
        return hide(f"Group({self.name!r}, {len(self.deployments)} deployments)")


@dataclass(frozen=True, slots=True)
class Alias:
    """One more name for a group."""

    model: str
    """The group's name, or one that a wildcard takes."""
    hidden: bool = False
    """Whether lists of models leave it out."""


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """Which groups to go on with, by group and by what went wrong. `*` in place of a group stands for all."""

    general: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    context_window: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    content_policy: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    default: tuple[str, ...] = ()
    """For groups that `general` does not name."""

    def of(
        self, *names: str, kind: Literal["general", "context_window", "content_policy"] = "general"
    ) -> tuple[str, ...]:
        """The groups to go on with, without the one itself.

        Args:
            names: All names of the group, as `Match` has them; the first that has a list counts.
            kind: What went wrong.
        """
        lists: Mapping[str, tuple[str, ...]] = getattr(self, kind)
        found = next((lists[name] for name in (*names, "*") if name in lists), None)
        if found is None:
            found = self.default if kind == "general" else ()
        return tuple(each for each in found if each not in names)
