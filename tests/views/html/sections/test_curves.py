from __future__ import annotations

import dataclasses

from gdfq_export.report.report import Curve
from gdfq_export.views.html.sections.curves import curves_by_phase
from tests.report.reports import make_report


def curves(*drawn: Curve):
    return curves_by_phase(dataclasses.replace(make_report(labelled=True), curves=drawn))


def curve(*values: float, phase: str = "train", figure: str = "cross_entropy") -> Curve:
    return Curve(phase=phase, metric=figure, total_steps=1000, steps=tuple(range(1, len(values) + 1)), values=values)


def test_figures_are_grouped_by_the_phase_they_belong_to() -> None:
    phases = curves(curve(2, 1), curve(1, 3, phase="refine"), curve(5, 4, figure="loss"))
    assert [(phase.phase, [each.figure for each in phase.curves]) for phase in phases] == [
        ("train", ["cross entropy", "loss"]),
        ("refine", ["cross entropy"]),
    ]


def test_a_curve_says_where_it_began_and_ended() -> None:
    ((phase),) = curves(curve(2, 1.5, 0.5))
    assert phase.curves[0].words == "from 2.00 to 0.500 in 1,000 steps"


def test_values_over_decades_are_drawn_on_a_logarithmic_axis() -> None:
    ((phase),) = curves(curve(100, 1), curve(100, -1), curve(10, 1))
    assert [each.values.logarithmic for each in phase.curves] == [True, False, False]


def test_a_single_point_is_no_curve() -> None:
    assert curves(curve(1)) == ()
