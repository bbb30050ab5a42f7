from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from calib import DataError, SyntheticSet


def tiny_set(count: int = 5, batch: int = 1) -> SyntheticSet:
    random = np.random.default_rng(0)
    return SyntheticSet(
        images=random.normal(size=(count, 3, 4, 4)).astype(np.float32),
        labels=np.arange(count) % 3,
        logits=random.normal(size=(count, 3)).astype(np.float32),
        input_name="image",
        provenance={"seed": 3, "method": "gdfq"},
        batch=batch,
    )


def served(reader: SyntheticSet) -> list[np.ndarray]:
    batches = []
    while (feed := reader.get_next()) is not None:
        assert list(feed) == ["image"] and feed["image"].dtype == np.float32
        batches.append(feed["image"])
    return batches


def test_save_and_load_keep_everything_and_the_bytes(tmp_path: Path) -> None:
    made = tiny_set()
    made.save(tmp_path / "a.npz")
    os.utime(tmp_path / "a.npz", (0, 0))
    loaded = SyntheticSet.load(tmp_path / "a.npz")
    loaded.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    for key in ("images", "labels", "logits"):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(made, key))
    assert loaded.input_name == "image" and loaded.provenance == made.provenance
    assert sorted(np.load(tmp_path / "a.npz").files) == ["images", "input_name", "labels", "logits", "provenance"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_failed_save_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    tiny_set().save(path)
    before = path.read_bytes()

    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(OSError, match="disk full"):
        tiny_set(4).save(path)
    assert path.read_bytes() == before and [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (9, [5])])
def test_reader_serves_each_image_once_and_rewinds(batch: int, sizes: list[int]) -> None:
    reader = tiny_set(batch=batch)
    assert len(reader) == len(sizes)
    batches = served(reader)
    assert [len(images) for images in batches] == sizes
    np.testing.assert_array_equal(np.concatenate(batches), reader.images)
    assert reader.get_next() is None
    reader.rewind()
    np.testing.assert_array_equal(np.concatenate(served(reader)), reader.images)


def test_range_is_clipped_to_the_images() -> None:
    reader = tiny_set(batch=2)
    reader.set_range(1, 4)
    assert len(reader) == 2
    np.testing.assert_array_equal(np.concatenate(served(reader)), reader.images[1:4])
    reader.set_range(3, 100)
    assert len(np.concatenate(served(reader))) == 2
    reader.set_range(7, 9)
    assert len(reader) == 0 and reader.get_next() is None


def test_onnxruntime_takes_it_for_a_reader() -> None:
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    assert issubclass(SyntheticSet, calibrate.CalibrationDataReader)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": None}, "`logits` is missing .*: give a set that gdfq-export synthesize wrote; labelled images"),
        ({"images": np.zeros((5, 3, 4, 4))}, "float64"),
        ({"images": np.full((5, 3, 4, 4), np.nan, np.float32)}, "NaN"),
        ({"images": np.zeros((5,), np.float32)}, r"\[N, C, H, W\]"),
        ({"images": np.zeros((4, 3, 4, 4), np.float32)}, r"give float32 \[4, classes\]"),
        ({"logits": np.zeros((5, 3), np.float64)}, "`logits` .* float64"),
        ({"labels": np.arange(5)}, "holds 3"),
        ({"labels": np.zeros((5, 1), np.int64)}, r"\[5, 1\]"),
        ({"input_name": np.asarray(3)}, "`input_name`"),
        ({"provenance": np.asarray("{")}, "not JSON"),
        ({"provenance": np.asarray("[1]")}, "no JSON object"),
    ],
)
def test_unusable_file_is_one_sentence(tmp_path: Path, change: dict, words: str) -> None:
    path = tmp_path / "a.npz"
    tiny_set().save(path)
    arrays = {**dict(np.load(path)), **change}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(DataError, match=words) as caught:
        SyntheticSet.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_set_for_a_network_without_classes_has_no_scores(tmp_path: Path) -> None:
    images = np.zeros((3, 1, 4, 4), np.float32)
    made = SyntheticSet(
        images=images,
        labels=np.zeros(3, np.int64),
        logits=np.zeros((3, 0), np.float32),
        input_name="image",
        provenance={},
    )
    made.save(tmp_path / "a.npz")
    assert SyntheticSet.load(tmp_path / "a.npz").logits.shape == (3, 0)


def test_several_inputs_are_arrays_of_their_own_and_are_served_by_name(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(3, 18)).astype(np.float32)
    shapes = {"left": (3, 2, 2), "age": (6,)}
    made = SyntheticSet(
        images=images,
        labels=np.zeros(3, np.int64),
        logits=np.zeros((3, 0), np.float32),
        input_name="left",
        provenance={},
        shapes=shapes,
        batch=2,
    )
    made.save(tmp_path / "a.npz")
    archive = np.load(tmp_path / "a.npz")
    assert archive["left"].shape == (3, 3, 2, 2) and archive["age"].shape == (3, 6) and "images" not in archive.files
    loaded = SyntheticSet.load(tmp_path / "a.npz", batch=2)
    assert list(loaded.shapes.items()) == [*shapes.items()] and np.array_equal(loaded.images, images)
    feed = loaded.get_next()
    assert feed is not None and {name: array.shape for name, array in feed.items()} == {
        "left": (2, 3, 2, 2),
        "age": (2, 6),
    }
    np.savez(tmp_path / "b.npz", **{**archive, "age": archive["age"][:2]})
    with pytest.raises(DataError, match=r"have \[3, 2\] rows: give as many rows for each input"):
        SyntheticSet.load(tmp_path / "b.npz")
