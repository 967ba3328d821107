"""e2guardian's phrase lists: `<phrase>`, `<phrase><weight>`, `<one>,<two><weight>`.

In comes one file of a phrase list, in whatever charset; out come `ScoredPhrase` values, what the file says about itself
and includes, and every line that is not read or means something else. A phrase with a weight is weighted, one without
is banned or, in an exception list, an exception: the weight decides, not the name of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from categories.importers.charsets import charset_named, charsets_for, decoded, settled
from categories.importers.e2guardian_items import About, about, include_of
from categories.importers.told import Told
from categories.model import Problem
from categories.parse import Line, Refused, problem, raw_lines, shown
from categories.scoring import LONGEST_PHRASE, PhraseKind, ScoredPhrase, scored_text

_PART = r"<[^<>]*>"
_LINE = re.compile(rf"(?P<parts>{_PART}(?:\s*,\s*{_PART})*)\s*(?:<(?P<weight>-?\d+)(?P<percent>%?)>)?(?P<rest>.*)")
_BLANK_BETWEEN = "has a blank beside its comma; taken as the combination it looks like"
_BEHIND = "has text behind it that is no comment; it is not read"
_ZERO = "weight 0 is no weight: e2guardian takes it as banned (in an exception list, as an exception); so is it here"
_NO_CASE = "`#noconvert`: in e2guardian these phrases keep their case; here case never matters"
_CUT = f"is longer than {LONGEST_PHRASE} characters; the rest is not looked for, as in e2guardian"


@dataclass(frozen=True, slots=True)
class PhraseFile:
    """How a phrase file is read."""

    name: str
    """List name for evidence and problems, usually its path below the imported folder."""
    category: str = ""
    """What its phrases are about."""
    exceptions: bool = False
    """True when it is part of an exception phrase list."""
    path: str = ""
    """Its path when that is not its name: the words of it tell the charset."""


def read_phrases(stream: BinaryIO, file: PhraseFile) -> Iterator[ScoredPhrase | About | Problem]:
    """Read a phrase file. Its own `#listcategory` is told as `About`; `file.category` is what phrases are given."""
    told = Told(file.name)
    for item in phrase_texts(stream, file.name, file.path):
        yield from (item,) if isinstance(item, Problem) else read_line(item, file, told)
    yield from told.told()


def read_line(line: Line, file: PhraseFile, told: Told) -> Iterator[ScoredPhrase | About | Problem]:
    """What one line says: a phrase, something about the file, a comment, or nothing that can be understood."""
    if line.text.startswith("#"):
        if line.text.lower().startswith("#noconvert"):
            told.see(line, _NO_CASE, taken=True)
        yield from about(line)
    elif include := include_of(line):
        yield include
    else:
        try:
            yield phrase_of(line, file, told)
        except Refused as why:
            yield problem(file.name, line.number, line.text, str(why))


def phrase_of(line: Line, file: PhraseFile, told: Told) -> ScoredPhrase:
    """One line as a phrase. Raises `Refused`."""
    found = _LINE.fullmatch(line.text)
    if found is None:
        raise Refused(_whats_wrong(line.text))
    rest = found["rest"].strip()
    if rest.startswith(("<", ",")):
        raise Refused(_whats_wrong(line.text))
    written = re.findall(_PART, found["parts"])
    parts = tuple(dict.fromkeys(_part(text[1:-1], line, told) for text in written))
    weight = int(found["weight"] or 0)
    if rest and not rest.startswith("#"):
        told.see(line, _BEHIND, taken=True)
    if re.search(r"\s,|,\s", re.sub(_PART, "", found["parts"])):
        told.see(line, _BLANK_BETWEEN, taken=True)
    if found["weight"] and not weight:
        told.see(line, _ZERO, taken=True)
    plain = PhraseKind.EXCEPTION if file.exceptions else PhraseKind.BANNED
    kind = PhraseKind.WEIGHTED if weight else plain
    percent = bool(weight and found["percent"])
    return ScoredPhrase(parts, kind, weight, percent, file.category, file.name, line.number)


def _part(text: str, line: Line, told: Told) -> str:
    part = scored_text(text)
    if not part.strip():
        raise Refused("has a phrase with nothing to look for: punctuation counts as a blank")
    if len(part) > LONGEST_PHRASE:
        told.see(line, _CUT, taken=True)
    return part[:LONGEST_PHRASE]


def _whats_wrong(text: str) -> str:
    if "<" not in text:
        return "has no `<…>`; e2guardian does not read it"
    if text.count("<") != text.count(">") or re.search(r"<[^>]*<|>[^<]*>", text):
        return "has a bracket that is not closed; write `<phrase><weight>` or `<one>,<two><weight>`"
    if re.search(r"><[^<>]*[^-\d%<>][^<>]*>\s*(?:#.*)?$", text):
        return "has a weight that is no whole number; write `<phrase><25>`"
    return "puts phrases together without a comma; write `<one>,<two><weight>`"


def phrase_texts(stream: BinaryIO, name: str, path: str = "") -> Iterator[Line | Problem]:
    """Every line that is not blank, decoded. A comment that names a charset says what follows is in it."""
    read = list(raw_lines(stream, name))
    hinted = charsets_for(path or name)
    charsets = settled(hinted, (item[1] for item in read if not isinstance(item, Problem)))
    if charsets != hinted:
        why = f"by its name the file is in {hinted[0]}, by its letters in {charsets[0]}; read as {charsets[0]}"
        yield problem(name, 0, name, why, taken=True)
    for item in read:
        if isinstance(item, Problem):
            yield item
            continue
        number, raw = item
        if raw.startswith(b"#") and raw.isascii() and (named := charset_named(raw.decode("ascii"))):
            charsets = (named, *(charset for charset in charsets if charset != named))
        text = decoded(raw, charsets)
        if text is None:
            if not raw.lstrip().startswith(b"#"):
                why = f"is in none of the charsets utf-8, {', '.join(charsets)}; convert the file to UTF-8"
                yield problem(name, number, shown(raw), why)
        elif text.strip():
            yield Line(number, text.strip())
