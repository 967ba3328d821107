"""The host's translators: flow to our words, one call, and back to the flow.

An addon with a second idea belongs in a room below. None opens a database, none reads an option per request, none lets
an exception decide. `build_addons` is the chain, in order, with the reason for each place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from addons.live import Live


def build_addons(live: Live) -> list[Any]:
    """The chain. Hooks run in this order."""
    from addons.content import Content
    from addons.filter import Filter
    from addons.gatekeeper import Gatekeeper
    from addons.guard import Guard
    from addons.identify import Identify
    from addons.nextlayer import GatewayNextLayer
    from addons.refusals import Refusals
    from addons.rewrite import Rewrite
    from addons.trafficlog import TrafficLog

    return [
        GatewayNextLayer(),  # before anything: which protocol is this
        Guard(live),  # connection caps and destinations cost nothing and need no client
        Identify(live),  # the filter needs to know who asks; reads Proxy-Authorization before it is taken off
        Filter(live),  # decides; every later addon only acts on its verdict
        Rewrite(live),  # after the decision, which must see the request as the client sent it
        Content(live),  # streams only what was allowed: the host crashes on a streamed body with an answer set
        Refusals(live),  # only listens; before the record, which marks a connection as told
        TrafficLog(live),  # refuses what it cannot record
        Gatekeeper(live),  # last: sees whether anybody decided, and whether it was recorded
    ]
