"""Sources of lists: one more, by URL or as a file whose lines are told first; how one is looked for; one no longer.

The rule: what people decide goes into the register here; fetching, checking and taking is the gateway's, aside.
Statutory lists are LOCKED: no page changes them.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from categories.sources import LIMIT
from console import filling
from console.listdoors import ListLook, ListWanted
from console.page import Answer, Ask, Go, Page, Refused, Shown
from registry.change import By, RegistryError, RegistryProblem
from registry.sources import FORMATS

FILE_BYTES = 16 * 1024 * 1024
"""Largest file of a list here; larger ones lie at a URL or come by `schoolgate lists add`."""
EVERY = {"": "when somebody asks", "1": "every hour", "6": "every six hours", "24": "every day", "168": "every week"}
"""How often a source is looked for, in hours, to pick from."""
FIELDS = ("name", "url", "format", "category", "every", "sha256", "checksum_url", "key", "licence", "url_match",
          "limit", "apply_to", "max_mb", "why")  # fmt: skip
"""What the form of a new list holds."""
MATCHES = {"exact": "its own host", "parents": "its own host and those below it"}
"""What a URL entry fits."""
APPLIED = {
    "search": "what people search for",
    "search,url": "searches and addresses",
    "page": "pages",
    "search,page": "searches and pages",
    "search,url,page": "searches, addresses and pages",
    "url": "addresses",
    "url,page": "addresses and pages",
}
"""Where phrases may be looked for, to pick from."""
READING = ("url_match", "limit", "apply_to", "max_mb")
"""Fields that say how a list is read, and how large it may be."""
NAME = "the file"
"""How a file is called in problems."""


def show_new(ask: Ask) -> Answer:
    """The form."""
    return _form(ask, None, "")


def add(ask: Ask) -> Answer:
    """Add a URL at once; of a file tell first which lines are left out or mean something else."""
    by, wanted, session = _by(ask), _wanted(ask), ask.me.session
    key, data = ask.form.get("kept", ""), ask.files.get("file", b"")
    if key:
        kept = ask.house.pending.get(session, key, ask.now)
        if kept is None:
            raise RegistryError(RegistryProblem(NAME, "was kept for a quarter of an hour, no longer", "send it again"))
        if ask.form.get("seen") != _mark(wanted.format, kept):
            raise RegistryError(RegistryProblem(NAME, "is not the one that was shown", "send it again"))
        ask.house.doors.add_list(wanted, kept, by)
        ask.house.pending.drop(key)
        return Go(f"/lists?done=add&name={quote(wanted.name)}")
    if data and wanted.url:
        raise RegistryError(RegistryProblem("list", "is a URL and a file at once", "fill in one of them"))
    if data:
        if wanted.format == "ut1":
            raise RegistryError(RegistryProblem(NAME, "a tree of lists is not taken here", "give its URL"))
        look = ask.house.doors.look_through(data, wanted.format)
        return _form(ask, look, ask.house.pending.keep(session, data, ask.now), _mark(wanted.format, data))
    ask.house.doors.add_list(wanted, None, by)
    return Go(f"/lists?done=add&name={quote(wanted.name)}")


def show_change(ask: Ask) -> Answer:
    """How one source is looked for, and every line of it that is left out or means something else."""
    name = ask.path["name"]
    one = next((one for one in ask.house.doors.lists().sources if one["name"] == name and "location" in one), None)
    if one is None:
        raise Refused("No such list", "No list of that name was added. Statutory and configured lists stay.", 404)
    look, problem = None, ""
    try:
        look = ask.house.doors.list_lines(name)
    except RegistryError as error:
        problem = str(error)
    told = {key: value for key, value in one.items() if key not in {"key", "changes"}}
    hours = "" if not one["every"] else f"{one['every'] / 3600:g}"
    view = {
        "one": told,
        "look": look,
        "problem": problem,
        "problems": ask.problems,
        "every": EVERY if hours in EVERY else {**EVERY, hours: f"every {hours} hours"},
        "form": {"every": hours, "licence": one["licence"], **_sums(one), **ask.form},
    }
    return Shown(data={"source": told, "lines": _facts(look)}, view=view)


def change(ask: Ask) -> Answer:
    """Decide anew how it is looked for, or use it no longer."""
    name, by = ask.path["name"], _by(ask)
    match ask.form.get("do", ""):
        case "remove":
            ask.house.doors.remove_list(name, by)
            return Go(f"/lists?done=remove&name={quote(name)}")
        case "change":
            ask.house.doors.change_list(_wanted(ask, name), by)
            return Go(f"/lists/of/{quote(name, safe='')}?done=change")
    raise RegistryError(RegistryProblem(name, "nothing to do was said"))


def _by(ask: Ask) -> By:
    """Who decides, in the whole trust, and why."""
    if ask.me.site is not None:
        what = f"lists hold in the whole trust, and you are here for {ask.me.site}"
        raise RegistryError(RegistryProblem("lists", what, "allow or block it at your site"))
    by = ask.by(ask.form.get("why", ""))
    if not by.why:
        raise RegistryError(RegistryProblem("list", "needs a reason", "say why, in a few words"))
    return by


def _wanted(ask: Ask, name: str = "") -> ListWanted:
    told = {field: ask.form.get(field, "").strip() for field in FIELDS if field not in {"every", "why", *READING}}
    told["name"] = name or told["name"].lower()
    told["sha256"] = told["sha256"].lower()
    text = ask.form.get("every", "")
    try:
        every = timedelta(hours=float(text)) if text else None
    except (ValueError, OverflowError) as error:
        raise RegistryError(RegistryProblem("every", f"{text[:20]!r} is no number of hours", "24")) from error
    megabytes = _number(ask, "max_mb", "megabytes", "8")
    return ListWanted(
        **{**told, "format": told["format"] or "domains"},
        every=every,
        url_match=ask.form.get("url_match") or "exact",
        limit=_number(ask, "limit", "a score", "60"),
        apply_to=tuple((ask.form.get("apply_to") or "search").split(",")),
        max_bytes=None if megabytes is None else megabytes * 1024**2,
    )


def _number(ask: Ask, field: str, what: str, right: str) -> int | None:
    text = ask.form.get(field, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise RegistryError(RegistryProblem(field, f"{text[:20]!r} is no whole number of {what}", right))
    return int(text)


def _form(ask: Ask, look: ListLook | None, kept: str, seen: str = "") -> Shown:
    view: dict[str, Any] = {
        "form": {field: ask.form.get(field, "") for field in FIELDS},
        "formats": FORMATS,
        "matches": MATCHES,
        "applied": APPLIED,
        "usual_limit": LIMIT,
        "every": EVERY,
        "categories": filling.fillable(ask),
        "largest": FILE_BYTES // 1024**2,
        "problems": ask.problems,
        "look": look,
        "kept": kept,
        "seen": seen,
        "trust": ask.me.site is None,
    }
    return Shown(data={"formats": FORMATS, "lines": _facts(look)}, view=view)


def _sums(one: Any) -> dict[str, str]:
    return {name: one.get(name) or "" for name in ("sha256", "checksum_url")}


def _facts(look: ListLook | None) -> dict[str, Any] | None:
    return None if look is None else asdict(look)


def _mark(format: str, data: bytes) -> str:
    """What stands for a file read in one format: what is taken is what was shown."""
    return f"{format}:{hashlib.sha256(data).hexdigest()}"


PAGES = (
    Page(name="list-new", path="/lists/new", title="A new list", show=show_new, act=add, template="listnew.html",
         twins=False, form_bytes=FILE_BYTES),
    Page(name="list-change", path="/lists/of/{name}/change", title="A list", show=show_change, act=change,
         template="listchange.html"),
)  # fmt: skip
