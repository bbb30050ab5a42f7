"""A saved draw of images, and a calibration reader for ONNX Runtime's quantizer and for those that copy its protocol.

`onnxruntime.quantization.quantize_static(..., calibration_data_reader=SyntheticSet.load("calib.npz"))` takes one as
it is: ONNX Runtime accepts anything with `get_next`, and uses `rewind`, `set_range` and `len` where they exist. One
image is served at a time unless `batch` says otherwise, because many networks are exported with batch 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.files.checks import check_labels, check_normalized_images
from calib.files.npz_file import npz_bytes, read_npz, write_npz
from calib.files.npz_images import joined_arrays
from calib.joined_inputs import split_inputs

KEYS = ("images", "labels", "logits", "input_name", "provenance")
_ADVICE = (
    "give a set that gdfq-export synthesize wrote; labelled images are given as --data for scoring, and as "
    "--calibration for tuning, by a recipe whose data.method is real"
)


@dataclass(slots=True, kw_only=True, eq=False)
class SyntheticSet:
    """Images with the teacher's answer to them; serves itself, batch by batch.

    Attributes:
        images: float32 [N, C, H, W], normalised, as the network takes them; several inputs are joined, `[N, F]`.
        labels: int64 [N], what was asked for.
        logits: float32 [N, num_classes], what the teacher answered; [N, 0] for a network without classes.
        input_name: name of the network's input, of several the first.
        shapes: of several inputs by name, in the order in which they are joined; empty for one input.
        provenance: where the images come from; JSON values only.
        batch: images that `get_next` serves at a time; not saved.

    Example:
        >>> import numpy as np
        >>> from calib import SyntheticSet
        >>> images, logits = np.zeros((3, 1, 8, 8), np.float32), np.zeros((3, 10), np.float32)
        >>> made = SyntheticSet(
        ...     images=images, labels=np.arange(3), logits=logits, input_name="image", provenance={"source": "noise"}
        ... )
        >>> made.save("calib.npz")
        >>> reader = SyntheticSet.load("calib.npz", batch=2)
        >>> len(reader), reader.get_next()["image"].shape
        (2, (2, 1, 8, 8))
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    input_name: str
    provenance: dict[str, Any]
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    batch: int = 1
    _start: int = field(default=0, init=False, repr=False)
    _end: int = field(default=0, init=False, repr=False)
    _next: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the arrays against each other and start at the first image."""
        self._check("SyntheticSet")
        self.labels = self.labels.astype(np.int64)
        self.set_range(0, len(self.images))

    def __len__(self) -> int:
        """Count the batches from `rewind` to the end of the range."""
        return -(-(self._end - self._start) // self.batch)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Serve the next batch as {input name: float32 [batch, C, H, W]}, the last one shorter; None at the end.

        Of a network of several inputs each is served under its name.
        """
        if self._next >= self._end:
            return None
        stop = min(self._next + self.batch, self._end)
        served = self.images[self._next : stop]
        self._next = stop
        return self._by_input(served)

    def rewind(self) -> None:
        """Start again at the first image of the range."""
        self._next = self._start

    def set_range(self, start_index: int, end_index: int) -> None:
        """Serve the images from `start_index` up to, not including, `end_index`, and start there."""
        self._start = max(0, min(start_index, len(self.images)))
        self._end = max(self._start, min(end_index, len(self.images)))
        self.rewind()

    def save(self, path: str | Path) -> None:
        """Write an .npz: the same set gives the same bytes, and an interruption leaves an older file whole.

        Raises:
            OSError: the folder is missing or not writable.
        """
        write_npz(Path(path), self._arrays())

    def to_bytes(self) -> bytes:
        """The bytes of the .npz that `save` writes."""
        return npz_bytes(self._arrays())

    def _arrays(self) -> dict[str, NDArray[Any]]:
        provenance = json.dumps(self.provenance, sort_keys=True)
        inputs = self._by_input(self.images) if self.shapes else {"images": self.images}
        names = {"input_name": np.asarray([*self.shapes] or self.input_name), "provenance": np.asarray(provenance)}
        return {**inputs, "labels": self.labels, "logits": self.logits, **names}

    def _by_input(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Images by the names of the inputs that they are for."""
        if not self.shapes:
            return {self.input_name: images}
        return dict(zip(self.shapes, split_inputs(images, [*self.shapes.values()]), strict=True))

    @classmethod
    def load(cls, path: str | Path, batch: int = 1) -> SyntheticSet:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing, damaged, or its arrays do not fit each other.
        """
        inputs = _several_inputs(Path(path))
        arrays = read_npz(Path(path), KEYS[bool(inputs) :] + inputs, advice=_ADVICE)
        for key in ("input_name", "provenance"):
            if arrays[key].dtype.kind != "U" or (arrays[key].shape != () and not (inputs and key == "input_name")):
                found = f"{arrays[key].dtype} {list(arrays[key].shape)}"
                raise DataError(f"`{key}` in {path} is {found}: give one string, as gdfq-export synthesize writes it")
        try:
            provenance = json.loads(str(arrays["provenance"]))
        except ValueError as error:
            raise DataError(
                f"`provenance` in {path} is not JSON: write the file with gdfq-export synthesize"
            ) from error
        if not isinstance(provenance, dict):
            raise DataError(f"`provenance` in {path} is no JSON object: write the file with gdfq-export synthesize")
        parts = [arrays[name] for name in inputs]
        try:
            for part in parts:
                check_normalized_images(part, None, "SyntheticSet")
            return cls(
                images=joined_arrays(parts, str(path)) if parts else arrays["images"],
                labels=arrays["labels"],
                logits=arrays["logits"],
                input_name=inputs[0] if inputs else str(arrays["input_name"]),
                shapes={name: part.shape[1:] for name, part in zip(inputs, parts, strict=True)},
                provenance=provenance,
                batch=batch,
            )
        except DataError as error:
            raise DataError(str(error).replace("SyntheticSet", str(path), 1)) from error

    def _check(self, where: str) -> None:
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; give at least 1")
        check_normalized_images(self.images, None, where)
        count = len(self.images)
        if self.logits.dtype != np.float32 or self.logits.ndim != 2 or len(self.logits) != count:
            found = f"{self.logits.dtype} {list(self.logits.shape)}"
            raise DataError(f"`logits` in {where} is {found}: give float32 [{count}, classes], one row for each image")
        if not np.isfinite(self.logits).all():
            raise DataError(f"`logits` in {where} holds NaN or infinite values: give finite float32 [{count}, classes]")
        check_labels(self.labels, count, self.logits.shape[1] or None, where)


def _several_inputs(path: Path) -> tuple[str, ...]:
    """Names of the inputs of a set for a network of several; empty for one, or where the file is to be refused."""
    try:
        names = read_npz(path, ("input_name",))["input_name"]
    except DataError:
        return ()
    return tuple(map(str, names)) if names.ndim == 1 and names.dtype.kind == "U" else ()
