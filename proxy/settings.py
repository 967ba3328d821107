"""The settings file: one YAML file in, one typed, immutable `Settings` out.

Every mistake is reported at once with its place and what would have been right. Nothing here has a side effect;
paths are made absolute against the file's folder.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from addons.destinations import read_destinations
from categories.hosts import canonical_host, is_address
from logstore.ids import NUMBERS, WORKERS
from logstore.place import Beside, Where
from policy.client import Band
from proxy.list_settings import ListChecks, ListSettings, Servers
from proxy.listeners import parse_listener
from proxy.record_settings import RecordSettings
from proxy.settingsproblems import SettingsError, SettingsProblem, problems_of, repeated_keys
from proxy.statutory_settings import StatutorySettings

__all__ = [
    "ListSettings",
    "Settings",
    "SettingsError",
    "SettingsProblem",
    "find_settings",
    "load_settings",
    "parse_settings",
]

ENVIRONMENT = "SCHOOLGATE_SETTINGS"
"""Environment variable that names the settings file."""
PLACES = (Path("schoolgate.yaml"), Path("data/schoolgate.yaml"), Path("/etc/schoolgate/schoolgate.yaml"))
"""Where a settings file is looked for, in this order, when none is named."""

Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A part of the settings: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProxySettings(Section):
    """Where and how the proxy listens."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8080
    """Port to listen on; 0 picks a free one."""
    workers: int = Field(default=0, ge=0, le=WORKERS)
    """Worker processes; 0 means one per core."""
    names: tuple[str, ...] = ()
    """Host names this gateway is known by; requests to them are refused as loops."""
    balancers: tuple[str, ...] = ()
    """Load balancers in front, as networks or addresses. Each must begin every connection with a PROXY header (version
    1 or 2) that says whose it is, or is refused; nobody else's header is believed."""
    transparent: tuple[str, ...] = ()
    """Where traffic of devices that know of no proxy is redirected to by the firewall: `:8090` (every address of this
    machine), `10.0.0.1:8090`, `[::]:8090`. Connections that were not redirected are refused there."""
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
    upstream_distrust: tuple[Annotated[str, Field(pattern=r"^(?:[0-9A-Fa-f]{2}:?){32}$")], ...] = ()
    """SHA-256 fingerprints of CAs no longer trusted for origins, public or the school's; with or without colons."""
    connect_timeout: float = Field(default=10.0, gt=0, le=120)
    """Seconds to reach an origin."""
    idle_timeout: int = Field(default=90, ge=5, le=3600)
    """Seconds without a byte before a connection is closed."""
    tunnel_timeout: float = Field(default=12 * 3600.0, ge=60, le=7 * 86400)
    """Seconds a connection that is passed through may last, however busy; and an answer without a length (events,
    radio) that is slower than `answer_rate`."""
    head_timeout: float = Field(default=15.0, gt=0, le=300)
    """Seconds a client may take to send a complete request head."""
    head_limit: int = Field(default=2 * 1024 * 1024, ge=16384)
    """Largest request head in bytes."""
    upload_limit: int = Field(default=1024 * 1024 * 1024, ge=1024)
    """Largest request body in bytes."""
    upload_rate: int = Field(default=250, ge=0)
    """Fewest bytes of a request body a second, over `upload_patience`; a slow site does not count; 0: no such limit."""
    upload_patience: float = Field(default=30.0, ge=1, le=600)
    """Seconds over which `upload_rate` is measured; the first of them pass before anybody is cut."""
    answer_rate: int = Field(default=250, ge=0)
    """Fewest bytes of an answer a second, over `idle_timeout`, that a site sends or a client takes; what is slower is
    silence. What has no length (events, radio) may be slower for `tunnel_timeout`; 0: no such limit."""
    connections_per_client: int = Field(default=512, ge=8)
    """Open connections one client address may hold."""
    requests_per_client: int = Field(default=500, ge=0, le=50_000)
    """Requests, and CONNECTs, one client address may make in a second; more are answered with 429. 0: no cap."""
    drain: float = Field(default=10.0, ge=0, le=300)
    """Seconds open connections are given at shutdown."""
    farewell: float = Field(default=1800.0, ge=0, le=86400)
    """Seconds a worker that is being replaced gives its open connections (`schoolgate reload --restart`)."""

    @field_validator("balancers")
    @classmethod
    def _balancers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(text, strict=False)) for text in value)

    @field_validator("transparent")
    @classmethod
    def _transparent(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(parse_listener(text)) for text in value)

    @model_validator(mode="after")
    def _destinations(self) -> ProxySettings:
        """Every destination can be read, or all that cannot are told. Raises `ValueError`."""
        read_destinations(self.private_destinations, self.hosts, own_ports=(), own_addresses=(), own_names=())
        return self


class CaSettings(Section):
    """The certificate authority."""

    passphrase_file: Path | None = None
    """File with the passphrase of its key, readable by the gateway's account only; a systemd credential goes before."""
    page: str = "ca.schoolgate.internal"
    """Name under which devices that use the proxy get the certificate to trust (`http://NAME/`); empty: no page."""

    @field_validator("page")
    @classmethod
    def _page(cls, name: str) -> str:
        """A host name that no website has. Raises `ValueError`."""
        host = canonical_host(name) if name else ""
        if host and (is_address(host) or not host.endswith((".internal", ".local", ".test", ".home.arpa"))):
            raise ValueError(f"{name!r} may be a website's; take a name below .internal, as ca.schoolgate.internal")
        return host


class MetricsSettings(Section):
    """Where Prometheus scrapes."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8082
    """Port to listen on; 0 picks a free one."""


class ConsoleSettings(Section):
    """Where and how the web console listens."""

    enabled: bool = True
    """Whether `schoolgate run` starts it."""
    host: str = "127.0.0.1"
    """Address to listen on; one of the network needs a certificate."""
    port: Port = 8081
    """Port to listen on; 0 picks a free one."""
    names: tuple[str, ...] = ()
    """Host names people type: `console.school.internal`. Other names are refused."""
    certificate: Path | None = None
    """PEM file of its certificate and what signed it."""
    key: Path | None = None
    """PEM file of the certificate's key, readable by the gateway's account only."""
    writes_policy: bool = False
    """Whether it may write the file that `policy` names; where none is named it writes `policy.yaml` in `data`."""

    @model_validator(mode="after")
    def _secured(self) -> ConsoleSettings:
        """Passwords only travel encrypted. Raises `ValueError`."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: name both or neither")
        if self.certificate is None and not _on_this_machine(self.host):
            raise ValueError(f"on {self.host} passwords would travel unencrypted: name certificate and key")
        return self


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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

    @field_validator("band")
    @classmethod
    def _band(cls, value: str | None) -> str | None:
        if value is not None and value not in set(Band):
            raise ValueError(f"there is no such age band; it would be one of {', '.join(Band)}")
        return value


class BypassSettings(Section):
    """When a host is suggested for passing unread."""

    suggest_devices: int = Field(default=3, ge=2, le=1000)
    """Devices that must have refused our certificate for it, of those that take it elsewhere."""
    suggest_days: int = Field(default=14, ge=1, le=90)
    """Days within which; a suggestion not seen for so long is gone, and so is what it was made of."""
    suggest_hosts: int = Field(default=30, ge=1)
    """Hosts one device may refuse; one that refuses more counts for none: it is the device, not the programs."""


class IdentitySettings(Section):
    """How people are known."""

    sign_in: Literal["off", "optional", "required"] = "optional"
    """Proxy sign-in: `required` answers 407 to everyone unknown; `optional` uses it when offered; `off` ignores it."""
    realm: str = "School internet"
    """Shown in the sign-in box."""
    places: tuple[PlaceSettings, ...] = ()
    """What addresses mean."""


class GatewaySettings(Section):
    """Which gateway this is, where several ship into one store."""

    number: int = Field(default=0, ge=0, lt=NUMBERS)
    """Its number, different for each gateway of a store: it keeps record ids apart."""
    name: str = Field(default="", max_length=32, pattern=r"^[A-Za-z0-9-]*$")
    """Its name, in front of the worker's in each row: `hillview-1`."""


class SpoolSettings(Section):
    """Records on local disk that are not yet shipped."""

    max_bytes: int = Field(default=20 * 1024**3, ge=1024 * 1024)
    """Disk the spool may fill."""
    when_full: Literal["block-pupils", "block-all", "count"] = "block-pupils"
    """What happens to requests that cannot be recorded."""
    strict: bool = False
    """True holds each response until its record is on disk."""
    fold_repeats: bool = True
    """True counts what a device asks for more than twenty times within a second in one row; never what was blocked."""


class PageSettings(Section):
    """How far the words of pages are looked at, where a list asks for pages."""

    hold_bytes: int = Field(default=1024 * 1024, ge=16 * 1024, le=8 * 1024 * 1024)
    """Bytes of a page that are held back until they were looked at; beyond, it is shown as it comes, and looked at."""
    hold_seconds: float = Field(default=5.0, gt=0, le=60)
    """Longest a page is held back, in seconds."""
    scan_bytes: int = Field(default=2 * 1024 * 1024, ge=16 * 1024, le=64 * 1024 * 1024)
    """Bytes of a page that are looked at at all."""
    too_long: Literal["allow", "block"] = "allow"
    """What becomes of a longer page: `allow` lets the rest pass, and the row says so; `block` closes or cuts it."""


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
    list_servers: Servers = ()
    """Servers inside that lists added by people may come from: networks, addresses or host names, with a port if one
    alone is meant. The Internet needs no line here."""
    list_checks: ListChecks = ListChecks()
    """What new lists must pass."""
    proxy: ProxySettings = ProxySettings()
    ca: CaSettings = CaSettings()
    metrics: MetricsSettings = MetricsSettings()
    console: ConsoleSettings = ConsoleSettings()
    pages: PageSettings = PageSettings()
    identity: IdentitySettings = IdentitySettings()
    bypass: BypassSettings = BypassSettings()
    gateway: GatewaySettings = GatewaySettings()
    spool: SpoolSettings = SpoolSettings()
    record: RecordSettings = RecordSettings()
    statutory: StatutorySettings = StatutorySettings()

    @property
    def store(self) -> Where:
        """Where the record is."""
        return self.record.where(self.data / "store")

    @property
    def catalog(self) -> Beside:
        """Where its names and books are, and what people decided."""
        return self.record.catalog(self.data / "store")

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
    problems = list(repeated_keys(node, file))
    settings = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        problems += problems_of(error, node, file, Settings)
    if settings is None or problems:
        raise SettingsError(tuple(sorted(problems, key=lambda problem: problem.line)))
    return settings


def _absolute(settings: Settings, folder: Path) -> Settings:
    def fix(path: Path) -> Path:
        return (folder / path.expanduser()).resolve()

    return settings.model_copy(
        update={
            "data": fix(settings.data),
            "policy": None if settings.policy is None else fix(settings.policy),
            "lists": tuple(item.model_copy(update={"path": fix(item.path)}) for item in settings.lists),
            "statutory": settings.statutory.below(folder),
            "console": settings.console.model_copy(
                update={
                    "certificate": settings.console.certificate and fix(settings.console.certificate),
                    "key": settings.console.key and fix(settings.console.key),
                }
            ),
            "record": settings.record.with_paths(fix),
            "ca": settings.ca.model_copy(
                update={"passphrase_file": settings.ca.passphrase_file and fix(settings.ca.passphrase_file)}
            ),
            "proxy": settings.proxy.model_copy(
                update={"upstream_trust": tuple(map(fix, settings.proxy.upstream_trust))}
            ),
        }
    )
