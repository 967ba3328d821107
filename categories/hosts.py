"""One way to write a host.

In comes a host as people, browsers or lists write it; out goes the one form everything is compared in: lower case,
IDNA ASCII (UTS 46, non-transitional, as browsers), no trailing dot; an IP literal in its shortest standard form.
The room's rule here: a host either has exactly one form or is refused with `NameProblem`; nothing is guessed.
Follows the WHATWG URL Standard's host parser, more tolerant only where browsers and resolvers are (underscores).
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import idna


class NameProblem(ValueError):
    """A text that is no host or URL. The message says what is wrong with it."""


LONGEST_HOST: Final = 253
"""Octets of a host name in text form (RFC 1035 §2.3.4)."""
LONGEST_WRITTEN: Final = 4096
"""Characters of a host as written. Escapes and invisible characters may make it longer than it is; not endlessly so."""
LONGEST_LABEL: Final = 63
"""Octets of one label (RFC 1035 §2.3.4)."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_PLAIN: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LAST_IS_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.DOTALL)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#/:<>?@\[\\\]^|%]")
_REMOVED_BY_BROWSERS = re.compile(r"[\t\n\r]")


def canonical_host(text: str) -> str:
    """The one form of a host, an IPv4 address in any notation or an IPv6 address with or without brackets.

    Raises `NameProblem` for what no browser would send a request to.
    """
    if len(text) > LONGEST_WRITTEN:
        raise NameProblem(f"host {_shown(text)} is written in more than {LONGEST_WRITTEN} characters")
    host = text.lower()
    if len(host) <= LONGEST_HOST and _PLAIN.fullmatch(host) is not None and not _ends_in_number(host):
        return host if "xn--" not in host else _named(host)
    host = _REMOVED_BY_BROWSERS.sub("", text).strip(" ")
    if host.startswith("[") or host.count(":") > 1:
        return _version_6(host)
    return _named(_in_ascii(_unescaped(host)).removesuffix("."))


def host_suffixes(host: str) -> tuple[str, ...]:
    """The canonical host and every parent, longest first: `a.b.c` gives `a.b.c`, `b.c`, `c`; an address only itself."""
    if is_address(host):
        return (host,)
    labels = host.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels)))


def is_address(host: str) -> bool:
    """True when a canonical host is an IP literal. No registered top-level domain ends in a digit (RFC 3696 §2)."""
    return ":" in host or (host[-1:].isdigit() and _ends_in_number(host))


def _ends_in_number(host: str) -> bool:
    """Whether the last label of a plain host is a number, in any notation."""
    return host[host.rfind(".") + 1 :][:1].isdigit() and _LAST_IS_NUMBER.fullmatch(host) is not None


def embedded_address(host: str) -> str | None:
    """The IPv4 address that an IPv6 literal leads to: NAT64 (RFC 6052), 6to4 (RFC 3056), IPv4-compatible (RFC 4291)."""
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return None
    number = int(address)
    if address in _NAT64 or 1 < number < 2**32:
        return str(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return str(ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF)) if address in _SIX_TO_FOUR else None


@lru_cache(maxsize=16384)
def registrable_domain(host: str) -> str:
    """The part of a canonical host that somebody registered, by the Public Suffix List bundled with tldextract.

    Private suffixes count, as in browsers: `year4.github.io` is a site of its own. A host that is itself a private
    suffix (`github.io`) answers with the domain its operator registered; below a top level the list does not know
    (`school.local`) the last two labels count, the list's own rule for that case. Empty for an address, a bare public
    suffix or a single label. Never downloads, never writes a cache.
    """
    return registered(host)


def registered(host: str) -> str:
    """The same, not remembered: for whoever remembers what he asks.

    Suffixes are looked up whole, longest first: a third of the time tldextract takes, which every new host costs.
    """
    if "." not in host or is_address(host):
        return ""
    start, above = _suffix_of(host, _SUFFIXES)
    if start == 0:  # a private suffix itself belongs to who runs it; a public one to nobody
        start, above = _suffix_of(host, _PUBLIC)
        if start == 0:
            return ""
    if start < 0:
        start = host.rfind(".") + 1
        above = host.rfind(".", 0, start - 1) + 1
    return host[above:]


def _suffix_of(host: str, rules: frozenset[str]) -> tuple[int, int]:
    """Where in a host its longest public suffix begins, and where the label before it does; -1 when none fits."""
    before, start, suffix = 0, 0, host
    while True:
        if suffix in rules:
            return start, before
        dot = host.find(".", start)
        if dot < 0:
            return -1, 0
        parent = host[dot + 1 :]
        if parent in _WILD and f"*.{parent}" in rules:
            return (dot + 1, start) if f"!{suffix}" in rules else (start, before)
        before, start, suffix = start, dot + 1, parent


def _listed() -> tuple[str, str]:
    """The Public Suffix List as tldextract carries it: what registries laid down, and what private operators did.

    Read beside the library, not through it: that loads an HTTP client first, and every command would wait for it.
    """
    library = find_spec("tldextract")
    if library is None or library.origin is None:
        raise ModuleNotFoundError("tldextract is not installed; it carries the Public Suffix List")
    text = Path(library.origin).with_name(".tld_set_snapshot").read_text(encoding="utf-8")
    public, begins, private = text.partition("// ===BEGIN PRIVATE DOMAINS===")
    if not begins:
        raise ImportError("tldextract's Public Suffix List does not say where its private part begins")
    return public, private


def _rules(text: str) -> frozenset[str]:
    """The rules of a part of the list in ASCII: `co.uk`, `*.ck`, `!www.ck`."""
    words = (line.split(maxsplit=1)[0] for line in text.splitlines() if line.strip() and not line.startswith("//"))
    return frozenset(rule if rule.isascii() else _in_ascii(rule) for rule in words)


def _unescaped(host: str) -> str:
    """Percent-decode to a fixpoint: `%2565xample` is what two hops make of `example`."""
    for _ in range(8):
        if "%" not in host:
            return host
        try:
            decoded = unquote_to_bytes(host.encode("utf-8")).decode("utf-8")
        except UnicodeError as error:
            raise NameProblem(f"host {_shown(host)} is not UTF-8 once percent-decoded") from error
        if decoded == host:
            break
        host = decoded
    raise NameProblem(f"host {_shown(host)} holds a percent sign that stands for nothing")


def _in_ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
    except (idna.IDNAError, UnicodeError, ValueError) as error:
        raise NameProblem(f"host {_shown(host)} has a character no host may have: {error}") from error
    return ".".join(label if label.isascii() else _punycode(label) for label in mapped.split("."))


def _punycode(label: str) -> str:
    try:
        return "xn--" + label.encode("punycode").decode("ascii")
    except UnicodeError as error:
        raise NameProblem(f"label {_shown(label)} cannot be written in punycode") from error


def _named(host: str) -> str:
    """Check an ASCII host and give its form; numbers at its end make it an IPv4 address (WHATWG "ends in a number")."""
    if bad := _FORBIDDEN.search(host):
        raise NameProblem(f"host {_shown(host)} has {bad.group()!r}, which no host may have")
    if not host:
        raise NameProblem("the host is empty")
    if _LAST_IS_NUMBER.fullmatch(host):
        return _version_4(host)
    labels = [_meaning_of(label) if label.startswith("xn--") else label for label in host.split(".")]
    if len(host) > LONGEST_HOST or max(map(len, labels)) > LONGEST_LABEL:
        raise NameProblem(f"host {_shown(host)} is longer than a host may be (253 characters, 63 a label)")
    if "" in labels:
        raise NameProblem(f"host {_shown(host)} has an empty label (two dots in a row, or one in front)")
    return ".".join(labels)


@lru_cache(maxsize=4096)
def _meaning_of(label: str) -> str:
    """An `xn--` label re-written from what it means, so that a sloppy encoding meets the entry of the proper one."""
    try:
        meaning = label[4:].encode("ascii").decode("punycode")
        mapped = idna.uts46_remap(meaning, std3_rules=False, transitional=False)
        again = mapped if mapped.isascii() else _punycode(mapped)
    except (idna.IDNAError, UnicodeError, ValueError, OverflowError):
        return label
    return again if not mapped.isascii() and "." not in mapped else label


def _version_4(host: str) -> str:
    """An IPv4 address from `127.0.0.1`, `127.1`, `2130706433`, `0x7f.1`, `0177.0.0.1` (WHATWG IPv4 parser)."""
    parts = host.split(".")
    if len(parts) > 4:
        raise NameProblem(f"host {_shown(host)} ends in a number but has more than four parts")
    numbers = [_number(part, host) for part in parts]
    *leading, last = numbers
    if any(number > 255 for number in leading) or last >= 256 ** (5 - len(numbers)):
        raise NameProblem(f"host {_shown(host)} is no IPv4 address: a part is too large")
    value = last + sum(number << (24 - 8 * place) for place, number in enumerate(leading))
    return str(ipaddress.IPv4Address(value))


def _number(part: str, host: str) -> int:
    digits, radix = part, 10
    if part.startswith("0x"):
        digits, radix = part[2:] or "0", 16
    elif len(part) > 1 and part.startswith("0"):
        digits, radix = part[1:], 8
    if len(digits) > 64 or not re.fullmatch({8: "[0-7]+", 10: "[0-9]+", 16: "[0-9a-f]+"}[radix], digits):
        raise NameProblem(f"host {_shown(host)} ends in a number, but {_shown(part)} is no number")
    return int(digits, radix)


def _version_6(host: str) -> str:
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    inner = inner.partition("%")[0]  # a zone only says which of our own cables; it is not part of the destination
    try:
        address = ipaddress.IPv6Address(inner)
    except ValueError as error:
        raise NameProblem(f"host {_shown(host)} is no IPv6 address: {error}") from error
    return str(address.ipv4_mapped or address)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


_PARTS: Final = _listed()
_PUBLIC: Final = _rules(_PARTS[0])
_SUFFIXES: Final = _PUBLIC | _rules(_PARTS[1])
_WILD: Final = frozenset(rule[2:] for rule in _SUFFIXES if rule.startswith("*."))
