"""What a reader sees of an HTML page: its text, without tags, scripts, styles and comments.

In comes the source, a piece at a time; out comes text, entities decoded, in which what shows no border (a tag within a
line such as `<b>`, a comment, a script) is the character `MARK`, and any other tag a blank. Read as browsers read it
where a page could otherwise hide words from us: quoted attributes, `<!-->`, scripts named in titles. What begins and
does not end goes on to the end of what there is, so every character is looked at a bounded number of times, whatever
the source is. Where a `<style>` may be one or may be text (in drawings, `<noscript>`, XML) `categories.unsuremarkup`
reads. Pure; never raises for what a page contains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from categories.entities import begun as reference_begun
from categories.entities import characters, shortened
from categories.unsuremarkup import Unsure

MARK = "\x01"
"""Stands for what shows no border: words go on through it, or end at it, as the reader of the text likes."""
LONGEST_WORD = 4096
"""Characters without a blank after which a word may be cut."""

_KEPT = 1024
"""Characters of an unfinished tag that are kept to be read again with more of it."""
_FEW, _MORE, _MANY, _ALL = 4, 64, 1024, 0
"""Tags that are read at once: behind a drawing, at first, at most, and where there is no drawing. What comes behind one
is read again."""
_STRETCH, _DRAWINGS = 2048, 16
"""Characters that are read at once where there are more drawings and the like than that."""
_NAMES, _LONGEST_NAME = 1024, 24
"""Names of elements that are remembered, as they are written, and their characters."""
_TAIL = 12
"""Characters in which an end (`</textarea `, `--!>`) may have begun."""
_BLANKS = r"\t\n\f\r\x20"
"""HTML's own; Python's `\\s` has others, which are letters of a name there."""
_BORDERS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "br", "button", "caption", "center", "col", "colgroup"),
        *("dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form"),
        *("frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html", "input"),
        *("legend", "li", "main", "menu", "nav", "ol", "optgroup", "option", "p", "pre", "search", "section"),
        *("select", "summary", "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "title", "tr", "ul"),
        *("iframe", "noframes", "noembed", "noscript", "xmp", "plaintext", "listing", "video", "audio", "rt", "rp"),
    )
)
"""Elements that part words. Any other, also one that nobody knows, stands within a line."""
_UNSURE = frozenset(("svg", "math", "noscript", "iframe", "noembed", "noframes", "xmp", "plaintext"))
"""Elements whose content is text or markup, as the browser and its settings are."""
# A tag from behind its name to its end: what begins and does not end goes on to the end of what there is.
_REST = (
    rf"""(?:[{_BLANKS}/]++|(?:=[^{_BLANKS}/>=]*+|[^{_BLANKS}/>=]++)"""
    rf"""(?:[{_BLANKS}]*+=[{_BLANKS}]*+(?:"[^"]*+(?:"|%s\Z)|'[^']*+(?:'|%s\Z)"""
    rf"""|[^{_BLANKS}>"'][^{_BLANKS}>]*+)?+)?+)*+(?:>|%s\Z)"""
)
_TO_END = _REST % ("", "", "")
_OPEN = _REST % ("(?P<double>)", "(?P<single>)", "(?P<tag>)")


def _cased(word: str) -> str:
    """In both cases: matching that heeds no case is half as fast."""
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


def _set(letters: set[str]) -> str:
    return f"[{''.join(sorted(letters | {letter.upper() for letter in letters}))}]"


# Most tags begin with other letters: asked for two of them first, it is several times as fast.
_UNSURE_TAG = re.compile(
    f"<(?={_set({name[0] for name in _UNSURE})}{_set({name[1] for name in _UNSURE})})(?i:{'|'.join(sorted(_UNSURE))})"
)


def _with_content(name: str) -> str:
    """A begun element in which tags mean nothing, to its end."""
    return rf"{_cased(name)}(?=[{_BLANKS}/>]){_TO_END}[^<]*+(?:<(?!/{_cased(name)}[{_BLANKS}/>])[^<]*+)*+"


_NAME = rf"[a-zA-Z][^{_BLANKS}/>]*+"
# A tag as most are, ended as `_TO_END` ends it: every value in quotes stands right behind a name and `=`, or nothing is
# in quotes at all. All else is the second group.
_TOKENS = re.compile(
    rf"""<(?:
        (?![sStT](?:{"|".join(map(_cased, ("cript", "tyle", "itle", "extarea")))})[{_BLANKS}/>])
        /?({_NAME})
        (?:>|[^"'=>]*+(?:(?<![{_BLANKS}/"'])=(?:"[^"]*+"|'[^']*+'|[^{_BLANKS}"'=>]++(?=[{_BLANKS}>]))[^"'=>]*+)*+>)
      | ({"|".join(map(_with_content, ("script", "style", "title", "textarea")))}
      | /?{_NAME}{_TO_END}
      | !--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>|\Z))
      | [!?/][^>]*+(?:>|\Z))
    )""",
    re.VERBOSE,
)
_ELEMENT = re.compile(rf"<(/?)({_NAME}){_TO_END}")
_TAG = re.compile(rf"</?(?P<name>[a-z][^{_BLANKS}/>]*+){_OPEN}", re.IGNORECASE | re.ASCII)
_RESUMED = {
    "tag": re.compile(_OPEN),
    "double": re.compile(rf'[^"]*+(?:"|(?P<still>\Z)){_OPEN}'),
    "single": re.compile(rf"[^']*+(?:'|(?P<still>\Z)){_OPEN}"),
}
_CLOSES_ITSELF = re.compile(rf"""^<(?i:svg|math)(?:[^=]*|.*[{_BLANKS}"'])/>\Z""", re.DOTALL)
_BEGUN = re.compile(r"<(?:!-{0,3}|/?[a-z]{0,12})?\Z", re.IGNORECASE)
_LONGEST_BEGUN = len("</abcdefghijkl")
_ENDS = {
    "comment": re.compile(r"--!?>"),
    "bogus": re.compile(r">"),
    **{
        name: re.compile(rf"(?=</{name}[{_BLANKS}/>])", re.IGNORECASE | re.ASCII)
        for name in ("script", "style", "title", "textarea")
    },
}
_SHOWN = ("title", "textarea")
_HELD = ("script", "style", *_SHOWN)


class _Unfinished(NamedTuple):
    """What the source so far has begun and not ended."""

    what: str
    """`tag`, `double` and `single` (in a quoted value), `comment`, `bogus`, or the name of an element."""
    then: str = ""
    """For a tag: the element whose text follows it, when tags mean nothing in that."""


class Visible:
    """Reads one page. `feed` gives what can be told so far, up to the end of a word; the last piece gives the rest."""

    def __init__(self, *, markup: bool = True, xml: bool = False) -> None:
        """`markup` is False for plain text; `xml` is True where elements close themselves and CDATA is text."""
        self._markup, self._xml = markup, xml
        self._source = ""
        self._word = ""
        self._within: _Unfinished | None = None
        self._unsure = Unsure("", _border) if markup and xml else None
        self._step = _MORE

    def feed(self, source: str, *, last: bool = False) -> str:
        """The text of one more piece."""
        text = self._word + (self._shown(source, last).replace("\0", "") if self._markup else source)
        self._word = ""
        if not last:
            end = max(text.rfind(" "), text.rfind("\n")) + 1
            if end or len(text) <= LONGEST_WORD:
                text, self._word = text[:end], text[end:]
            elif self._markup:
                end = reference_begun(text)
                text, self._word = text[:end], shortened(text[end:])
        return characters(text) if self._markup else text

    def _shown(self, source: str, last: bool) -> str:
        """The text of a piece; of one with many drawings a stretch at a time, as behind each its rest is read anew."""
        if len(source) <= _STRETCH or self._xml:
            return self._read(source, last)
        drawings = len(_UNSURE_TAG.findall(source))
        if drawings <= _DRAWINGS:
            self._step = self._step if drawings else _ALL
            return self._read(source, last)
        parts, begin = [], 0
        while begin < len(source):
            end = source.find("<", begin + _STRETCH)  # no tag is cut
            end = len(source) if end < 0 else end
            parts.append(self._read(source[begin:end], last and end == len(source)))
            begin = end
        return "".join(parts)

    def _read(self, source: str, last: bool) -> str:
        """The text of a piece, stretch by stretch."""
        parts: list[str] = []
        rest: str | None = source
        while rest is not None:
            if self._unsure is None:
                shown, rest = self._without_tags(rest, last)
            else:
                shown, rest = self._unsure.read(rest, last)
                if rest is not None:
                    self._unsure = None
            parts.append(shown)
        return "".join(parts)

    def _without_tags(self, source: str, last: bool) -> tuple[str, str | None]:
        """The text up to where it is unsure what is text, and the source from there; None without such a place."""
        source = self._source + source
        self._source = before = ""
        while self._within is not None:
            shown, source = self._go_on(self._within, source, last)
            before += shown
            if self._unsure is not None:
                return before, source
            if self._within is not None and not source:
                return before, None
        begun = None if last else _BEGUN.search(source, max(0, len(source) - _LONGEST_BEGUN))
        if begun is not None:
            source, self._source = source[: begun.start()], source[begun.start() :]
        parts, step = [before], self._step
        while True:
            pieces = _TOKENS.split(source, step)
            names, others = pieces[1::3], pieces[2::3]
            marks = list(map(_shown.__getitem__, names))
            tokens, at = None, 0
            for number in _special(marks):
                marks[number], unsure = _told(names[number], others[number])
                if unsure is not None:
                    tokens = tokens or _TOKENS.finditer(source)
                    found, at = next(islice(tokens, number - at, None)), number + 1
                    if _opens(found.group()):
                        parts += _woven(pieces[: 3 * number + 1 : 3], marks[: number + 1])
                        self._unsure, self._step = Unsure(unsure, _border), _FEW
                        rest, self._source = source[found.end() :] + self._source, ""
                        return "".join(parts), rest
            source = pieces.pop()
            parts += _woven(pieces[::3], marks)
            if len(marks) < step or step == _ALL or not source:
                break
            step = min(2 * step, _MANY)
        parts.append(source)
        if marks and not source and others[-1] is not None:
            token = f"<{others[-1]}"
            self._within = _unfinished(token)
            tagged = self._within is not None and self._within.what in _RESUMED
            if tagged and not last and len(token) <= _KEPT:
                self._source, self._within = token + self._source, None
                return "".join(parts[:-2]), None  # told again then
            if self._within is not None and self._within.what == "comment":
                self._source = token[len("<!--") :][-_TAIL:] + self._source  # where its end may have begun
        return "".join(parts), None

    def _go_on(self, within: _Unfinished, source: str, last: bool) -> tuple[str, str]:
        """What is shown of the source that goes on within something, and the source behind its end, if it ends."""
        if within.what in _RESUMED:
            found = _RESUMED[within.what].match(source)
            still = None if found is None else found.lastgroup
            if found is None or still is not None:
                self._within = within if still in {None, "still"} else _Unfinished(str(still), within.then)
                return "", ""
            if within.then in _UNSURE:
                self._within = None
                self._unsure = Unsure(within.then if within.then != "plaintext" else "", _border)
                return "", source[found.end() :]
            self._within = _Unfinished(within.then) if within.then else None
            return "", source[found.end() :]
        end = _ENDS[within.what].search(source)
        if end is not None:
            self._within, cut = None, end.start()
            rest = source[end.end() :]
        else:
            cut = len(source) if last else max(0, len(source) - _TAIL)
            self._source, rest = source[cut:], ""
        shown = source[:cut].replace("<", " ") if within.what in _SHOWN else ""
        return shown, rest


class _Shown(dict[str | None, str | None]):
    """What stands for a tag by its name as it is written; None for what wants a look. Few are remembered."""

    def __missing__(self, name: str | None) -> str | None:
        lower = None if name is None else name.lower()
        found = None if lower is None or lower in _UNSURE else _border(lower)
        if len(self) < _NAMES and (name is None or len(name) <= _LONGEST_NAME):
            self[name] = found
        return found


_shown = _Shown()


def _special(marks: list[str | None]) -> Iterator[int]:
    """Which want a look; each is given its mark before the next is asked for."""
    number = -1
    with suppress(ValueError):
        while True:
            yield (number := marks.index(None, number + 1))


def _told(name: str | None, other: str | None) -> tuple[str, str | None]:
    """What stands for a token that is no usual tag; and what to call the stretch it begins, where that is not sure."""
    closes = ""
    if other is not None:
        if other[0] == "!":
            return MARK, None
        found = _ELEMENT.match(f"<{other}")
        if found is None:
            return MARK, None
        closes, name = found.groups()
        if not closes and name.lower() in _SHOWN:
            return f" {other[found.end() - 1 :].replace('<', ' ')}", None
    lower = "" if name is None else name.lower()
    unsure = lower in _UNSURE and not closes
    return _border(lower), (lower if lower != "plaintext" else "") if unsure else None


def _woven(texts: list[str], marks: list[Any]) -> list[str]:
    """One text, one mark, in turn."""
    woven = [""] * (2 * len(marks))
    woven[::2], woven[1::2] = texts, marks
    return woven


def _border(name: str) -> str:
    """What stands for a tag."""
    return " " if name in _BORDERS else MARK


def _opens(token: str) -> bool:
    """Whether a tag is whole and begins an element. `<svg x=y/>` does; and so does what is not sure."""
    found = None if token.startswith("</") else _TAG.match(token)
    return found is not None and found.lastgroup == "name" and _CLOSES_ITSELF.search(token) is None


def _unfinished(token: str) -> _Unfinished | None:
    """What a token that reaches the end of the source has left open; None when it is whole."""
    if token.startswith("<!--"):
        whole = token.endswith("-->") or (token.endswith("--!>") and len(token) > len("<!---!>"))
        return None if whole else _Unfinished("comment")
    found = _TAG.match(token)
    if found is None:
        return None if token.endswith(">") else _Unfinished("bogus")
    name = found["name"].lower()
    holds = name if (name in _HELD or name in _UNSURE) and not token.startswith("</") else ""
    if found.lastgroup != "name":
        return _Unfinished(str(found.lastgroup), holds)
    return _Unfinished(holds) if holds in _HELD else None
