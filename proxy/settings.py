"""The settings file: one YAML file in, one typed, immutable `Settings` out.

Every mistake is reported at once with its place and what would have been right. Nothing here has a side effect;
paths are made absolute against the file's folder.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from addons.destinations import read_destinations
from categories.sources import Format
from proxy.statutory_settings import StatutorySettings

ENVIRONMENT = "SCHOOLGATE_SETTINGS"
"""Environment variable that names the settings file."""
PLACES = (Path("schoolgate.yaml"), Path("data/schoolgate.yaml"), Path("/etc/schoolgate/schoolgate.yaml"))
"""Where a settings file is looked for, in this order, when none is named."""

Port = Annotated[int, Field(ge=0, le=65535)]


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One mistake in the settings file."""

    file: str
    """The file."""
    line: int
    """Line from 1; 0 when it has none."""
    where: str
    """Dotted path of the setting: `proxy.port`."""
    what: str
    """What is wrong."""
    instead: str = ""
    """What would have been right."""

    def __str__(self) -> str:
        advice = f" ({self.instead})" if self.instead else ""
        return f"{self.file}:{self.line}: {self.where}: {self.what}{advice}"


class SettingsError(Exception):
    """The settings cannot be used. Carries every problem, not the first one."""

    def __init__(self, problems: tuple[SettingsProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Section(BaseModel):
    """A part of the settings: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProxySettings(Section):
    """Where and how the proxy listens."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8080
    """Port to listen on; 0 picks a free one."""
    workers: int = Field(default=0, ge=0, le=256)
    """Worker processes; 0 means one per core."""
    names: tuple[str, ...] = ()
    """Host names this gateway is known by; requests to them are refused as loops."""
    connect_ports: tuple[Port, ...] = (443,)
    """Ports a CONNECT may ask for."""
    http_ports: tuple[Port, ...] = (80, 443, 8000, 8008, 8080, 8088, 8443, 8888)
    """Ports a plain request may ask for."""
    private_destinations: tuple[str, ...] = ()
    """The school's own servers: `10.0.0.0/8`, `127.0.0.1:9000`, `intranet.example:8443`. Every other
    private, loopback or link-local destination is refused."""
    hosts: dict[str, str] = {}
    """Pinned destinations, like a hosts file: `www.example.org: 10.1.2.3` or `10.1.2.3:8080`; `"*"` stands for every
    other name (laboratories). A pinned address counts as named in `private_destinations`."""
    upstream_trust: tuple[Path, ...] = ()
    """PEM files of school CAs trusted for origins, besides the public ones."""
    connect_timeout: float = Field(default=10.0, gt=0, le=120)
    """Seconds to reach an origin."""
    idle_timeout: int = Field(default=90, ge=5, le=3600)
    """Seconds without a byte before a connection is closed."""
    head_timeout: float = Field(default=15.0, gt=0, le=300)
    """Seconds a client may take to send a complete request head."""
    head_limit: int = Field(default=2 * 1024 * 1024, ge=16384)
    """Largest request head in bytes."""
    upload_limit: int = Field(default=1024 * 1024 * 1024, ge=1024)
    """Largest request body in bytes."""
    connections_per_client: int = Field(default=512, ge=8)
    """Open connections one client address may hold."""
    drain: float = Field(default=10.0, ge=0, le=300)
    """Seconds open connections are given at shutdown."""

    @model_validator(mode="after")
    def _destinations(self) -> ProxySettings:
        """Every destination can be read, or all that cannot are told. Raises `ValueError`."""
        read_destinations(self.private_destinations, self.hosts, own_ports=(), own_addresses=(), own_names=())
        return self


class MetricsSettings(Section):
    """Where Prometheus scrapes."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8082
    """Port to listen on; 0 picks a free one."""


class ListSettings(Section):
    """One source of lists."""

    name: str
    """Name shown as evidence; a tree of categories adds `/category`."""
    path: Path
    """File or folder."""
    format: Format = "domains"
    """How it is written."""
    category: str | None = None
    """Category of its entries; a `ut1` tree names its own."""
    categories: dict[str, str] = {}
    """For a tree: its category name to ours, besides the built-in table."""
    exclude: tuple[str, ...] = ()
    """For a tree: category folders to leave out."""
    url_match: Literal["exact", "parents"] = "exact"
    """Whether a URL entry also fits below its host: `exact` as squidGuard, `parents` as e2guardian."""


class PlaceSettings(Section):
    """What an address means: a network (or one address) and what stands there."""

    network: str
    """`10.4.2.0/24` or one address."""
    site: str
    """Site name, as in the policy."""
    device: str | None = None
    """Device name, for one address."""
    groups: tuple[str, ...] = ()
    """Groups everything at this address belongs to."""
    band: str | None = None
    """Band of whoever is here and has not signed in."""
    shared: bool = False
    """True for a machine that several people use without signing in."""

    @field_validator("network")
    @classmethod
    def _network(cls, value: str) -> str:
        return str(ipaddress.ip_network(value, strict=False))


class IdentitySettings(Section):
    """How people are known."""

    sign_in: Literal["off", "optional", "required"] = "optional"
    """Proxy sign-in: `required` answers 407 to everyone unknown; `optional` uses it when offered; `off` ignores it."""
    realm: str = "School internet"
    """Shown in the sign-in box."""
    places: tuple[PlaceSettings, ...] = ()
    """What addresses mean."""


class SpoolSettings(Section):
    """Records on local disk that are not yet shipped."""

    max_bytes: int = Field(default=20 * 1024**3, ge=1024 * 1024)
    """Disk the spool may fill."""
    when_full: Literal["block-pupils", "block-all", "count"] = "block-pupils"
    """What happens to requests that cannot be recorded."""
    strict: bool = False
    """True holds each response until its record is on disk."""


class RecordSettings(Section):
    """How long rows live."""

    months: int = Field(default=6, ge=1, le=120)
    """Calendar months."""
    timezone: str = "Europe/London"
    """Zone whose midnights count."""


class Settings(Section):
    """Everything a gateway is told."""

    data: Path = Path("data")
    """Data folder: CA, lists, spool, store."""
    policy: Path | None = None
    """Policy file; None means `policy.yaml` in the data folder, and the built-in preset when that is absent."""
    contact: str = Field(default="", max_length=200)
    """Whom pages say to ask: `ICT support, extension 204`."""
    starter_lists: bool = True
    """Whether the lists that come with the product are in force."""
    lists: tuple[ListSettings, ...] = ()
    """Further lists."""
    proxy: ProxySettings = ProxySettings()
    metrics: MetricsSettings = MetricsSettings()
    identity: IdentitySettings = IdentitySettings()
    spool: SpoolSettings = SpoolSettings()
    record: RecordSettings = RecordSettings()
    statutory: StatutorySettings = StatutorySettings()

    @property
    def policy_file(self) -> Path | None:
        """The policy file in force; None means the built-in preset."""
        if self.policy is not None:
            return self.policy
        own = self.data / "policy.yaml"
        return own if own.exists() else None


def find_settings(named: Path | None) -> Path | None:
    """The settings file: the named one, the environment's, or the first of `PLACES` that exists."""
    if named is not None:
        return named
    if told := os.environ.get(ENVIRONMENT):
        return Path(told)
    return next((place for place in PLACES if place.exists()), None)


def load_settings(file: Path | None) -> Settings:
    """Read and check `file`; None gives the defaults. Raises `SettingsError` with every problem."""
    if file is None:
        return _absolute(Settings(), Path.cwd())
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError((SettingsProblem(str(file), 0, "file", f"cannot be read: {error}"),)) from error
    return _absolute(parse_settings(text, str(file)), file.parent.resolve())


def parse_settings(text: str, file: str) -> Settings:
    """Check the text of a settings file; pure. Raises `SettingsError` with every problem."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = SettingsProblem(file, mark.line + 1 if mark else 0, "file", f"is not YAML: {error}")
        raise SettingsError((problem,)) from error
    if not isinstance(data, dict):
        raise SettingsError((SettingsProblem(file, 1, "file", "must be a mapping of settings"),))
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        lines = dict(_lines(node))
        raise SettingsError(tuple(_problem(file, lines, item) for item in error.errors())) from error


def _problem(file: str, lines: dict[tuple[Any, ...], int], item: Any) -> SettingsProblem:
    place = tuple(item["loc"])
    line = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), 0)
    where = ".".join(str(part) for part in place)
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(place[-1]), _known_keys(place[:-1]), n=1)
        return SettingsProblem(file, line, where, "unknown setting", f"did you mean {close[0]!r}?" if close else "")
    return SettingsProblem(file, line, where, item["msg"], f"got {item['input']!r}"[:120])


def _known_keys(place: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in place:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = getattr(annotation, "__args__", (annotation,))[0]
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _lines(node: yaml.Node | None, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], int]]:
    if node is None:
        return
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (
                (p, key.start_mark.line + 1 if p == (*place, key.value) else n)
                for p, n in _lines(value, (*place, key.value))
            )
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines(value, (*place, number))


def _absolute(settings: Settings, folder: Path) -> Settings:
    def fix(path: Path) -> Path:
        return (folder / path.expanduser()).resolve()

    return settings.model_copy(
        update={
            "data": fix(settings.data),
            "policy": None if settings.policy is None else fix(settings.policy),
            "lists": tuple(item.model_copy(update={"path": fix(item.path)}) for item in settings.lists),
            "statutory": settings.statutory.below(folder),
            "proxy": settings.proxy.model_copy(
                update={"upstream_trust": tuple(map(fix, settings.proxy.upstream_trust))}
            ),
        }
    )
