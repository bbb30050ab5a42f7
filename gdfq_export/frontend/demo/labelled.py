"""The held-out digits as labelled images in the demo network's own form."""

from __future__ import annotations

import torch

from calib.samplers import RealSet
from gdfq_export.frontend.demo.digits import held_out_digits
from gdfq_export.frontend.demo.network import load_demo


def held_out_set() -> RealSet:
    """The 899 held-out digits, normalised: images float32 [899, 1, 8, 8], labels int64 [899].

    Raises:
        InputError: scikit-learn is not installed.
    """
    pixels, labels = held_out_digits()
    _, input_spec, _ = load_demo()
    return RealSet(
        images=torch.from_numpy(input_spec.normalize(pixels)),
        labels=torch.from_numpy(labels),
        origin="scikit-learn's digits, held-out half",
    )
