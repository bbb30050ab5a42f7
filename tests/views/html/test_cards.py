from __future__ import annotations

import pytest

from gdfq_export.views.html.cards import cards
from tests.report.reports import bare_report, make_report
from tests.views.html.gated import decided


def test_every_card_has_a_figure_and_the_sample_it_comes_from() -> None:
    for card in cards(make_report(labelled=True)):
        assert card.measured
        assert card.value and card.detail and card.sample, card.title


def test_of_what_was_not_measured_the_card_gives_the_reason() -> None:
    missing = [card for card in cards(bare_report()) if not card.measured]
    assert len(missing) == 5  # all but the size, which a file always has
    assert {card.detail for card in missing} == {"because"}


@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "unlabelled"])
def test_agreement_is_of_the_labelled_images_where_there_are_any(labelled: bool) -> None:
    card = next(card for card in cards(make_report(labelled=labelled)) if card.title == "Agreement with float")
    assert card.sample.endswith("a.npz" if labelled else "noise")


def test_a_card_carries_the_verdict_of_its_gate() -> None:
    tones = {card.title: card.tone for card in cards(decided(max_size_ratio=0.2, require_parity=True))}
    assert (tones["File size"], tones["Parity with the simulation"], tones["Top-1 drop"]) == ("failed", "passed", "")
