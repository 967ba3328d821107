"""The fields of a request are read once for the next that has the same.

Shows: `addons.straight`.
"""

from __future__ import annotations

import pytest

from addons.httplayers import BoundedHttp1Server
from addons.straight import StraightHttpLayer
from tests.addons.messages import GET, OK
from tests.addons.test_straight import Wire, host_layers

__all__ = ["host_layers"]


def test_what_is_changed_in_one_request_is_not_changed_in_the_next() -> None:
    """Though the two came with the same fields, which are read once."""
    wire = Wire(StraightHttpLayer, {("requestheaders", 2): "rename"})
    for _ in range(3):
        wire.step(("client", GET))
        wire.step(("server", OK))
    changed = GET.replace(b"/lesson?page=1", b"/other").replace(b"text/html", b"nothing")
    assert wire.sent["server"] == GET + changed + GET


@pytest.mark.parametrize(("size", "kept"), [(100, True), (3900, True), (4200, False)])
def test_the_fields_of_a_request_are_kept_for_the_next_unless_they_are_long(size: int, kept: bool) -> None:
    """What stays with every open connection is bounded."""
    wire = Wire(StraightHttpLayer, {})
    for _ in range(2):
        wire.step(("client", GET.replace(b"text/html", b"x" * size)))
        wire.step(("server", OK))
    (handler,) = [one for one in wire.layer.connections.values() if isinstance(one, BoundedHttp1Server)]
    assert (handler.before is not None) is kept
