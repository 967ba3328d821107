"""What the console's pages of the policy ask of a gateway (`console.policydoors`), done with the parts of this one.

The rule: what is published is built here first, on the lists and decisions in force; then it is written into the
register; then the gateway takes it from there. What a gateway refuses after all is marked so, and the one before stays.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine as Database

from console.policydoors import PolicyText
from policy.comparing import compare
from policy.engine import Engine, EngineProblem
from policy.risks import risks
from policy.rows import Policy
from policy.rules import PolicyErrors
from proxy import inforce, policytaking
from proxy.control import NotRunning, answers, order
from proxy.decided import Parts
from proxy.settings import Settings
from proxy.troubles import TROUBLES, in_words
from registry import policies
from registry.change import By, RegistryError, RegistryProblem, begin
from registry.policies import Version

logger = logging.getLogger(__name__)

TAKE_SECONDS = 120.0
"""How long a gateway is waited for."""


class PolicyWork(ABC):
    """The part of a gateway's doors that is about the policy."""

    _settings: Settings

    def policy_text(self) -> PolicyText:
        """As it was found good; as it is on disk where no gateway ever ran."""
        text, file = inforce.text_in_force(self._settings)
        return PolicyText(text, file, policies.digest_of(text), policytaking.kept_elsewhere(self._settings))

    def read_policy(self, text: str) -> Policy:
        """By the reader that reads the file."""
        return inforce.policy_from(self._slow_parts(), text, self._file)

    def engines(self, text: str) -> tuple[Engine, Engine]:
        """Both on the same lists and decisions."""
        try:
            return self._now(), inforce.engine_with(self._slow_parts(), self._settings, text, self._file)
        except EngineProblem as error:
            raise RegistryError(RegistryProblem("policy", str(error))) from error

    def publish_policy(self, number: int, by: By, *, seen: str, against: str) -> str:
        """Try it, write it down, have it taken."""
        settings = self._settings
        if why := policytaking.kept_elsewhere(settings):
            raise RegistryError(RegistryProblem("policy", why))
        with self._catalog() as catalog:
            with catalog.connect() as connection:
                version, last = policies.get(connection, number), policies.newest(connection)
            # After the newest version: what is published from here on is noticed under the write lock.
            now = self.policy_text()
            if version.digest != seen:
                raise RegistryError(RegistryProblem(version.title, "somebody else has written in it", "look again"))
            _unchanged(version, now, against)
            before, after = inforce.policy_from(self._slow_parts(), now.text, now.file), self._tried(version)
            found = [f"{one.name} {one.words}" for one in risks(before, after)]
            said = [f"{one.kind} {one.name}: {'; '.join(one.words)}" for one in compare(before, after, names=False)]
            with catalog.begin() as connection:
                begin(connection, by)  # the write lock: of two who publish at once, the second sees the first
                newest = policies.newest(connection)
                same = newest is not None and newest.digest == now.digest
                meanwhile = newest is not None and (last is None or newest.id != last.id)
                waits = not same and newest is not None and newest.id != policytaking.mark_of(settings).number
                if newest is not None and (meanwhile or waits):
                    raise RegistryError(
                        RegistryProblem(version.title, f"version {newest.id} was published just now", "look again")
                    )
                _unchanged(version, self.policy_text(), against)
                if not same:
                    policies.adopt(connection, now.text, by, file=now.file)
                policies.publish(connection, number, by, seen=seen, risks=found, changes=said)
            try:
                return _in_force(self._taken(version))
            except (_Refused, *TROUBLES) as error:
                with catalog.begin() as connection:
                    policies.refuse(connection, number, in_words(error), by)
                raise RegistryError(
                    RegistryProblem(version.title, f"was not taken, the old policy stays: {error}")
                ) from error

    @property
    def _file(self) -> str:
        return str(policytaking.target(self._settings))

    def _tried(self, version: Version) -> Policy:
        try:
            return self.engines(version.text)[1].policy
        except PolicyErrors as error:
            problems = (RegistryProblem(f"line {one.line}", one.what, one.instead) for one in error.problems)
            raise RegistryError(*problems) from error

    def _taken(self, version: Version) -> dict[str, object] | None:
        """What the gateway said; None where none runs, and then it is in force from the next start."""
        settings = self._settings
        try:
            said = order(settings.data, {"do": "policy"}, TAKE_SECONDS)
        except NotRunning as error:
            if answers(settings.data):
                logger.warning("the published policy waits for the gateway: %s", error)
                return {"late": str(error)}
            if (waiting := policytaking.waiting(settings)) is not None and waiting.id == version.id:
                policytaking.take(settings, version, inforce.accept)
            return None
        if "failed" in said:
            raise _Refused(str(said["failed"]))
        return said

    @abstractmethod
    def _slow_parts(self) -> Parts:
        """Lists and policy in force."""

    @abstractmethod
    def _now(self) -> Engine:
        """The engine in force."""

    @abstractmethod
    @contextmanager
    def _catalog(self) -> Iterator[Database]:
        """A writing engine on the catalog."""


class _Refused(Exception):
    """The gateway did not take it."""


def _unchanged(version: Version, now: PolicyText, against: str) -> None:
    """Refuse when what is in force is not what the draft was compared with."""
    if now.digest != against:
        raise RegistryError(RegistryProblem(version.title, "the policy in force has changed", "look again"))


def _in_force(said: dict[str, object] | None) -> str:
    if said is None:
        return "No gateway runs here; it holds from the next start."
    if "late" in said:
        return f"Published, but {said['late']}."
    words, replaced = f"In force on all {said.get('workers')} workers.", said.get("replaced")
    if isinstance(replaced, list) and replaced:
        words += f" Workers that are replaced: {', '.join(map(str, replaced))}."
    return words
