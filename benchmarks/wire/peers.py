"""The proxies that are compared, each started with a configuration of its own and stopped again.

In: a folder, the origin's authority, a tree of lists. Out: a running process and the way through it. Each runs in a
private mount namespace whose hosts file leads every name of the benchmark to the benchmark's origin; the machine's own
file is left alone. What Debian has is installed when root; what cannot be says why.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.wire.authority import signing_files
from benchmarks.wire.clients import CHILD, Way
from benchmarks.wire.family import family
from benchmarks.wire.site import BAD_WORDS

HIDE_HOSTS = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
READY = 180.0
"""Seconds a peer may take to listen: databases are opened."""
SYSTEM = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


class NotHere(Exception):
    """A peer cannot be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """What every peer is given."""

    folder: Path
    """Scratch of the whole benchmark."""
    hosts: Path
    """The hosts file that is put over the machine's."""
    trust: Path
    """PEM of the origin's authority."""
    tree: Path
    """UT1 tree."""
    categories: Sequence[str]
    """Folders of the tree that are blocked."""
    blocked: Sequence[str] = ()
    """Hosts of the tree that must be blocked."""

    def prefix(self) -> list[str]:
        """Words before a command that give it the benchmark's hosts file."""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", HIDE_HOSTS, "sh", str(self.hosts)]


@dataclass
class Running:
    """A proxy that serves."""

    name: str
    """As the table calls it."""
    way: Way
    """How clients go through it."""
    pid: int
    """Its first process."""
    filters: bool = False
    """Whether it blocks what is listed."""
    scans: bool = False
    """Whether it reads the words of pages."""
    log: Path | None = None
    """Its access log, a line an exchange; None when it has none."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """End it and all it started."""
        members = family(self.pid)
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        for member in members:
            with contextlib.suppress(Exception):
                member.kill()


def installed(program: str, package: str) -> str:
    """The path of a program, installed from Debian when it is not there. Raises `NotHere`."""
    if shutil.which(program, path=SYSTEM) is None and os.geteuid() == 0:
        words = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
        subprocess.run(words, check=False, stdout=subprocess.DEVNULL, env={**os.environ, "RUNLEVEL": "1"})
    found = shutil.which(program, path=SYSTEM)
    if found is None:
        raise NotHere(f"{program} (Debian package {package}) is not installed, and cannot be")
    return found


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(name: str, place: Place, words: Sequence[str], port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start a peer and wait until it listens. Raises `NotHere` with the end of what it said."""
    said = folder / "said.log"
    with said.open("ab") as log:
        process = subprocess.Popen(
            [*place.prefix(), *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1, (CHILD, 0)):
            return process
        time.sleep(0.1)
    process.kill()
    raise NotHere(f"{name} does not listen: {said.read_text(errors='replace')[-600:]}")


def mitmdump(place: Place) -> Running:
    """Stock mitmproxy, as it comes: every default addon, no filter, no record."""
    folder = place.folder / "mitmdump"
    folder.mkdir(exist_ok=True)
    port = free_port()
    words = [
        str(Path(sys.executable).with_name("mitmdump")), "-q", "--listen-host", "127.0.0.1", "--listen-port", str(port),
        "--set", f"confdir={folder}", "--set", f"ssl_verify_upstream_trusted_ca={place.trust}",
    ]  # fmt: skip
    process = launch("mitmdump", place, words, port, folder)
    return Running("mitmdump", Way(("127.0.0.1", port), folder / "mitmproxy-ca-cert.pem"), process.pid, process=process)


def squid(place: Place, *, guard: bool) -> Running:
    """Squid with ssl-bump; with `guard` also squidGuard on the same lists."""
    program = installed("squid", "squid-openssl")
    certgen = Path("/usr/lib/squid/security_file_certgen")
    if not certgen.exists():
        raise NotHere("this Squid is built without ssl-bump (Debian package squid-openssl has it)")
    name = "squid + squidGuard" if guard else "squid"
    folder = place.folder / ("squid-guard" if guard else "squid")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    port = free_port()
    certificate, key = signing_files(folder, "Squid bench")
    subprocess.run(
        [str(certgen), "-c", "-s", str(folder / "certificates"), "-M", "16MB"], check=True, capture_output=True
    )
    lines = [
        f"http_port 127.0.0.1:{port} ssl-bump tls-cert={certificate} tls-key={key} "
        "generate-host-certificates=on dynamic_cert_mem_cache_size=16MB",
        f"sslcrtd_program {certgen} -s {folder}/certificates -M 16MB",
        "sslcrtd_children 2 startup=1",
        "acl first at_step SslBump1",
        "ssl_bump peek first",
        "ssl_bump bump all",
        f"tls_outgoing_options cafile={place.trust}",
        "http_access allow all",
        "cache deny all",
        f"access_log stdio:{folder}/access.log",
        f"cache_log {folder}/cache.log",
        f"pid_filename {folder}/squid.pid",
        f"coredump_dir {folder}",
        "pinger_enable off",
        "max_filedescriptors 8192",
        "shutdown_lifetime 1 second",
        "memory_pools on",
    ]
    if guard:
        redirector = installed("squidGuard", "squidguard")
        lines += [
            f"url_rewrite_program {redirector} -c {squidguard_conf(place, folder, redirector)}",
            "url_rewrite_children 2 startup=2 idle=1",
            "acl tunnels method CONNECT",
            "url_rewrite_access deny tunnels",
        ]
    (folder / "squid.conf").write_text("\n".join(lines) + "\n")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "proxy", "proxy")
    process = launch(name, place, [program, "-N", "-f", str(folder / "squid.conf")], port, folder)
    way = Way(("127.0.0.1", port), certificate)
    return Running(name, way, process.pid, filters=guard, log=folder / "access.log", process=process)


def squidguard_conf(place: Place, folder: Path, program: str) -> Path:
    """squidGuard's configuration with every category blocked; its `.db` files are made when they are not there."""
    parts = []
    for name in place.categories:
        kinds = [kind for kind in ("domains", "urls") if (place.tree / name / kind).exists()]
        lists = "\n".join(f"{kind[:-1]}list {name}/{kind}" for kind in kinds)
        parts.append(f"dest c{len(parts)} {{\n{lists}\n}}")
    passed = " ".join(f"!c{number}" for number in range(len(parts)))
    config = folder / "squidGuard.conf"
    config.write_text(
        f"dbhome {place.tree}\nlogdir {folder}\n"
        + "\n".join(parts)
        + f"\nacl {{ default {{ pass {passed} all\n redirect 302:http://blocked.invalid/%t }} }}\n"
    )
    if not all(made(place.tree / name / "domains") for name in place.categories):
        subprocess.run([program, "-c", str(config), "-C", "all"], check=True, capture_output=True)
        for file in place.tree.rglob("*.db"):
            shutil.chown(file, "proxy", "proxy")
    return config


def made(domains: Path) -> bool:
    """Whether the database of a list is there, or not needed."""
    return not domains.exists() or domains.with_name("domains.db").exists()


def e2guardian(place: Place) -> Running:
    """e2guardian with MITM and its phrase lists; of the trees only the hosts that are checked: pages are compared."""
    program = installed("e2guardian", "e2guardian")
    folder = place.folder / "e2guardian"
    shutil.rmtree(folder, ignore_errors=True)
    source = Path("/etc/e2guardian")
    shutil.copytree(source, folder)
    port = free_port()
    certificate, key = signing_files(folder, "e2guardian bench", kind="rsa")
    _, leaf = signing_files(folder / "leaf", "leaf key", kind="rsa")
    (folder / "generated").mkdir()
    (folder / "trust").mkdir()
    shutil.copy(place.trust, folder / "trust" / "authority.pem")
    subprocess.run(["openssl", "rehash", str(folder / "trust")], check=True)
    settings = {
        "filterip": "127.0.0.1", "checkip": "127.0.0.1", "filterports": str(port), "nodaemon": "on", "enablessl": "on",
        "transparenthttpsport": str(free_port()),
        "cacertificatepath": str(certificate), "caprivatekeypath": str(key), "certprivatekeypath": str(leaf),
        "generatedcertpath": f"{folder}/generated/", "sslcertificatepath": f"{folder}/trust",
        "loglocation": f"{folder}/access.log", "daemonuser": "root", "daemongroup": "root",
        "pidfilename": f"{folder}/e2guardian.pid", "languagedir": "/usr/share/e2guardian/languages",
        "ipcfilename": f"{folder}/ipc", "urlipcfilename": f"{folder}/urlipc", "ipipcfilename": f"{folder}/ipipc",
        "statlocation": f"{folder}/stats", "dstatlocation": f"{folder}/dstats", "httpworkers": "300",
        "generatedcertstart": str(int(time.time()) - 86_400), "generatedcertend": str(int(time.time()) + 86_400 * 300),
    }  # fmt: skip
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".pem":
            text = file.read_text(encoding="latin-1")
            if str(source) in text:
                file.write_text(text.replace(str(source), str(folder)), encoding="latin-1")
    _set(folder / "e2guardian.conf", settings)
    _set(folder / "e2guardianf1.conf", {"sslmitm": "on", "naughtynesslimit": "160"})
    lists = folder / "lists"
    lists = found if (found := lists / "example.group").is_dir() else lists  # so from 5.5 on
    with (lists / "bannedsitelist").open("a") as out:
        out.writelines(f"{host}\n" for host in place.blocked)
    with (lists / "bannedphraselist").open("a") as out:
        out.write(f"\n<{BAD_WORDS}>\n")
    process = launch("e2guardian", place, [program, "-c", str(folder / "e2guardian.conf"), "-N"], port, folder)
    way = Way(("127.0.0.1", port), certificate)
    log = folder / "access.log"
    return Running("e2guardian", way, process.pid, filters=True, scans=True, log=log, process=process)


def _set(file: Path, settings: dict[str, str]) -> None:
    """Settings of one of e2guardian's files, in the place of those that are there."""
    lines = file.read_text(encoding="latin-1").splitlines()
    names = tuple(settings)
    kept = [line for line in lines if line.split("=")[0].strip() not in names]
    quoted = [
        f"{name} = {value}" if value in {"on", "off"} or value.isdigit() else f"{name} = '{value}'"
        for name, value in settings.items()
    ]
    file.write_text("\n".join([*kept, *quoted]) + "\n", encoding="latin-1")
