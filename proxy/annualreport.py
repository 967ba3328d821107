"""What `schoolgate log annual` does: a school year in; numbers without people, for the annual report, out."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import defaultdict
from dataclasses import asdict, fields
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from logstore.annual import FEW, SMALL, Cell, cells_of, counted_to
from logstore.export import cell as csv_cell
from logstore.export import printable
from proxy.settings import Settings

BEGINS = 9
"""Month a school year begins with."""
BY = ("month", "site", "band", "category", "action")
"""What numbers may be told by."""
_YEAR = re.compile(r"(\d{4})(?:/(\d{2}|\d{4}))?")


def school_year(text: str | None, now: datetime) -> int:
    """The calendar year a school year begins in: `2025/26`, or the one `now` (local) is in. Raises `ValueError`."""
    if text is None:
        return now.year if now.month >= BEGINS else now.year - 1
    found = _YEAR.fullmatch(text.strip())
    if found is None or (found[2] is not None and int(found[2]) % 100 != (int(found[1]) + 1) % 100):
        raise ValueError(f"{text!r} is no school year; it would be like 2025/26")
    return int(found[1])


def report(args: argparse.Namespace, settings: Settings) -> int:
    """Print the numbers of a school year: 0 when there are any, else 1. Raises `ValueError` for a year that is none."""
    zone = ZoneInfo(settings.record.timezone)
    year = school_year(args.year, datetime.now(UTC).astimezone(zone))
    store = settings.store
    cells = cells_of(store, f"{year}-{BEGINS:02}", f"{year + 1}-{BEGINS - 1:02}")
    if args.json:
        print(json.dumps({"year": f"{year}/{(year + 1) % 100:02}", "small": SMALL, "counted_to": counted_to(store),
                          "cells": [asdict(one) for one in cells]}))  # fmt: skip
    elif args.csv:
        writer = csv.writer(sys.stdout)
        names = [field.name for field in fields(Cell)]
        writer.writerow(names)
        for one in cells:
            writer.writerow([csv_cell(getattr(one, name)) for name in names])
    else:
        _table(cells, args.by or ["category"])
    print(f"log: school year {year}/{(year + 1) % 100:02}, counted to {counted_to(store)}", file=sys.stderr)
    print(f"log: what fewer than {SMALL} people did is told as {FEW}", file=sys.stderr)
    return 0 if cells else 1


def _table(cells: tuple[Cell, ...], by: list[str]) -> None:
    sums: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for one in cells:
        key = tuple(str(getattr(one, name)) or "-" for name in by)
        sums[key][0] += one.rows
        sums[key][1] += one.blocked
    print("".join(f"{name:<24}" for name in by) + f"{'requests':>14} {'blocked':>12}")
    for key, (rows, blocked) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0])):
        print("".join(f"{printable(name):<24}" for name in key) + f"{rows:>14,} {blocked:>12,}")
    total = [sum(column) for column in zip(*sums.values(), strict=True)] or [0, 0]
    print(f"{'in all':<{24 * len(by)}}{total[0]:>14,} {total[1]:>12,}")
