from gdfq_export.jobs.search.limits import Limits
from tests.jobs.search.stand_ins import CELLS, draft, row


def test_a_draft_decides_only_what_its_interval_decides() -> None:
    limits = Limits(max_latency_ms=1.0)
    assert limits.too_much(draft(1.001)) is None
    assert limits.too_much(draft(1.2)) == "its draft takes 1.2 ms; max-latency-ms is 1"


def test_size_and_ratio_are_read_from_the_draft() -> None:
    assert "0.270 of float's size" in (Limits(gates={"max-size-ratio": 0.2}).too_much(draft(1.0)) or "")
    assert "0.500 of float's time" in (Limits(gates={"max-latency-ratio": 0.4}).too_much(draft(1.0)) or "")
    assert "in the median" in (Limits(gates={"max-p99-ms": 0.5}).too_much(draft(1.0)) or "")


def test_an_inconclusive_gate_is_not_met() -> None:
    limits = Limits(gates={"max-top1-drop-pp": 1.0}, max_latency_ms=2.0)
    assert limits.meets(row(CELLS[0], 0.5, 1.0, limits))
    missed = limits.misses(row(CELLS[0], 0.9, 3.0, limits))
    assert missed[0] == "max-latency-ms 2: the median is 3 ms" and "inconclusive" in missed[1]


def test_the_nearest_has_the_least_excess() -> None:
    limits = Limits(gates={"max-top1-drop-pp": 1.0}, max_latency_ms=2.0)
    excess = [limits.excess(row(CELLS[0], drop, ms, limits)) for drop, ms in ((0.5, 1.0), (0.9, 1.0), (3.0, 1.0))]
    assert excess[0] == 0 < excess[1] < excess[2]
