"""Where images come from when nobody trains a generator: noise, and real images a user brings.

A sampler draws images and labels; it does not matter to the rest of the tool which one it is. `calib.gdfq` holds the
trained one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from calib.files.image_folder import read_image_folder
from calib.files.npz_images import read_npz_images
from calib.input_spec import InputSpec

__all__ = ["AlternatingSampler", "NoiseSampler", "RealSet", "Sampler", "StepReport"]

StepReport = Callable[[int, int, Mapping[str, float]], None]
"""Called after each optimizer step with the steps done, the steps in all, and the figures of the step by name."""


class Sampler(Protocol):
    """Anything that draws images with labels; `source` names it in reports."""

    @property
    def source(self) -> str:
        """Name the origin of the images: gdfq, noise or real."""
        ...

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 `[count, C, H, W]` and labels int64 `[count]` on the CPU, made `batch` at a time.

        A sampler that optimizes images calls `on_step` after each step; the others take no steps and ignore it.
        """
        ...


class NoiseSampler:
    """Gaussian noise clipped to the input's range, with labels that mean nothing: the baseline to beat.

    The noise has the InputSpec's `centre` and `spread`: mean 0 and standard deviation 1 where the preprocessing
    standardises, the middle and a quarter of the range for raw pixels.
    """

    source = "noise"

    def __init__(self, input_spec: InputSpec, num_classes: int, seed: int = 0) -> None:
        self._input_spec = input_spec
        self._num_classes = num_classes
        self._random = torch.Generator().manual_seed(seed)

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw noise float32 [count, C, H, W] and labels int64 [count]; `batch` bounds the working memory."""
        del on_step
        images = torch.empty((count, *self._input_spec.shape))
        for chunk in images.split(batch):
            chunk.copy_(self._input_spec.from_noise(torch.randn(chunk.shape, generator=self._random)))
        return images, torch.randint(self._num_classes, (count,), generator=self._random)


class AlternatingSampler:
    """Draw from several samplers in turn, so that every stretch of a draw holds images of each."""

    def __init__(self, *samplers: Sampler) -> None:
        self._samplers = samplers
        self.source = " and ".join(sampler.source for sampler in samplers)

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 [count, C, H, W] and labels int64 [count], image i from sampler i modulo their number."""
        share = -(-count // len(self._samplers))
        drawn = [sampler.draw(share, batch, on_step) for sampler in self._samplers]
        images, labels = (torch.stack(parts, dim=1).flatten(0, 1)[:count] for parts in zip(*drawn, strict=True))
        return images, labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealSet:
    """Labelled real images, normalised: images float32 [N, C, H, W], labels int64 [N]; `origin` is their file."""

    images: Tensor
    labels: Tensor
    origin: str

    @property
    def source(self) -> str:
        """Name the origin in reports."""
        return "real"

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Give the first `count` images, in the order of the file, repeating from its start where it has fewer."""
        del batch, on_step
        order = torch.arange(count) % len(self)
        return self.images[order], self.labels[order]

    @classmethod
    def load(cls, path: str | Path, input_spec: InputSpec, num_classes: int) -> RealSet:
        """Read an .npz (`images`, `labels`) or a folder with images and a labels.csv (`file,label`).

        Raises:
            DataError: the file or folder is missing or does not hold labelled images of the network's shape.
        """
        path = Path(path)
        read = read_image_folder if path.is_dir() else read_npz_images
        images, labels = read(path, input_spec, num_classes)
        return cls(images=torch.from_numpy(images), labels=torch.from_numpy(labels), origin=str(path))
