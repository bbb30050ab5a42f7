from __future__ import annotations

import io
import struct

import matplotlib
import numpy as np
import pytest
from PIL import Image

from calib.input_spec import InputSpec
from calib.set_statistics import LayerDistance, SetStatistics
from calib.synthetic_set import SyntheticSet
from gdfq_export.views.dataset_preview.picture import draw_set_picture

SPEC = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)


def made(classes: int, count: int = 12) -> SyntheticSet:
    random = np.random.default_rng(0)
    return SyntheticSet(
        images=random.random((count, 3, 8, 8), np.float32),
        labels=random.integers(classes, size=count),
        logits=random.random((count, classes), np.float32),
        input_name="x",
        provenance={"method": "noise", "seed": 0},
    )


def measured(*distances: float) -> SetStatistics:
    return SetStatistics(
        images=12,
        agreement=0.1,
        confidence=0.4,
        confidence_counts=(0, 12, *(0,) * 18),
        entropy=1.0,
        within_class_distance=None,
        layers=tuple(LayerDistance(layer=f"a_{'long_' * 20}name", distance=distance) for distance in distances),
    )


@pytest.mark.parametrize(
    ("classes", "distances"),
    [(10, (0.02, 0.3)), (2, ()), (15, (0.0,)), (1000, (1e-6, 50.0)), (40, tuple(np.linspace(0.01, 1, 120)))],
)
def test_any_set_gives_a_png_of_one_size(classes: int, distances: tuple[float, ...]) -> None:
    png = draw_set_picture(made(classes), measured(*distances), SPEC, "a $network$ of _any_ name")
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (1600, 1000)
        assert np.asarray(image.convert("L")).std() > 10


def test_a_set_for_a_network_without_classes_has_neither_confidence_nor_balance() -> None:
    images = made(1)
    images.logits = np.zeros((12, 0), np.float32)
    statistics = SetStatistics(
        images=12, within_class_distance=70.0, layers=(LayerDistance(layer="norm", distance=0.1),)
    )
    with Image.open(io.BytesIO(draw_set_picture(images, statistics, SPEC, "boxes"))) as image:
        pixels = np.asarray(image.convert("L"))
    assert (pixels[500:760, 900:] == 255).all() and pixels[100:480, 900:].std() > 10


def test_the_same_set_gives_the_same_bytes_whatever_the_user_configured() -> None:
    first = draw_set_picture(made(10), measured(0.1), SPEC, "net")
    with matplotlib.rc_context({"font.size": 30.0, "savefig.dpi": 30, "axes.facecolor": "red"}):
        assert draw_set_picture(made(10), measured(0.1), SPEC, "net") == first
        assert matplotlib.rcParams["font.size"] == 30.0
    assert draw_set_picture(made(10), measured(0.2), SPEC, "net") != first


def test_the_file_carries_no_date_and_no_version() -> None:
    png, position, chunks = draw_set_picture(made(10), measured(0.1), SPEC, "net"), 8, []
    while position < len(png):
        size, name = struct.unpack(">I4s", png[position : position + 8])
        chunks.append(name)
        position += size + 12
    assert set(chunks) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
