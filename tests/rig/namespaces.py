"""A school's network in namespaces of its own: a device, a gateway between, and the internet behind it.

In: nothing but root, `ip` and `nft`. Out: three namespaces with names nobody else has, joined by veth pairs, IPv4 and
IPv6; sockets and programs in any of them. `remove` takes everything away, and nothing outside is ever changed: rules
and addresses are only made inside.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.rig.tools import missing, need

CLONE_NEWNET = 0x40000000

DEVICE, DEVICE_6 = "10.77.1.10", "2001:db8:77:1::10"
OTHER_DEVICE = "10.77.1.11"
INSIDE, INSIDE_6 = "10.77.1.1", "2001:db8:77:1::1"
"""The gateway, as its pupils' network sees it."""
OUTSIDE, OUTSIDE_6 = "203.0.113.1", "2001:db8:113::1"
"""The gateway, as the internet sees it."""
SITE, SITE_6 = "203.0.113.10", "2001:db8:113::10"
"""Where websites are."""
ELSEWHERE, ELSEWHERE_6 = "203.0.113.66", "2001:db8:113::66"
"""Where a forged name would lead."""


class SchoolNetwork:
    """The three namespaces."""

    def __init__(self) -> None:
        self.ip = need("ip", "iproute2")
        self.nft = need("nft", "nftables")
        if os.geteuid() != 0:
            missing("root, to make network namespaces,", "none: run as root")
        mark = f"{os.getpid() % 100000}{secrets.token_hex(2)}"
        self.device, self.gateway, self.internet = (f"sg-{kind}-{mark}" for kind in ("device", "gate", "net"))

    def make(self) -> SchoolNetwork:
        """Make them. What was made is removed when something fails."""
        try:
            self._make()
        except BaseException:
            self.remove()
            raise
        return self

    def _make(self) -> None:
        for name in self.names:
            made = subprocess.run([self.ip, "netns", "add", name], capture_output=True, text=True)
            if made.returncode:
                missing(f"a network namespace ({made.stderr.strip()})", "none: run where namespaces are allowed")
            self.run(name, self.ip, "link", "set", "lo", "up")
            self.inside(name, _as_a_router if name == self.gateway else _as_a_host)
        self._join(self.device, "school0", self.gateway, "pupils0")
        self._join(self.internet, "world0", self.gateway, "wan0")
        for name, link, addresses in (
            (self.device, "school0", (f"{DEVICE}/24", f"{OTHER_DEVICE}/24", f"{DEVICE_6}/64")),
            (self.gateway, "pupils0", (f"{INSIDE}/24", f"{INSIDE_6}/64")),
            (self.gateway, "wan0", (f"{OUTSIDE}/24", f"{OUTSIDE_6}/64")),
            (self.internet, "world0", (f"{SITE}/24", f"{ELSEWHERE}/24", f"{SITE_6}/64", f"{ELSEWHERE_6}/64")),
        ):
            for address in addresses:
                self.run(name, self.ip, "address", "add", address, "dev", link, *(["nodad"] if ":" in address else []))
            self.run(name, self.ip, "link", "set", link, "up")
        for name, via, via_6 in ((self.device, INSIDE, INSIDE_6), (self.internet, OUTSIDE, OUTSIDE_6)):
            self.run(name, self.ip, "route", "add", "default", "via", via)
            self.run(name, self.ip, "-6", "route", "add", "default", "via", via_6)

    def _join(self, one: str, link: str, other: str, other_link: str) -> None:
        peer = ["peer", "name", other_link, "netns", other]
        self.run(one, self.ip, "link", "add", link, "type", "veth", *peer)

    @property
    def names(self) -> tuple[str, str, str]:
        return self.device, self.gateway, self.internet

    def run(self, name: str, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program in a namespace; what goes wrong is the test's failure."""
        done = subprocess.run([*self.prefix(name), *words], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done

    def prefix(self, name: str) -> Sequence[str]:
        """What to put before a command so that it runs there."""
        return (self.ip, "netns", "exec", name)

    def inside[T](self, name: str, do: Callable[[], T]) -> T:
        """Call a function in a namespace, in a thread of its own. Sockets it makes stay there."""
        got: list[T] = []
        failed: list[BaseException] = []

        def entered() -> None:
            try:
                with Path(f"/run/netns/{name}").open() as door:
                    os.setns(door.fileno(), CLONE_NEWNET)
                got.append(do())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=entered)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return got[0]

    def connect(self, address: tuple[str, int], source: str | None = None, timeout: float = 20.0) -> socket.socket:
        """A connection of the device."""
        where = (source, 0) if source else None
        return self.inside(self.device, lambda: socket.create_connection(address, timeout, source_address=where))

    def listen(self, name: str, address: str, port: int) -> socket.socket:
        """A listening socket there."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self.inside(name, lambda: socket.create_server((address, port), family=family, backlog=1024))

    def remove(self) -> None:
        """Take them away, with every link and rule in them."""
        for name in self.names:
            subprocess.run([self.ip, "netns", "delete", name], capture_output=True)


def _as_a_host() -> None:
    """IPv6 at once, without waiting whether an address is another's."""
    for name, value in (("all/disable_ipv6", "0"), ("default/accept_dad", "0")):
        (Path("/proc/sys/net/ipv6/conf") / name).write_text(value)


def _as_a_router() -> None:
    _as_a_host()
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        (Path("/proc/sys/net") / name).write_text("1")
