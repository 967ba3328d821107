"""Foreign formats by name: which reader understands which.

In comes a format's name, out comes the reader of one file: a stream of bytes to `Entry` and `Problem` values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Protocol

from categories.importers.adblock import read_adblock
from categories.importers.csvlist import read_csv
from categories.importers.dnsmasq import read_dnsmasq
from categories.importers.e2guardian_items import read_guarded_urls, read_sites
from categories.importers.expressions import read_expressions
from categories.importers.hostsfile import read_hosts
from categories.importers.phraselists import read_exception_list, read_phrase_list
from categories.importers.searchlists import read_searches
from categories.importers.urllist import read_urls
from categories.importers.v2fly import read_v2fly
from categories.model import Problem
from categories.parse import Entry


class Reader(Protocol):
    """Reads one file of a foreign format, a line at a time."""

    def __call__(self, stream: BinaryIO, name: str, *, top_levels: bool, only: str) -> Iterator[Entry | Problem]:
        """Entries and problems in the order of the file; kinds of line that are told once come last."""


READERS: Mapping[str, Reader] = {
    "adblock": read_adblock,
    "csv": read_csv,
    "dnsmasq": read_dnsmasq,
    "e2guardian-sites": read_sites,
    "e2guardian-urls": read_guarded_urls,
    "exception-phrases": read_exception_list,
    "expressions": read_expressions,
    "hosts": read_hosts,
    "phrases": read_phrase_list,
    "searches": read_searches,
    "urls": read_urls,
    "v2fly": read_v2fly,
}
