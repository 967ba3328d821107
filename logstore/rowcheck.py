"""Why a row can never be stored.

In comes a row that a batch failed over, out goes the reason, or nothing when it is sound. The reason names the field
and what was expected, never the content: it ends up in logs.
"""

from __future__ import annotations

from logstore.record import Ending, EndingKind, LogRecord

LONGEST = 100_000_000
"""Characters of the longest text that is stored; SQLite's own limit is ten times that in bytes."""

_INT = (1 << 63) - 1
_RECORD = {
    "int": "id time_us port",
    "str": "worker revision user_source client_address method scheme host action reason stage",
    "str?": "site user band device path query domain tier rule category list entry note",
    "bool": "verified shared page blocked",
    "tuple": "groups categories terms",
}
_ENDING = {
    "int": "bytes_up bytes_down duration_us repeats",
    "int?": "status",
    "str?": "content_type title error action reason rule category stage",
    "bool?": "page blocked",
}


def fault(record: object, ending: object) -> str | None:
    """What is wrong with a row; None when nothing is."""
    if not isinstance(record, LogRecord) or not isinstance(ending, Ending):
        return f"is a {type(record).__name__} and a {type(ending).__name__}, not a LogRecord and an Ending"
    kind: object = ending.kind
    if not isinstance(kind, EndingKind):
        return f"kind is a {type(kind).__name__}, not an EndingKind"
    for thing, kinds in ((record, _RECORD), (ending, _ENDING)):
        for expected, names in kinds.items():
            for name in names.split():
                if why := _wrong(expected, getattr(thing, name)):
                    return f"{name} {why}"
    return "id is negative" if record.id < 0 else None


def _wrong(expected: str, value: object) -> str | None:
    if expected.endswith("?") and value is None:
        return None
    match expected.removesuffix("?"), value:
        case "bool", bool():
            return None
        case "int", int():
            return None if -_INT <= value <= _INT else "does not fit 64 bits"
        case "str", str():
            return None if len(value) <= LONGEST else f"is longer than {LONGEST:,} characters"
        case "tuple", tuple():
            return next((f"holds what {why}" for item in value if (why := _wrong("str", item))), None)
        case wanted, _:
            return f"is a {type(value).__name__}, not a {wanted}"
