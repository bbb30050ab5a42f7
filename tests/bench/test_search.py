from bench.search import CASES, request_of, result, table, within
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.search import SearchRequest
from gdfq_export.jobs.search.search_report import SearchReport, SearchRow
from gdfq_export.jobs.search.stopping import Tried
from gdfq_export.recipe import Gates
from tests.jobs.search.stand_ins import CELLS, row

LIMITS = Limits(gates={"max-top1-drop-pp": 3.0})
TRIED = [Tried(cell=cell, row=row(cell, 0.1 * number, 1.0, LIMITS)) for number, cell in enumerate(CELLS)]


def report(best: int) -> SearchReport:
    rows = tuple(
        SearchRow(recipe=each.cell.recipe.name, target=each.cell.target, seed=0, outcome="meets", row=each.row)
        if number <= best
        else SearchRow(recipe=each.cell.recipe.name, target=each.cell.target, seed=0, outcome="stopped", reason="why")
        for number, each in enumerate(TRIED)
    )
    return SearchReport(
        tool_version="1", network="net", limits=LIMITS.gates, rows=rows, best=best, nearest=best, seconds_drafts=1.0,
        seconds_cells=best + 1.0,
    )  # fmt: skip


def test_every_case_has_a_grid_of_24_cells() -> None:
    for case in CASES.values():
        request = request_of(case, short=True)
        assert len(request.cells) == 24
        assert Gates.of(case.limits.gates)


def test_an_answer_within_the_interval_of_the_best_is_right() -> None:
    assert within(report(0), TRIED[0], met=True) and within(report(2), TRIED[0], met=True)
    assert not within(report(5), TRIED[0], met=True)
    assert not within(report(0), TRIED[0], met=False)


def test_the_time_of_a_search_is_that_of_its_drafts_and_cells() -> None:
    request = SearchRequest(network=request_of(CASES["demo"], short=True).network, cells=CELLS, limits=LIMITS)
    body = result(request, TRIED, report(1), own=2.0)
    assert body["seconds_grid"] == 24 and body["seconds_search"] == 4
    assert body["time_ratio"] == 0.167 and body["run"] == 2 and body["right"]
    assert "| net | max-top1-drop-pp 3 | 2 of 24 | 24 s | 4 s | 0.17 |" in table({"net": body})
