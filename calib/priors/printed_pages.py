"""Printed pages: lines of letters, headings, boxes and pictures, dark on light or light on dark.

Networks that read pages and screens answer to letters as to nothing else: on images without any, a text detector says
"no text" everywhere, and ranges that are observed there clip what it says of a line. Letters are drawn at random, in
the font that Pillow carries.
"""

from __future__ import annotations

import string

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from calib.input_spec import InputSpec
from calib.samplers import Sampler, StepReport

_LETTERS = string.ascii_letters + string.digits + ".,-"
_SMALLEST, _LARGEST = 1 / 64, 1 / 10  # height of a line by that of the page
_FEWEST_PIXELS = 8
_PICTURES = 0.2  # share of blocks that are pictures
_DARK = 0.25  # share of pages that are light on dark


class PrintedPageSampler:
    """Another sampler's images, of four in a row the second and the third laid out as printed pages.

    Args:
        images: where the images come from; parts of them are the pages' pictures.
        input_spec: shape and preprocessing of the network's input.
        seed: of what is printed.
    """

    def __init__(self, images: Sampler, input_spec: InputSpec, seed: int = 0) -> None:
        self._images = images
        self._input_spec = input_spec
        self._random = np.random.default_rng(seed)
        self.source = images.source

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 [count, C, H, W] and labels int64 [count]."""
        images, labels = self._images.draw(count, batch, on_step)
        low, high = (self._input_spec.plane(ends)[0] for ends in (self._input_spec.low, self._input_spec.high))
        for index in (each for each in range(count) if each % 4 in (1, 2)):
            ink, picture = (torch.from_numpy(plane) for plane in self._page(*images.shape[2:]))
            printed = torch.lerp(high, low, ink)
            images[index] = torch.where(picture, images[index], printed)
        return images, labels

    def _page(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """How much ink there is, float32 [H, W] from 0 to 1, and where the page has a picture, bool [H, W]."""
        page = Image.new("L", (width, height))
        pictures = Image.new("1", (width, height))
        pen, frame = ImageDraw.Draw(page), ImageDraw.Draw(pictures)
        columns = int(self._random.integers(1, 4))
        for column in range(columns):
            left, right = (int(width * (column + share) / columns) for share in (0.06, 0.94))
            top = int(height * self._random.uniform(0.01, 0.1))
            while top < height:
                share = float(np.exp(self._random.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
                size = max(_FEWEST_PIXELS, round(share * height))
                lines = int(self._random.integers(1, max(2, round(0.3 * height / size))))
                bottom = top + lines * round(1.3 * size)
                if self._random.random() < _PICTURES:
                    frame.rectangle((left, top, right, bottom), fill=1)
                else:
                    self._print(pen, size, (left, top, right, bottom))
                top = bottom + round(size * self._random.uniform(0.3, 2))
        ink = np.asarray(page, np.float32) / 255
        return (1 - ink if self._random.random() < _DARK else ink), np.array(pictures, bool)

    def _print(self, pen: ImageDraw.ImageDraw, size: int, box: tuple[int, int, int, int]) -> None:
        """Fill a block with lines of words, the last one shorter."""
        left, top, right, bottom = box
        font, ink = ImageFont.load_default(size), int(self._random.integers(128, 256))
        for line in range(top, bottom, round(1.3 * size)):
            end = right if line + 2 * size < bottom else left + int((right - left) * self._random.uniform(0.2, 1))
            pen.text((left, line), self._words((end - left) // max(1, size // 2)), fill=ink, font=font)

    def _words(self, letters: int) -> str:
        """Random words, so many letters together."""
        drawn = self._random.choice(list(_LETTERS), letters)
        spaces = np.cumsum(self._random.integers(2, 10, letters))
        drawn[spaces[spaces < letters]] = " "
        return "".join(drawn)
