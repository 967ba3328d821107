"""Tables of URL and category: `https://example.org/games,Games`, a heading or none, quoted as in RFC 4180.

In comes a table separated by commas, semicolons or tabs; out comes one list a category, category names settled by the
taxonomy. A cell with a path is a URL prefix, any other a host with everything below it, an address or a network.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from categories.importers.told import Told
from categories.importers.urllist import lost_parts
from categories.model import Problem
from categories.names import NameProblem, canonical_url
from categories.networks import NetworkProblem
from categories.parse import (
    Entry,
    Line,
    Refused,
    Understood,
    domain_items,
    problem,
    raw_lines,
    url_items,
)
from categories.sources import ListFile, ListSource, Names, of_others, settled_category

_URL_HEADINGS = frozenset({"url", "urls", "domain", "domains", "host", "hostname", "site", "website", "address"})
_CATEGORY_HEADINGS = frozenset({"category", "categories", "group", "type", "class", "classification", "list"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ROOT = "is a site's first page: taken as the host and everything below it"


class Row(NamedTuple):
    """One row that says something."""

    line: Line
    """Its line as written; the first of several, for a quoted cell with line ends."""
    url: str
    """Its URL cell."""
    category: str
    """Its category cell, empty when it has none."""


def category_files(source: ListSource, names: Names) -> Iterator[ListFile | Problem]:
    """One file to compile for each category the table names: the same file, other rows. Rows of none are told here.

    A source with a category of its own takes every row as that category.
    """
    if source.category:
        yield ListFile(source.name, source.category, source.path, "csv", source.url_match, source.top_levels)
        return
    first_rows: dict[str, Row] = {}
    with source.path.open("rb") as stream:
        for row in rows(stream, source.name):
            if isinstance(row, Problem):
                yield row
            elif row.category:
                first_rows.setdefault(row.category, row)
            else:
                yield problem(source.name, row.line.number, row.line.text, "has no category; write `URL,category`")
    for category, row in first_rows.items():
        settled = settled_category(source, category, names)
        if settled == category and names.resolve(category) is None and category not in source.categories:
            settled = of_others(own_name(category), names)
            why = f"category {category!r} is not in the taxonomy: taken as the school's own category {settled!r}"
            yield problem(source.name, row.line.number, row.line.text, why, taken=True)
        elif settled.removesuffix("-of-others") != settled:
            why = f"category {category!r} opens sites here, which a list does not: taken as {settled!r}"
            yield problem(source.name, row.line.number, row.line.text, why, taken=True)
        list_name = f"{source.name}/{own_name(category)}"
        yield ListFile(list_name, settled, source.path, "csv", source.url_match, source.top_levels, only=category)
    if not first_rows:
        yield problem(source.name, 0, str(source.path), "has no row with a URL and a category: `URL,category`")


def read_csv(stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "") -> Iterator[Entry | Problem]:
    """Read the rows of the category `only`; with none, every row, and what is no row is told."""
    told = Told(name)
    for row in rows(stream, name):
        if isinstance(row, Problem):
            if not only:
                yield row
        elif only in {"", row.category}:
            yield from _entries(row, name, top_levels, told)
    yield from told.told()


def rows(stream: BinaryIO, name: str) -> Iterator[Row | Problem]:
    """The rows of a table, whatever separates them. A first row of headings says which column is which."""
    wrong: list[Problem] = []
    source = _Numbered(_texts(stream, name, wrong))
    url, category, separator = 0, 1, ","
    first = next(source, None)
    if first is not None:
        separator = max(",;\t", key=first.count)
        heading = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=separator), [])]
        at = _place(heading, _URL_HEADINGS), _place(heading, _CATEGORY_HEADINGS)
        if at[0] is None or at[1] is None:
            source.again()
        else:
            url, category = at[0], at[1]
            source.taken()
    table = csv.reader(source, delimiter=separator)
    while (cells := _next(table)) is not None:
        yield from wrong
        wrong.clear()
        line = Line(source.first(), source.taken())
        if isinstance(cells, str):
            yield problem(name, line.number, line.text, f"is no row of a table: {cells}")
        elif any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
            yield Row(line, *(cells[at].strip() if at < len(cells) else "" for at in (url, category)))
    yield from wrong


def own_name(text: str) -> str:
    """A category name of the school's own made from what the table calls it: `Year 6: maths` gives `year-6-maths`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class _Numbered:
    """Lines for the csv reader, which remembers where a row began."""

    def __init__(self, texts: Iterator[tuple[int, str]]) -> None:
        self._texts = texts
        self._held: list[tuple[int, str]] = []
        self._row: list[tuple[int, str]] = []
        self._last = (0, "")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._last = self._held.pop() if self._held else next(self._texts)
        self._row.append(self._last)
        return self._last[1]

    def again(self) -> None:
        """Give the last line once more."""
        self._held.append(self._last)
        self._row.clear()

    def first(self) -> int:
        """Number of the row's first line."""
        return self._row[0][0] if self._row else self._last[0]

    def taken(self) -> str:
        """The row as written; the next one begins."""
        text = "".join(text for _, text in self._row).strip()
        self._row.clear()
        return text


def _next(table: Iterator[list[str]]) -> list[str] | str | None:
    try:
        return next(table, None)
    except csv.Error as error:
        return str(error)


def _texts(stream: BinaryIO, name: str, wrong: list[Problem]) -> Iterator[tuple[int, str]]:
    for item in raw_lines(stream, name):
        if isinstance(item, Problem):
            wrong.append(item)
            continue
        number, raw = item
        try:
            yield number, codecs.decode(raw, "utf-8")
        except UnicodeDecodeError:
            why = "the line is not UTF-8; save the table as CSV in UTF-8"
            wrong.append(problem(name, number, raw.decode("utf-8", "backslashreplace"), why))


def _place(heading: list[str], wanted: frozenset[str]) -> int | None:
    return next((at for at, cell in enumerate(heading) if cell in wanted), None)


def _entries(row: Row, name: str, top_levels: bool, told: Told) -> Iterator[Entry | Problem]:
    try:
        items = list(_items(row, top_levels, told))
    except (Refused, NameProblem, NetworkProblem) as why:
        yield problem(name, row.line.number, row.line.text, str(why))
        return
    for kind, value, weight in items:
        yield Entry(kind, value, row.line.number, weight)


def _items(row: Row, top_levels: bool, told: Told) -> Understood:
    text = row.url
    if not text:
        raise Refused("has no URL; write `URL,category`")
    if not _SCHEME.match(text):
        try:
            return domain_items(text, top_levels=top_levels)
        except (Refused, NameProblem, NetworkProblem):
            if "/" not in text:
                raise
            return url_items(text)
    for change in lost_parts(text):
        told.see(row.line, change, taken=True)
    url = canonical_url(text)
    if url.path != "/" or url.query:
        return url_items(text)
    told.see(row.line, _ROOT, taken=True)
    return domain_items(url.host, top_levels=top_levels)
