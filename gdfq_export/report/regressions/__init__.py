"""A report compared with an earlier one: how much worse each figure may be."""

from gdfq_export.report.regressions.table import (
    REGRESSIONS,
    parse_regression,
    regressions,
    require_regressions_of_task,
)

__all__ = ["REGRESSIONS", "parse_regression", "regressions", "require_regressions_of_task"]
