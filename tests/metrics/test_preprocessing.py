"""Images that are not prepared as the file expects are named, whether the file says how or only its range does."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from calib.input_spec import InputSpec
from gdfq_export.metrics.layer_error import LayerErrors, measure_layers
from gdfq_export.metrics.preprocessing import preprocessing_findings, preprocessing_text
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.finding import Consequence
from tests.jobs.verify.quantized_classifier import classifier, images

SPEC = InputSpec(shape=(2, 3, 3), scale=255.0, mean=(0.485, 0.456), std=(0.229, 0.224))


def layers(scale: float) -> LayerErrors:
    network = classifier()
    found = measure_layers(
        network.float_network(),
        network.quantized(),
        (scale * images(40)).astype(np.float32),
        "noise",
        float_backend=OnnxRuntime(),
        backend=OnnxRuntime(),
        threads=1,
    )
    assert isinstance(found, LayerErrors)
    return found


def test_the_preprocessing_that_a_file_states_is_the_one_it_was_made_with() -> None:
    assert preprocessing_findings(SPEC, json.loads(preprocessing_text(SPEC)), None) == ()


def test_each_number_that_differs_is_named_with_both_values() -> None:
    stated = json.loads(preprocessing_text(dataclasses.replace(SPEC, mean=(0.5, 0.5), scale=1.0)))
    (finding,) = preprocessing_findings(SPEC, stated, None)
    assert finding.consequence is Consequence.WRONG
    assert "scale 1 where 255 is used" in finding.message
    assert "mean 0.5, 0.5 where 0.485, 0.456 is used" in finding.message
    assert "std" not in finding.message.split(";")[1]


def test_one_number_for_all_channels_is_the_same_as_one_a_channel() -> None:
    grey = dataclasses.replace(SPEC, mean=(0.5, 0.5), std=(0.25, 0.25))
    assert preprocessing_findings(grey, {"scale": 255.0, "mean": 0.5, "std": 0.25}, None) == ()


def test_without_a_statement_the_range_of_the_input_tells() -> None:
    assert preprocessing_findings(SPEC, None, layers(1.0)) == ()
    (finding,) = preprocessing_findings(SPEC, None, layers(255.0))
    assert "the input" in finding.message and "--mean" in finding.message


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert preprocessing_findings(SPEC, None, None) == ()
