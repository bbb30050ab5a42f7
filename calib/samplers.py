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

StepReport = Callable[[int, int, Mapping[str, float]], None]
"""Called after each optimizer step with the steps done, the steps in all, and the figures of the step by name."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Where a batch stands in its draw: steps `before` it, steps in `total`, and whom to report to."""

    before: int
    total: int
    on_step: StepReport | None

    def report(self, done: int, figures: Mapping[str, float]) -> None:
        """Report `done` steps of the batch and the figures of the last one."""
        if self.on_step is not None:
            self.on_step(self.before + done, self.total, figures)


class Sampler(Protocol):
    """Protocol of what draws images with labels; `source` names it in reports.

    Any object with these two members can take the place of the samplers of this package.
    """

    @property
    def source(self) -> str:
        """Name the origin of the images: gdfq, noise or real."""
        ...

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images and labels.

        Args:
            count: number of images.
            batch: number of images made at once; it bounds the working memory.
            on_step: called after each step by a sampler that optimizes images; the others ignore it.

        Returns:
            Normalised images float32 `[count, C, H, W]` and labels int64 `[count]`, on the CPU.
        """
        ...


class NoiseSampler:
    """Gaussian noise clipped to the input's range, with random labels: the baseline that other samplers must beat.

    The noise has the InputSpec's `centre` and `spread`: mean 0 and standard deviation 1 where the preprocessing
    standardises, the middle and a quarter of the range for raw pixels.

    Args:
        input_spec: shape and preprocessing of the network's input.
        num_classes: labels are drawn from 0 to num_classes - 1.
        seed: random seed of images and labels.

    Example:
        >>> from calib import InputSpec, NoiseSampler
        >>> spec = InputSpec(shape=(3, 32, 32), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)
        >>> images, labels = NoiseSampler(spec, num_classes=10, seed=0).draw(8, batch=4)
        >>> images.shape, labels.shape
        (torch.Size([8, 3, 32, 32]), torch.Size([8]))
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
            chunk.copy_(self._draw(len(chunk)))
        return images, torch.randint(self._num_classes, (count,), generator=self._random)

    def _draw(self, count: int) -> Tensor:
        """`count` images; a sampler of other noise overrides this."""
        noise = torch.randn((count, *self._input_spec.shape), generator=self._random)
        return self._input_spec.from_noise(noise)


class AlternatingSampler:
    """Draw from several samplers, interleaved, so that every part of a draw holds images of each."""

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
    """Labelled real images; a Sampler that gives them in their order.

    Attributes:
        images: float32 [N, C, H, W], normalised, as the network takes them.
        labels: int64 [N].
        origin: the file or folder they were read from.
    """

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
    def load(cls, path: str | Path, input_spec: InputSpec, num_classes: int | None = None) -> RealSet:
        """Read labelled images from an .npz or from a folder.

        Args:
            path: an .npz with `images`, uint8 [N, H, W, C] or float32 [N, C, H, W], already normalised, and `labels`,
                integers [N]; or a folder with images and a `labels.csv` of the columns `file` and `label`.
            input_spec: shape and preprocessing of the network's input; pixels are normalised with it.
            num_classes: labels must be below it; None accepts any label from 0 upwards.

        Returns:
            The images, normalised, in the order of the file.

        Raises:
            DataError: the file or folder is missing or does not hold labelled images of the network's shape.

        Example:
            >>> import numpy as np
            >>> from calib import InputSpec, RealSet
            >>> spec = InputSpec(shape=(3, 32, 32), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)
            >>> np.savez("photos.npz", images=np.zeros((5, 32, 32, 3), np.uint8), labels=np.arange(5))
            >>> RealSet.load("photos.npz", spec).images.shape
            torch.Size([5, 3, 32, 32])
        """
        path = Path(path)
        read = read_image_folder if path.is_dir() else read_npz_images
        images, labels = read(path, input_spec, num_classes)
        return cls(images=torch.from_numpy(images), labels=torch.from_numpy(labels), origin=str(path))
