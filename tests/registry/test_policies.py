"""Versions of the policy: drafts, two people for what is risky, and what was published."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine

from logstore.audit import entries
from registry import policies
from registry.change import By, RegistryError, revision_number
from registry.policies import DRAFT, PUBLISHED, REFUSED, REVIEW, WITHDRAWN, Version
from tests.registry.conftest import AT

TEXT, OTHER = "schoolgate: 1\n", "schoolgate: 1\n# two\n"
DANA, SAM = By("console:dana", AT, "the head asked"), By("console:sam", AT + timedelta(minutes=1), "read it twice")


@pytest.fixture
def draft(engine: Engine) -> Version:
    with engine.begin() as connection:
        return policies.start(connection, TEXT, DANA, title="Games at lunch", base="b")


def lines(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [line.what for line in entries(connection, limit=100)][::-1]


def test_from_draft_to_published_every_step_is_in_the_trail(engine: Engine, draft: Version) -> None:
    with engine.begin() as connection:
        before = revision_number(connection)
        written = policies.write(connection, draft.id, OTHER, SAM, seen=draft.digest, what="rule games", site="oakwood")
        policies.ask(connection, draft.id, DANA, seen=written.digest)
    assert (written.authors, written.site, written.state) == (("console:dana", "console:sam"), "oakwood", DRAFT)
    third = By("console:lee", AT + timedelta(hours=1), "agreed")
    with engine.begin() as connection:
        done = policies.publish(connection, draft.id, third, seen=written.digest, risks=["opens"], changes=["games"])
        assert policies.newest(connection) == done
        assert policies.known(connection, done.digest) == done
        assert revision_number(connection) == before + 3
    assert (done.state, done.published_by, done.why) == (PUBLISHED, "console:lee", "the head asked; agreed")
    assert lines(engine) == ["policy.draft.begin", "policy.draft.write", "policy.review.ask", "policy.publish"]
    with engine.connect() as connection:
        line = next(iter(entries(connection)))
    assert (line.after["risks"], line.after["authors"]) == (["opens"], ["console:dana", "console:sam"])


def refused(connection: Connection, number: int, by: By, **more: object) -> str:
    told = {"seen": policies.digest_of(TEXT), "risks": [], "changes": [], **more}
    with pytest.raises(RegistryError) as error:
        policies.publish(connection, number, by, **told)  # type: ignore[arg-type]
    return str(error.value)


def test_a_risky_change_needs_somebody_who_wrote_none_of_it(engine: Engine, draft: Version) -> None:
    with engine.begin() as connection:
        assert "second person" in refused(connection, draft.id, DANA, risks=["opens gambling"])
        assert "asked for a review" in refused(connection, draft.id, SAM, risks=["opens gambling"])
        policies.ask(connection, draft.id, DANA, seen=draft.digest)
        shouting = By("Console:DANA", AT, "me again")
        assert "second person" in refused(connection, draft.id, shouting, risks=["opens gambling"])
        assert policies.newest(connection) is None


def test_a_harmless_change_is_published_by_its_author_with_a_reason(engine: Engine, draft: Version) -> None:
    with engine.begin() as connection:
        assert "needs a reason" in refused(connection, draft.id, By("console:dana", AT))
        assert "meanwhile" in refused(connection, draft.id, DANA, seen="other")
        policies.publish(connection, draft.id, DANA, seen=draft.digest, risks=[], changes=[])
        assert "no draft" in refused(connection, draft.id, SAM)


def test_who_writes_after_the_review_was_asked_begins_anew(engine: Engine, draft: Version) -> None:
    """What was read is what is published."""
    with engine.begin() as connection:
        assert policies.ask(connection, draft.id, DANA, seen=draft.digest).state == REVIEW
        again = policies.write(connection, draft.id, OTHER, DANA, seen=draft.digest)
        assert (again.state, again.asked_by) == (DRAFT, None)
        with pytest.raises(RegistryError, match="meanwhile"):
            policies.write(connection, draft.id, TEXT, SAM, seen=draft.digest)
        with pytest.raises(RegistryError, match="meanwhile"):
            policies.ask(connection, draft.id, DANA, seen=draft.digest)


def test_another_title_begins_a_review_anew(engine: Engine, draft: Version) -> None:
    """It is the first thing the second person reads; the same title changes nothing."""
    with engine.begin() as connection:
        policies.ask(connection, draft.id, DANA, seen=draft.digest)
        assert policies.rename(connection, draft.id, f" {draft.title} ", DANA).state == REVIEW
        again = policies.rename(connection, draft.id, "Nothing to see", DANA)
        assert (again.state, again.asked_by) == (DRAFT, None)


def test_what_a_gateway_did_not_take_leaves_the_one_before(engine: Engine, draft: Version) -> None:
    with engine.begin() as connection:
        first = policies.publish(connection, draft.id, DANA, seen=draft.digest, risks=[], changes=[])
        second = policies.start(connection, OTHER, SAM, title="More", base=first.digest)
        policies.publish(connection, second.id, SAM, seen=second.digest, risks=[], changes=[])
        assert policies.refuse(connection, second.id, "no such list", SAM).state == REFUSED
        assert policies.newest(connection) == first
        assert policies.known(connection, second.digest) is None


def test_drafts_are_listed_given_up_and_renamed(engine: Engine, draft: Version) -> None:
    with engine.begin() as connection:
        other = policies.start(connection, TEXT, SAM, title="Oakwood", base="b", site="oakwood")
        found = policies.versions(connection, policies.OPEN)
        assert [one.id for one in found] == [other.id, draft.id]
        assert policies.versions(connection, policies.OPEN, site="oakwood") == [other]
        assert policies.versions(connection, policies.OPEN, before=SAM.at) == [draft]
        assert policies.rename(connection, draft.id, " Games  at break ", DANA).title == "Games at break"
        assert policies.withdraw(connection, draft.id, DANA).state == WITHDRAWN
        with pytest.raises(RegistryError, match="no draft"):
            policies.write(connection, draft.id, OTHER, DANA, seen=draft.digest)
        assert policies.write(connection, other.id, TEXT, SAM, seen=other.digest) == other
        with pytest.raises(RegistryError, match="there is none"):
            policies.get(connection, 99)
        for title in ("", "=1+1", "x" * 300):
            with pytest.raises(RegistryError):
                policies.start(connection, TEXT, SAM, title=title, base="b")
    assert set(policies.facts(draft)) >= {"id", "state", "authors", "why"}
