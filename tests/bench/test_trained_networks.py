"""The graph behind the drawn detector suppresses as the decoder does; both networks keep their accuracy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.drawn_shapes import SIDE, draw_scenes, draw_single
from bench.trained_networks import QUICK, Detector, rows, with_suppression
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.frontend.sources.module_export import export_module
from gdfq_export.tasks.detection.decoders.final_boxes import BoxTable
from gdfq_export.tasks.detection.non_maximum_suppression import best_candidates, suppressed


def test_the_graph_suppresses_as_the_decoder_does() -> None:
    proto = export_module(Detector().eval(), (3, SIDE, SIDE), "detector")
    (name,) = [value.name for value in proto.graph.input]
    images = {name: draw_scenes(4, 0).images}
    boxes, scores = run_model(proto, images).values()
    (table,) = run_model(with_suppression(proto), images).values()
    for found, own, classes in zip(BoxTable()([table]), boxes, scores, strict=True):
        wanted = suppressed(best_candidates(own, classes.T))[np.arange(20)]
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-6)
        np.testing.assert_allclose(found.boxes, wanted.boxes, rtol=1e-4, atol=1e-4)


def test_scenes_are_the_same_each_time() -> None:
    first, again = draw_scenes(5, 3), draw_scenes(5, 3)
    assert np.array_equal(first.images, again.images)
    assert all(1 <= len(objects) <= 3 and objects.boxes.min() >= 0 for objects in first.objects)
    assert np.array_equal(draw_single(3, 1)[0], draw_single(3, 1)[0])


@pytest.mark.slow
def test_accuracy_is_kept() -> None:
    found = dict(rows(dataclasses.replace(QUICK, steps=300)))
    assert found["detector"]["drop_pp"] <= 1.0 and found["detector"]["float_map"] > 0.2
    assert found["embedding"]["cosine"] >= 0.99
