"""What the console's pages of the policy ask of a gateway (`console.policydoors`), done with the parts of this one."""

from __future__ import annotations

from abc import ABC

from console.policydoors import PolicyText
from proxy import inforce
from proxy.settings import Settings


class PolicyWork(ABC):
    """The part of a gateway's doors that is about the policy."""

    _settings: Settings

    def policy_text(self) -> PolicyText:
        """As it was found good; as it is on disk where no gateway ever ran."""
        return PolicyText(*inforce.text_in_force(self._settings))
