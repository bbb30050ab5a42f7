from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from itertools import pairwise
from typing import Any

import pytest

from gdfq_export.report.report import Report
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html import render_page
from tests.report.reports import SECTIONS, bare_report, cpu_figures, make_report
from tests.views.html.gated import FAILED, INCONCLUSIVE, decided, gate, with_gates
from tests.views.html.page_parser import Page

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&{{ 7*7 }}"
PICTURE = b"\x89PNG not really"
REPORTS = {
    "labelled": lambda: make_report(labelled=True),
    "unlabelled": lambda: make_report(labelled=False),
    "gated": lambda: decided(max_top1_drop_pp=1.0, require_parity=True, max_size_ratio=0.1, min_agreement=0.9),
    "nothing": bare_report,
    "cpus": lambda: dataclasses.replace(make_report(labelled=False), cpus=(cpu_figures("cortex-a53"),)),
}
PASSED, NONE = decided(max_size_ratio=0.9), with_gates()


@pytest.fixture(params=REPORTS)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(render_page(REPORTS[request.param](), picture=PICTURE))


def hostile(value: Any) -> Any:
    """The same data with every text that a user's file or machine could have named made hostile."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = ("command", "kind", "verdict", "unit", "consequence")
        return dataclasses.replace(
            value,
            **{
                each.name: hostile(getattr(value, each.name))
                for each in dataclasses.fields(value)
                if each.name not in kept
            },
        )
    if isinstance(value, str) and type(value) is str:
        return HOSTILE
    if isinstance(value, dict):
        return {HOSTILE if isinstance(key, str) else key: hostile(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(hostile(item) for item in value)
    return value


def test_elements_are_closed_in_order(page: Page) -> None:
    assert (page.open_at_end, page.wrongly_closed) == ([], [])


def test_ids_are_unique_and_every_link_within_the_page_leads_somewhere(page: Page) -> None:
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = [link.attributes["href"] for link in page.all("a")]
    assert links and all(link.startswith("#") and link[1:] in ids for link in links)
    named = [each.attributes["aria-labelledby"] for each in page.elements if "aria-labelledby" in each.attributes]
    assert set(named) <= set(ids)


def test_headings_are_in_order_and_landmarks_are_there(page: Page) -> None:
    levels = [int(heading.tag[1]) for heading in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [len(page.all(tag)) for tag in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]


def test_tables_name_their_columns_and_rows(page: Page) -> None:
    assert all(cell.attributes.get("scope") in ("col", "row", "rowgroup") for cell in page.all("th"))
    for table in page.all("table"):
        assert any(child.tag == "th" and child.attributes["scope"] == "col" for child in table.children)


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    scrolling = [each for each in page.elements if "scroll" in (each.attributes.get("class") or "").split()]
    assert scrolling
    assert all(each.attributes.get("tabindex") == "0" and each.attributes.get("aria-label") for each in scrolling)


def test_every_picture_has_words_or_is_left_to_those_beside_it(page: Page) -> None:
    outer = [svg for svg in page.all("svg") if "svg" not in svg.parents]
    for svg in outer:
        assert svg.attributes.get("aria-hidden") == "true" or svg.attributes.get("aria-label")
    (image,) = page.all("img")
    assert image.attributes["alt"]


def test_what_needs_a_script_is_hidden_without_one(page: Page) -> None:
    for button in page.all("button"):
        holder = page.by_id("theme") if button.attributes.get("id") == "theme" else page.by_id("sort")
        assert "hidden" in holder.attributes


def test_the_page_loads_nothing_and_forbids_what_is_not_its_own(page: Page) -> None:
    for element in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert re.match(r"(#|data:|$)", element.attributes.get(name) or ""), (element.tag, name)
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
    (style,), (script,) = page.all("style"), page.all("script")
    assert not re.search(r"url\(|@import|//[a-z]", style.text + script.text)
    policy = next(
        each.attributes["content"]
        for each in page.all("meta")
        if each.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:;")
    for kind, element in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy


def test_no_address_of_the_network_is_in_the_page() -> None:
    assert "://" not in render_page(make_report(labelled=True), picture=PICTURE)


def test_a_name_can_neither_run_nor_restyle_anything() -> None:
    finding = Finding(rule="rule", node="node", consequence=Consequence.WRONG, message="do this")
    report = dataclasses.replace(decided(max_size_ratio=0.1, min_agreement=0.99), findings=(finding,))
    page = Page(render_page(hostile(report), title=HOSTILE, picture_words=HOSTILE, picture=PICTURE))
    assert (page.open_at_end, page.wrongly_closed) == ([], [])
    assert len(page.all("script")) == 1 and len(page.all("img")) == 1
    assert not [name for each in page.elements for name in each.attributes if name.startswith("on")]
    assert page.all("h1")[0].text == HOSTILE
    assert page.all("img")[0].attributes["alt"] == HOSTILE
    assert HOSTILE in page.by_id("layer-list").text


def test_the_same_report_gives_the_same_bytes() -> None:
    first, second = (render_page(decided(max_size_ratio=0.1), picture=PICTURE) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("section", SECTIONS)
def test_what_was_not_measured_says_why(section: str) -> None:
    missing = NotMeasured(reason=f"no {section} since the cat ran")
    page = Page(render_page(dataclasses.replace(make_report(labelled=True), **{section: missing})))
    said = " ".join(each.text for each in page.all("p"))
    # a simulation is told of only beside parity, which then was not measured either
    assert section == "simulation" or missing.reason in said


def test_a_file_whose_maker_is_unknown_says_so_of_images_and_training() -> None:
    page = Page(render_page(bare_report()))
    assert "only the run that made the file knows its images" in page.by_id("images").text
    assert "only the run that made the file knows its training curves" in page.by_id("training").text


@pytest.mark.parametrize(
    ("report", "word"),
    [
        (with_gates(gate("min-agreement", FAILED)), "Failed"),
        (with_gates(gate("min-agreement", INCONCLUSIVE)), "Inconclusive"),
        (PASSED, "Passed"),
        (NONE, "No gates were set"),
    ],
    ids=["failed", "inconclusive", "passed", "none"],
)
def test_the_verdict_comes_first_and_is_in_the_title(report: Report, word: str) -> None:
    page = Page(render_page(report))
    assert page.all("h2")[0].text.endswith(word)
    assert page.all("title")[0].text == f"{word.removesuffix(' were set')}: q.onnx"


def test_sections_answer_in_order() -> None:
    page = Page(render_page(make_report(labelled=True)))
    sections = [each.attributes["id"] for each in page.all("section")]
    assert sections == [
        *("verdict", "figures", "gates", "accuracy", "latency", "layers"),
        *("integers", "parity", "rules", "images", "training", "run"),
    ]
    assert [link.attributes["href"][1:] for link in page.all("nav")[0].children if link.tag == "a"] == sections


def test_a_warning_stands_between_verdict_and_figures() -> None:
    text = render_page(make_report(labelled=True))
    assert text.index('id="verdict"') < text.index("BatchNorm is folded") < text.index('id="figures"')


def test_the_picture_is_in_the_page() -> None:
    encoded = base64.b64encode(PICTURE).decode()
    report = make_report(labelled=True)
    assert f"data:image/png;base64,{encoded}" in render_page(report, picture=PICTURE)
    assert "Not drawn" in Page(render_page(report)).by_id("images").text


def test_a_network_of_many_layers_stays_small() -> None:
    report = make_report(labelled=True)
    layers = tuple(
        dataclasses.replace(
            report.layers.layers[1], tensor=f"/layer{number}/Relu_output_0", node=f"/layer{number}/Conv"
        )
        for number in range(120)
    )
    codes = tuple(dataclasses.replace(report.weights[0], node=layer.node) for layer in layers)
    many = dataclasses.replace(report, layers=dataclasses.replace(report.layers, layers=layers), weights=codes)
    assert len(render_page(many).encode()) < 1_500_000
