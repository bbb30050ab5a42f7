"""What sessions of all runtimes share: images are run in batches, outputs have names, errors name the file."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gdfq_export.errors import InputError
from gdfq_export.frontend.joined_inputs import split_inputs
from gdfq_export.runtimes.base import HOST_CLOCK, Array, ExecutedGraph, Images, Output
from gdfq_export.support.batch_size import batch_size
from gdfq_export.support.fixed_batch.image_pieces import run_in_pieces

_MOST_BYTES = 4 * 2**30  # of a piece


class Session(ABC):
    """One file loaded into a runtime, fed in pieces; `clock` names the clock that `timer` uses.

    Any number of images works: a file with a fixed batch is fed in pieces of that size, the last one padded by
    repeating its last image; others are fed few large images at a time, except where they are timed.

    Args:
        source: the file.
        outputs: names of the file's outputs.
        batch: images of a piece; those of the file where it is fixed.
        fixed: whether the file takes no other number.
        taps: names of what it returns besides.
    """

    clock = HOST_CLOCK

    def __init__(
        self, source: Path | bytes, outputs: Sequence[str], batch: int, *, fixed: bool, taps: Sequence[str] = ()
    ) -> None:
        self._source = source
        self.output_names = tuple(outputs)
        self._outputs = (*outputs, *taps)
        self._batch = batch
        self._fixed = fixed

    def images_at_a_time(self, shape: Sequence[int]) -> int:
        """Images of `shape` (C, ...) to run together, few of large ones; those of the file if it fixes them."""
        return self._batch if self._fixed else min(self._batch, batch_size(shape))

    def run(self, images: Images) -> Output:
        """The first output, `[N, ...]`, of images `[N, C, H, W]`, any N.

        Raises:
            InputError: the file does not take images of this shape.
        """
        return self.run_tensors(images, self.output_names[:1])[self.output_names[0]]

    def run_all(self, images: Images) -> tuple[Output, ...]:
        """Every output of the file, in its order; see `run`."""
        return tuple(self.run_tensors(images, self.output_names).values())

    def run_tensors(self, images: Images, names: Sequence[str]) -> Mapping[str, Array]:
        """Graph outputs and taps by name, each with N rows, or k N rows where k rows of each image are in one axis.

        Raises:
            InputError: a name is neither, or the file does not take images of this shape.
        """
        if missing := [name for name in names if name not in self._outputs]:
            raise InputError(f"{where(self._source)} does not return {', '.join(missing)}; it returns {self._outputs}")
        most = self._batch if self._fixed else min(self._batch, batch_size(images.shape[1:]))
        return self._run(images, names, most)

    def _run(self, images: Images, names: Sequence[str], batch: int) -> Mapping[str, Array]:
        if len(images) == 0:
            raise InputError(f"{where(self._source)} was given no images; give at least one")
        size = batch * images[0].nbytes
        if self._fixed and size > _MOST_BYTES:  # any other file is given no more than there are
            raise InputError(
                f"{where(self._source)} takes batches of {batch:,} with the shape {list(images.shape[1:])}, which are "
                f"{size / 2**30:,.0f} GiB each; export it with a smaller or a dynamic batch"
            )
        return run_in_pieces(
            lambda piece: dict(zip(names, self._execute(piece, names), strict=True)), images, batch, whole=self._fixed
        )

    def timer(self, images: Images) -> Callable[[], float]:
        """Runs `images` and gives the milliseconds of that run, as `clock` takes them."""

        def run() -> float:
            started = time.perf_counter()
            self._run(images, self.output_names[:1], self._batch)
            return 1000.0 * (time.perf_counter() - started)

        return run

    @abstractmethod
    def describe(self) -> ExecutedGraph:
        """The graph as the runtime executes it, taps not included."""

    @abstractmethod
    def _execute(self, images: Images, names: Sequence[str]) -> Sequence[Array]:
        """One piece."""


def parts_of(
    source: Path | bytes, images: Images, shapes: Sequence[Sequence[int | str | None]]
) -> list[NDArray[np.float32]]:
    """Images for each input of a file: themselves for one, those of joined inputs `[N, F]` for several.

    Args:
        source: the file, for messages.
        images: a batch.
        shapes: of the file's inputs, batch included.

    Raises:
        InputError: the file has several inputs, and the batch is not theirs.
    """
    if len(shapes) == 1:
        return [images]
    sizes = [[size for size in shape[1:] if isinstance(size, int) and size > 0] for shape in shapes]
    static = all(len(known) == len(shape) - 1 for known, shape in zip(sizes, shapes, strict=True))
    if not static or images.ndim != 2 or images.shape[1] != sum(map(math.prod, sizes)):
        taken = " and ".join(str([*shape]) for shape in shapes)
        raise InputError(f"{where(source)} cannot run inputs of shape {list(images.shape)}: its inputs are {taken}")
    return split_inputs(images, sizes)


def as_taken(images: Images, shape: Sequence[int | str | None], *, pixels: bool) -> NDArray[Any]:
    """Images [N, C, H, W] in the form of a file's input.

    Args:
        images: float32, at the scale of the network's input.
        shape: of the input, batch included; a size that is open is a string, None or at most 0.
        pixels: the input is uint8; values are rounded.
    """
    sizes = shape[1:]
    if images.ndim == 4 and not _fits(sizes, images.shape[1:]) and _fits(sizes, (*images.shape[2:], images.shape[1])):
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    return np.clip(np.rint(images), 0, 255).astype(np.uint8) if pixels else images


def _fits(sizes: Sequence[int | str | None], found: Sequence[int]) -> bool:
    pairs = zip(sizes, found, strict=False)
    return len(sizes) == len(found) and all(not isinstance(a, int) or a <= 0 or a == b for a, b in pairs)


def where(model: Path | bytes) -> str:
    """The file's name for messages; bytes have one where they are `NamedBytes`."""
    return str(getattr(model, "name", "an unnamed network") if isinstance(model, bytes) else model)


def first_line(error: Exception) -> str:
    """The first line of a runtime's error, without its stack and source locations."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("Exception from ")]
    return lines[0] if lines else type(error).__name__
