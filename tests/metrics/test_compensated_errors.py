from __future__ import annotations

import pytest

from gdfq_export.metrics.compensated_errors import gone_in_readers

SOURCES = {"x": [], "gate": ["x"], "product": ["x", "gate"], "z": ["product"]}


@pytest.mark.parametrize(
    ("snr", "gone"),
    [
        ({"x": 8.0, "gate": 40.0, "product": 30.0, "z": 29.0}, {"x"}),
        ({"x": 8.0, "gate": 40.0, "product": 12.0, "z": 29.0}, {"product"}),
        ({"x": 30.0, "gate": 29.0, "product": 28.0, "z": 5.0}, set()),
    ],
)
def test_an_error_is_gone_where_no_reader_has_it(snr: dict[str, float], gone: set[str]) -> None:
    assert gone_in_readers(SOURCES, snr) == gone
