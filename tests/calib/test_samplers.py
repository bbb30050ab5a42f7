from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from calib import DataError, InputSpec, NoiseSampler, RealSet

SPEC = InputSpec(shape=(3, 4, 6), scale=255.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 1, 0])


def test_noise_is_clipped_centred_and_repeatable() -> None:
    images, labels = NoiseSampler(SPEC, 3, seed=0).draw(200, 64)
    assert images.shape == (200, 3, 4, 6) and images.dtype == torch.float32
    assert set(labels.tolist()) == {0, 1, 2} and labels.dtype == torch.int64
    assert images.min() >= SPEC.low[0] and images.max() <= SPEC.high[0]
    assert abs(images.mean()) < 0.05 and 0.85 < images.std() < 1.0
    again = NoiseSampler(SPEC, 3, seed=0)
    assert torch.equal(again.draw(200, 64)[0], images)
    assert not torch.equal(again.draw(200, 64)[0], images)


def test_noise_for_raw_pixels_sits_in_mid_range() -> None:
    raw = InputSpec(shape=(1, 8, 8), scale=1.0, mean=(0.0,), std=(1.0,))
    images, _ = NoiseSampler(raw, 2, seed=0).draw(100, 100)
    assert abs(images.mean() - 127.5) < 3 and 50 < images.std() < 70


def test_npz_of_pixels_is_normalised(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=LABELS)
    real = RealSet.load(tmp_path / "a.npz", SPEC, 3)
    np.testing.assert_array_equal(real.images.numpy(), SPEC.normalize(PIXELS))
    assert real.labels.tolist() == LABELS.tolist() and real.source == "real" and len(real) == 5


def test_npz_of_floats_is_taken_as_it_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=SPEC.normalize(PIXELS) * 7, labels=LABELS.astype(np.uint8))
    real = RealSet.load(tmp_path / "a.npz", SPEC, 3)
    np.testing.assert_array_equal(real.images.numpy(), SPEC.normalize(PIXELS) * 7)
    assert real.labels.dtype == torch.int64


def test_draw_goes_round(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=LABELS)
    images, labels = RealSet.load(tmp_path / "a.npz", SPEC, 3).draw(7, 2)
    assert labels.tolist() == [*LABELS, 0, 1] and torch.equal(images[0], images[5])


GOOD = {"images": PIXELS, "labels": LABELS}
NAN = SPEC.normalize(PIXELS)
NAN[1, 2, 3, 4] = np.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": None}, ["`labels` is missing"]),
        ({"images": None}, ["`images` is missing"]),
        ({"images": PIXELS.astype(np.float64)}, ["float64", "uint8", "float32"]),
        ({"images": PIXELS[:, :3]}, ["[5, 3, 6, 3]", "[N, 4, 6, 3]"]),
        ({"images": PIXELS[..., :1]}, ["[5, 4, 6, 1]", "[N, 4, 6, 3]"]),
        ({"images": PIXELS[:0], "labels": LABELS[:0]}, ["[0, 4, 6, 3]"]),
        ({"images": PIXELS[0]}, ["[4, 6, 3]"]),
        ({"images": SPEC.normalize(PIXELS)[:, :2]}, ["[5, 2, 4, 6]", "[N, 3, 4, 6]"]),
        ({"images": NAN}, ["NaN"]),
        ({"labels": LABELS[:4]}, ["[4]", "5 integers"]),
        ({"labels": LABELS.astype(np.float32)}, ["float32", "integers"]),
        ({"labels": LABELS + 1}, ["holds 3", "from 0 to 2", "3 classes"]),
        ({"labels": LABELS - 1}, ["holds -1"]),
    ],
)
def test_unusable_npz_is_one_sentence(tmp_path: Path, change: dict, words: list[str]) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **{key: value for key, value in {**GOOD, **change}.items() if value is not None})
    with pytest.raises(DataError) as caught:
        RealSet.load(path, SPEC, 3)
    assert_one_sentence(caught.value, [*words, str(path)])


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 broken", None, "npy", "pickle", "cut"])
def test_file_that_is_no_npz(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "bad.npz"
    if content == "npy":
        with path.open("wb") as stream:
            np.save(stream, PIXELS)
    elif content == "pickle":
        np.savez(path, images=np.array([{}], dtype=object), labels=LABELS)
    elif content == "cut":
        np.savez_compressed(path, **GOOD)
        path.write_bytes(path.read_bytes()[:-40])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        RealSet.load(path, SPEC, 3)
    assert_one_sentence(caught.value, [str(path), "`images`"])


def folder_of(tmp_path: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("file", "label")) -> Path:
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return tmp_path


def test_folder_is_cropped_at_the_centre(tmp_path: Path) -> None:
    large = np.random.default_rng(1).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(large).save(tmp_path / "a.png")
    (tmp_path / "images").mkdir()
    Image.fromarray(PIXELS[0]).save(tmp_path / "images" / "b.png")
    real = RealSet.load(folder_of(tmp_path, [("a.png", "2"), ("b.png", "0")]), SPEC, 3)
    np.testing.assert_array_equal(real.images.numpy(), SPEC.normalize(np.stack([large[2:6, 1:7], PIXELS[0]])))
    assert real.labels.tolist() == [2, 0]


def test_folder_of_grey_images_for_one_channel(tmp_path: Path) -> None:
    grey = InputSpec(shape=(1, 4, 6), scale=255.0, mean=(0.0,), std=(1.0,))
    Image.fromarray(PIXELS[0, :, :, 0]).save(tmp_path / "a.png")
    assert RealSet.load(folder_of(tmp_path, [("a.png", "0")]), grey, 3).images.shape == (1, 1, 4, 6)


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        ([("missing.png", "0")], ("file", "label"), ["missing.png"]),
        ([("small.png", "0")], ("file", "label"), ["5x3", "6x4", "never resized"]),
        ([("text.png", "0")], ("file", "label"), ["cannot be read"]),
        ([("a.png", "x")], ("file", "label"), ["'x'", "line 2"]),
        ([("a.png", "3")], ("file", "label"), ["holds 3"]),
        ([("a.png", "0")], ("name", "class"), ["columns"]),
        ([], ("file", "label"), ["no images"]),
    ],
)
def test_unusable_folder_is_one_sentence(tmp_path: Path, rows: list, header: tuple, words: list[str]) -> None:
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    Image.fromarray(PIXELS[0][:3, :5]).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError) as caught:
        RealSet.load(folder_of(tmp_path, rows, header), SPEC, 3)
    assert_one_sentence(caught.value, [*words, str(tmp_path)])


def test_folder_without_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file at .*labels\.csv"):
        RealSet.load(tmp_path, SPEC, 3)


def assert_one_sentence(error: DataError, words: list[str]) -> None:
    message = str(error)
    assert "\n" not in message and len(message) < 400
    for word in words:
        assert word in message
