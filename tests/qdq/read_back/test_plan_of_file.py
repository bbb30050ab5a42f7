from __future__ import annotations

from gdfq_export.planning.plan import Role
from gdfq_export.qdq.read_back import read_back
from tests.jobs.verify.quantized_classifier import CLASSES, classifier, images


def test_points_of_a_file_of_another_tool() -> None:
    found = read_back(classifier().quantized())
    points = {point.key: point for point in found.plan.points}
    assert {key: point.role for key, point in points.items()} == {
        "image": Role.INPUT,
        "conv_1": Role.WEIGHT,
        "bias": Role.BIAS,
        "hidden": Role.ACTIVATION,
        "flat": Role.ACTIVATION,
        "fc": Role.WEIGHT,
    }
    assert (points["fc"].axis, points["fc"].consumers, points["fc"].bits) == (0, ("Gemm_logits",), 8)
    assert found.encodings["fc"].scale.shape == (CLASSES,)
    assert set(found.run(images(1))) == {"image_quantized", "hidden_quantized", "flat_quantized", "logits"}


def test_codes_with_one_scale_are_one_group() -> None:
    file = classifier().quantized()
    for node in file.graph.node:
        names = {"flat_scale": "hidden_scale", "flat_zero_point": "hidden_zero_point"}
        node.input[:] = [names.get(name, name) for name in node.input]
    points = read_back(file).plan.by_tensor
    assert points["flat"].group == points["hidden"].group == "hidden"
