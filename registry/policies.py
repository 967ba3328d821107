"""Versions of the policy: drafts, reviews, and what was published, each with who, when and why.

A text and `By` go in; versions as they stand come out. The rules: what was published never changes; a risky change is
published by somebody who wrote none of it; every step is in the trail. Whether a text can be read, and what is risky,
is the policy's to say (`policy.rules`, `policy.risks`); that it is in force, the gateway's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from registry.change import By, RegistryError, RegistryProblem, begin, from_us, note, text_problems, to_us
from registry.samepeople import same_person
from registry.schema import policy_version as table

DRAFT, REVIEW, PUBLISHED, WITHDRAWN, REFUSED = "draft", "review", "published", "withdrawn", "refused"
STATES = (DRAFT, REVIEW, PUBLISHED, WITHDRAWN, REFUSED)
"""What a version may be: being written; waiting for a second person; published, now or once; given up; published, and
then found by a gateway not to build."""
OPEN = (DRAFT, REVIEW)
"""States in which a version may still change."""
FILE = "file"
"""Who wrote what was edited outside the console."""
LONGEST = 400_000
"""Most characters of a text."""
SAID = 60
"""Most sentences about a change that the trail keeps of one version."""


@dataclass(frozen=True, slots=True)
class Version:
    """One text of the policy."""

    id: int
    """Its number."""
    state: str
    """One of `STATES`."""
    title: str
    """What it is for, in a few words."""
    text: str
    """The policy file."""
    digest: str
    """Checksum of the text."""
    base: str
    """Checksum of the text it was begun from."""
    site: str | None
    """The one site whose own rules it changes; None: the trust's business."""
    authors: tuple[str, ...]
    """Everybody who wrote in it."""
    begun_at: datetime
    """When it was begun."""
    changed_at: datetime
    """When it was last written in."""
    asked_by: str | None
    """Who asked for a review."""
    asked_at: datetime | None
    """When."""
    why: str
    """Why it should be in force: who asked for a review first, then who published it."""
    published_by: str | None
    """Who published it."""
    published_at: datetime | None
    """When."""
    problem: str
    """Why a gateway did not take it."""

    def wrote(self, who: str) -> bool:
        """Whether somebody wrote in it."""
        return who.casefold() in {author.casefold() for author in self.authors}


def digest_of(text: str) -> str:
    """Checksum of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def start(
    connection: Connection, text: str, by: By, *, title: str, base: str, site: str | None = None, of: str = ""
) -> Version:
    """Begin a draft. `base` is the checksum of the policy in force; `of` says from which version it comes."""
    title = _title(title)
    _check_length(text)
    begin(connection, by)
    values = {
        "state": DRAFT,
        "title": title,
        "text": text,
        "digest": digest_of(text),
        "base": base,
        "site": site,
        "authors": json.dumps([by.who]),
        "begun_us": to_us(by.at),
        "changed_us": to_us(by.at),
        "why": "",
        "problem": "",
    }
    number = int(connection.execute(table.insert().values(**values).returning(table.c.id)).scalar_one())
    note(connection, by, "policy.draft.begin", _subject(number), None, {"title": title, "from": of, **_mark(text)})
    return get(connection, number)


def write(
    connection: Connection, number: int, text: str, by: By, *, seen: str, what: str = "", site: str | None = None,
    base: str | None = None,
) -> Version:  # fmt: skip
    """Write in a draft; one that waits for a review is a draft again. `seen` is the checksum of what the writer had
    before them: two who write at once follow each other. `what` says what was done, for the trail; `base` is the
    checksum of the policy in force when its changes were taken over."""
    _check_length(text)
    begin(connection, by)
    before = _open(connection, number)
    if before.digest != seen:
        raise RegistryError(RegistryProblem(before.title, "somebody else has written in it meanwhile", "look again"))
    base = before.base if base is None else base
    if (text, base) == (before.text, before.base):
        return before
    authors = before.authors if before.wrote(by.who) else (*before.authors, by.who)
    values = {"text": text, "digest": digest_of(text), "site": site, "base": base, "authors": json.dumps(authors),
              "changed_us": to_us(by.at), "state": DRAFT, "asked_by": None, "asked_us": None}  # fmt: skip
    _set(connection, number, values)
    told = {"what": what, **_mark(text)}
    note(connection, by, "policy.draft.write", _subject(number), _mark(before.text), told)
    return get(connection, number)


def rename(connection: Connection, number: int, title: str, by: By) -> Version:
    """Say anew what a draft is for. One that waits for a review is a draft again: the title is read first."""
    title = _title(title)
    begin(connection, by)
    before = _open(connection, number)
    if title == before.title:
        return before
    _set(connection, number, {"title": title, "state": DRAFT, "asked_by": None, "asked_us": None})
    note(connection, by, "policy.draft.rename", _subject(number), {"title": before.title}, {"title": title})
    return get(connection, number)


def ask(connection: Connection, number: int, by: By, *, seen: str) -> Version:
    """Ask for a review: somebody else reads it and publishes it."""
    begin(connection, by)
    before = _open(connection, number)
    _reason(before, by)
    if before.digest != seen:
        raise RegistryError(RegistryProblem(before.title, "somebody else has written in it meanwhile", "look again"))
    _set(connection, number, {"state": REVIEW, "asked_by": by.who, "asked_us": to_us(by.at), "why": by.why})
    note(connection, by, "policy.review.ask", _subject(number), None, {"title": before.title, **_mark(before.text)})
    return get(connection, number)


def withdraw(connection: Connection, number: int, by: By) -> Version:
    """Give a draft up."""
    begin(connection, by)
    before = _open(connection, number)
    _set(connection, number, {"state": WITHDRAWN, "changed_us": to_us(by.at)})
    note(connection, by, "policy.draft.withdraw", _subject(number), {"state": before.state}, {"state": WITHDRAWN})
    return get(connection, number)


def wrote(connection: Connection, version: Version, who: str) -> bool:
    """Whether somebody wrote in it, by this account or by another of theirs."""
    return version.wrote(who) or any(same_person(connection, author, who) for author in version.authors)


def check_publish(connection: Connection, version: Version, by: By, risks: Collection[str]) -> None:
    """Raise `RegistryError` when `by` may not publish it as it is."""
    problems = []
    if version.state not in OPEN:
        problems.append(RegistryProblem(version.title, f"is {version.state} and no draft", "begin a draft from it"))
    if risks and wrote(connection, version, by.who):
        problems.append(
            RegistryProblem(
                version.title,
                "needs a second person, because it is risky and you wrote in it",
                f"ask for a review; risky is: {'; '.join(sorted(risks)[:3])}",
            )
        )
    if risks and version.state == DRAFT:
        problems.append(RegistryProblem(version.title, "is risky, and nobody has asked for a review of it"))
    _reason(version, by, problems)


def publish(
    connection: Connection, number: int, by: By, *, seen: str, risks: Sequence[str], changes: Sequence[str]
) -> Version:
    """Put a version in force, as far as the register is concerned. `seen` is the checksum of the text that was read."""
    begin(connection, by)
    before = _open(connection, number)
    if before.digest != seen:
        raise RegistryError(RegistryProblem(before.title, "somebody else has written in it meanwhile", "look again"))
    check_publish(connection, before, by, risks)
    last = newest(connection)
    why = "; ".join(dict.fromkeys(filter(None, (before.why, by.why))))
    _set(
        connection,
        number,
        {"state": PUBLISHED, "published_by": by.who, "published_us": _after(last, to_us(by.at)), "why": why},
    )
    told = {"title": before.title, "authors": list(before.authors), "changes": list(changes[:SAID]),
            "risks": list(risks[:SAID]), **_mark(before.text)}  # fmt: skip
    known = None if last is None else {"version": last.id, **_mark(last.text)}
    note(connection, by, "policy.publish", _subject(number), known, told)
    return get(connection, number)


def adopt(connection: Connection, text: str, by: By, *, file: str) -> Version:
    """Keep the text that is in force and was never published here, so that there is a way back to it."""
    begin(connection, by)
    at = _after(newest(connection), to_us(by.at) - 1)
    values = {
        "state": PUBLISHED, "title": "As it was in its file", "text": text, "digest": digest_of(text), "base": "",
        "site": None, "authors": json.dumps([FILE]), "begun_us": at, "changed_us": at, "why": f"was in {file}"[:200],
        "published_by": FILE, "published_us": at, "problem": "",
    }  # fmt: skip
    number = int(connection.execute(table.insert().values(**values).returning(table.c.id)).scalar_one())
    note(connection, by, "policy.keep", _subject(number), None, {"file": file, **_mark(text)})
    return get(connection, number)


def _after(last: Version | None, at: int) -> int:
    """The moment, or the one after the newest version: what is published later is newer, whatever a clock says."""
    return at if last is None or last.published_at is None else max(at, to_us(last.published_at) + 1)


def refuse(connection: Connection, number: int, problem: str, by: By) -> Version:
    """Write down that a gateway did not take what was published: the one before is in force again."""
    begin(connection, by)
    _set(connection, number, {"state": REFUSED, "problem": problem[:2000]})
    note(connection, by, "policy.publish.refused", _subject(number), {"state": PUBLISHED}, {"problem": problem[:2000]})
    return get(connection, number)


def newest(connection: Connection) -> Version | None:
    """The version that was published last; None when none ever was."""
    query = select(table).where(table.c.state == PUBLISHED).order_by(table.c.published_us.desc(), table.c.id.desc())
    row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else _version(row)


def previous(connection: Connection, version: Version) -> Version | None:
    """The version that was in force before this one was published, or before now for one that never was."""
    query = select(table).where(table.c.state == PUBLISHED, table.c.id != version.id)
    if version.published_at is not None:
        query = query.where(table.c.published_us < to_us(version.published_at))
    row = connection.execute(query.order_by(table.c.published_us.desc(), table.c.id.desc()).limit(1)).mappings().first()
    return None if row is None else _version(row)


def versions(
    connection: Connection,
    states: Sequence[str],
    *,
    site: str | None = None,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Version]:
    """Versions in these states, newest first; those about one site, or all; those from before a moment."""
    when = func.coalesce(table.c.published_us, table.c.changed_us)
    query = select(table).where(table.c.state.in_(states)).order_by(when.desc(), table.c.id.desc()).limit(limit)
    if site is not None:
        query = query.where(table.c.site == site)
    if before is not None:
        query = query.where(when < to_us(before))
    return [_version(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, number: int) -> Version:
    """One version. Raises `RegistryError` when there is none."""
    row = connection.execute(select(table).where(table.c.id == number)).mappings().first()
    if row is None:
        raise RegistryError(RegistryProblem(_subject(number), "there is none"))
    return _version(row)


def known(connection: Connection, digest: str) -> Version | None:
    """The newest version with that text; None when the text was never kept here."""
    query = select(table).where(table.c.digest == digest, table.c.state == PUBLISHED).order_by(table.c.id.desc())
    row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else _version(row)


def facts(version: Version) -> dict[str, Any]:
    """A version in JSON, without its text."""
    names = ("id", "state", "title", "digest", "base", "site", "authors", "begun_at", "changed_at", "asked_by",
             "asked_at", "why", "published_by", "published_at", "problem")  # fmt: skip
    return {name: getattr(version, name) for name in names}


def _open(connection: Connection, number: int) -> Version:
    found = get(connection, number)
    if found.state not in OPEN:
        raise RegistryError(RegistryProblem(found.title, f"is {found.state} and no draft", "begin a draft from it"))
    return found


def _check_length(text: str) -> None:
    if len(text) > LONGEST:
        what = f"has {len(text):,} characters, and a policy at most {LONGEST:,}"
        raise RegistryError(RegistryProblem("policy", what, "put long rows of hosts into a list of their own"))


def _set(connection: Connection, number: int, values: dict[str, Any]) -> None:
    connection.execute(update(table).where(table.c.id == number).values(**values))


def _title(title: str) -> str:
    title = " ".join(title.split())
    problems = text_problems("draft", "title", title)
    if not title:
        problems.append(RegistryProblem("draft", "needs a title", "say what it is for, in a few words"))
    if problems:
        raise RegistryError(*problems)
    return title


def _reason(version: Version, by: By, problems: list[RegistryProblem] | None = None) -> None:
    found = [*(problems or ()), *text_problems(version.title, "reason", by.why)]
    if not by.why.strip():
        found.append(RegistryProblem(version.title, "needs a reason", "say why, in a few words"))
    if found:
        raise RegistryError(*found)


def _subject(number: int) -> str:
    return f"policy version {number}"


def _mark(text: str) -> dict[str, str]:
    return {"digest": digest_of(text)}


def _version(row: RowMapping) -> Version:
    begun, changed = from_us(row["begun_us"]), from_us(row["changed_us"])
    if begun is None or changed is None:
        raise RuntimeError(f"policy version {row['id']} has no time")
    same = ("id", "state", "title", "text", "digest", "base", "site", "asked_by", "why", "published_by", "problem")
    return Version(
        **{name: row[name] for name in same},
        authors=tuple(json.loads(row["authors"])),
        begun_at=begun,
        changed_at=changed,
        asked_at=from_us(row["asked_us"]),
        published_at=from_us(row["published_us"]),
    )
