"""The model card says what the report says, and a name in it marks up nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml

from gdfq_export.report.report import Report
from gdfq_export.views.model_card import model_card
from tests.report.reports import make_report


@pytest.fixture(scope="module")
def labelled() -> Report:
    return make_report(labelled=True)


def front_matter(card: str) -> dict[str, Any]:
    start, head, _ = card.split("---\n", 2)
    assert start == ""
    found: dict[str, Any] = yaml.safe_load(head)
    return found


def test_the_front_matter_is_that_of_the_hub(labelled: Report) -> None:
    head = front_matter(model_card(labelled))
    assert head["library_name"] == "onnx" and head["pipeline_tag"] == "image-classification"
    assert {"onnx", "quantized", "ort-cpu"} <= {*head["tags"]}
    (result,) = head["model-index"][0]["results"]
    assert result["metrics"][0]["type"] == "accuracy" and result["dataset"]["name"] == "a.npz"


def test_figures_recipe_seed_and_hash_are_in_it(labelled: Report) -> None:
    card = model_card(labelled)
    assert labelled.recipe is not None
    for words in ("## Measured", "top-1 accuracy", labelled.recipe.name, labelled.files.quantized.sha256, "## Limits"):
        assert words in card, words


def test_without_labels_it_says_what_was_not_measured() -> None:
    report = make_report(labelled=False)
    card = model_card(report)
    assert "model-index" not in front_matter(card)
    assert "Not measured: accuracy" in card and "measured on synthetic images" in card


@pytest.mark.parametrize("name", ["a\n---\nlicense: mit", "<script>", "x|y`z`\x1b[31m", "[a](http://b)", "@someone"])
def test_no_name_marks_up_or_ends_the_front_matter(labelled: Report, name: str) -> None:
    network = dataclasses.replace(labelled.files.float_network, name=name)
    files = dataclasses.replace(labelled.files, float_network=network)
    card = model_card(dataclasses.replace(labelled, source=name, files=files, warnings=(name,)))
    assert front_matter(card)["license"] == "unknown"
    for active in ("<script>", "\x1b", "[a](", "`z`", "@someone", "\n---\nlicense: mit"):
        assert active not in card


def test_a_network_that_is_no_image_classifier_has_no_pipeline(labelled: Report) -> None:
    shape = dataclasses.replace(labelled.input, shape=(4,))
    assert "pipeline_tag" not in front_matter(model_card(dataclasses.replace(labelled, input=shape)))
    assert "pipeline_tag" not in front_matter(model_card(dataclasses.replace(labelled, task=None)))
