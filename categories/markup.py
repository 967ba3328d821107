"""What a reader sees of an HTML page: its text, without tags, scripts, styles and comments.

In comes the source, a piece at a time; out comes text, entities decoded, in which what shows no border (a tag within a
line such as `<b>`, a comment, a script) is the character `MARK`, and any other tag a blank. Read as browsers read it
where a page could otherwise hide words from us: quoted attributes, `<!-->`, scripts named in titles. What begins and
does not end goes on to the end of what there is, so every character is looked at a bounded number of times, whatever
the source is. Pure; never raises for what a page contains.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

MARK = "\x01"
"""Stands for what shows no border: words go on through it, or end at it, as the reader of the text likes."""
LONGEST_WORD = 4096
"""Characters without a blank after which a word may be cut."""

_KEPT = 1024
"""Characters of an unfinished tag that are kept to be read again with more of it."""
_TAIL = 12
"""Characters in which an end (`</textarea `, `--!>`) may have begun."""
_WITHIN = (
    *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins"),
    *("kbd", "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u"),
    *("var", "wbr"),
)
_NO_BORDER = frozenset((*_WITHIN, "script", "style"))
# A tag from behind its name to its end: what begins and does not end goes on to the end of what there is.
_REST = (
    r"""(?:[\s/]++|(?:=[^\s/>=]*+|[^\s/>=]++)"""
    r"""(?:\s*+=\s*+(?:"[^"]*+(?:"|%s\Z)|'[^']*+(?:'|%s\Z)|[^\s>"'][^\s>]*+)?+)?+)*+(?:>|%s\Z)"""
)
_TO_END = _REST % ("", "", "")
_OPEN = _REST % ("(?P<double>)", "(?P<single>)", "(?P<tag>)")
# Names are spelled in both cases: matching that heeds no case is half as fast.
_TOKEN = re.compile(
    rf"""<(?:
        (?P<raw>[sS](?:[cC][rR][iI][pP][tT]|[tT][yY][lL][eE]))(?=[\s/>]){_TO_END}
        [^<]*+(?:<(?!/(?i:(?P=raw))[\s/>])[^<]*+)*+
      | (?P<shown>[tT](?i:itle|extarea))(?=[\s/>]){_TO_END}(?P<text>[^<]*+(?:<(?!/(?i:(?P=shown))[\s/>])[^<]*+)*+)
      | /?(?P<name>[a-zA-Z][^\s/>]*+){_TO_END}
      | !--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>|\Z))
      | [!?/][^>]*+(?:>|\Z)
    )""",
    re.VERBOSE,
)
_TAG = re.compile(rf"</?(?P<name>[a-z][^\s/>]*+){_OPEN}", re.IGNORECASE)
_RESUMED = {
    "tag": re.compile(_OPEN),
    "double": re.compile(rf'[^"]*+(?:"|(?P<still>\Z)){_OPEN}'),
    "single": re.compile(rf"[^']*+(?:'|(?P<still>\Z)){_OPEN}"),
}
_BEGUN = re.compile(r"<(?:!-{0,3}|/?[a-z]{0,12})?\Z", re.IGNORECASE)
_ENDS = {
    "comment": re.compile(r"--!?>"),
    "bogus": re.compile(r">"),
    **{name: re.compile(rf"(?=</{name}[\s/>])", re.IGNORECASE) for name in ("script", "style", "title", "textarea")},
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

    def __init__(self, *, markup: bool = True) -> None:
        """`markup` is False for plain text."""
        self._markup = markup
        self._source = ""
        self._word = ""
        self._within: _Unfinished | None = None
        self._length = 0
        self._last_token = -1

    def feed(self, source: str, *, last: bool = False) -> str:
        """The text of one more piece."""
        text = self._word + (self._without_tags(source, last) if self._markup else source)
        self._word = ""
        if not last:
            end = max(text.rfind(" "), text.rfind("\n")) + 1
            if end or len(text) <= LONGEST_WORD:
                text, self._word = text[:end], text[end:]
        return html.unescape(text) if self._markup and "&" in text else text

    def _without_tags(self, source: str, last: bool) -> str:
        source = self._source + source
        self._source = before = ""
        while self._within is not None:
            shown, source = self._go_on(self._within, source, last)
            before += shown
            if self._within is not None and not source:
                return before
        begun = None if last else _BEGUN.search(source, max(0, len(source) - _KEPT))
        if begun is not None:
            source, self._source = source[: begun.start()], source[begun.start() :]
        self._length, self._last_token = len(source), -1
        text = _TOKEN.sub(self._replaced, source)
        if self._last_token >= 0:
            token = source[self._last_token :]
            self._within = _unfinished(token)
            tagged = self._within is not None and self._within.what in _RESUMED
            if tagged and not last and len(token) <= _KEPT:
                self._source, self._within = token + self._source, None
                text = text[:-1]  # told again then
        return before + text

    def _go_on(self, within: _Unfinished, source: str, last: bool) -> tuple[str, str]:
        """What is shown of the source that goes on within something, and the source behind its end, if it ends."""
        if within.what in _RESUMED:
            found = _RESUMED[within.what].match(source)
            still = None if found is None else found.lastgroup
            if found is None or still is not None:
                self._within = within if still in {None, "still"} else _Unfinished(str(still), within.then)
                return "", ""
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

    def _replaced(self, found: re.Match[str]) -> str:
        if found.end() == self._length:
            self._last_token = found.start()
        kind = found.lastgroup
        if kind == "name":
            return MARK if found["name"].lower() in _NO_BORDER else " "
        return f" {found['text'].replace('<', ' ')}" if kind == "text" else MARK


def _unfinished(token: str) -> _Unfinished | None:
    """What a token that reaches the end of the source has left open; None when it is whole."""
    if token.startswith("<!--"):
        return None if token.endswith(("-->", "--!>")) else _Unfinished("comment")
    found = _TAG.match(token)
    if found is None:
        return None if token.endswith(">") else _Unfinished("bogus")
    name = found["name"].lower()
    holds = name if name in _HELD and not token.startswith("</") else ""
    if found.lastgroup != "name":
        return _Unfinished(str(found.lastgroup), holds)
    return _Unfinished(holds) if holds else None
