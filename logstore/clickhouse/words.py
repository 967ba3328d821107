"""The few operators that SQLAlchemy's standard words say wrongly for ClickHouse.

In come statements made of `logstore`'s own elements; out goes ClickHouse's SQL. Imported only once the driver is known
to be there.
"""

from __future__ import annotations

from typing import Any

from clickhouse_connect.cc_sqlalchemy.sql.compiler import ChStatementCompiler


class WholeNumbers(ChStatementCompiler):
    """Shifts, and division of whole numbers, as functions: `/` would give a fraction, and `>>` is unknown."""

    def visit_bitwise_rshift_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """`a >> b`."""
        return f"bitShiftRight({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"

    def visit_floordiv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """`a // b`."""
        return f"intDiv({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"
