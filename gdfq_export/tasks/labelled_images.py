"""Real images that a file is scored on, with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledImages:
    """Images `[N, ...]` as the network takes them, and where they come from.

    `truth` is what the task scores against, in its own form: class labels int64 `[N]`, masks, boxes, pairs; None where
    the images come without labels, so that both networks are compared on them and neither is scored.
    """

    images: NDArray[np.float32]
    truth: Any
    source: str

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)
