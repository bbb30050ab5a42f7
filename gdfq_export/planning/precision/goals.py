"""What a choice of precision has to reach: the gates of a run that drafts can be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gdfq_export.errors import InputError
from gdfq_export.recipe import Gates, Recipe

_OF_DRAFTS = ("min-output-snr-db", "min-agreement", "max-top1-drop-pp", "max-latency-ratio", "max-size-ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """Limits on a draft; None sets none.

    Attributes:
        snr_db: least signal to noise of every output, dB.
        agreement: least share of images of the float network's class, 0 to 1.
        latency_ratio: largest latency relative to the float network's.
        size_ratio: largest file relative to the float network's.
    """

    snr_db: float | None = None
    agreement: float | None = None
    latency_ratio: float | None = None
    size_ratio: float | None = None

    def __str__(self) -> str:
        """All that are set: `30 dB of every output, 0.8 of float's latency`."""
        texts = (
            (self.snr_db, "{:g} dB of every output"),
            (self.agreement, "{:.2%} of the images with float's class"),
            (self.latency_ratio, "{:g} of float's latency"),
            (self.size_ratio, "{:g} of float's bytes"),
        )
        return ", ".join(text.format(value) for value, text in texts if value is not None)


def require_goals(recipe: Recipe) -> None:
    """Refuse a recipe that asks for a choice of precision without saying what it has to reach.

    Raises:
        InputError: no goal is set, or other parts of the recipe do not go with it.
    """
    if recipe.bits.precision != "auto":
        return
    goals_of(recipe.gates)
    others = ("bits.mixed", recipe.bits.mixed), ("tuning.published", recipe.tuning.published)
    for name, section in others:
        if section is not None:
            raise InputError(
                f"bits.precision in the recipe {recipe.name} is auto, and {name} decides the bits of layers or the "
                "tuning in its own way; leave one of them out"
            )


def goals_of(gates: Gates) -> Goals:
    """The goals that gates set: a drop of top-1 accuracy by a point takes another class for one image in a hundred.

    Raises:
        InputError: no gate sets one.
    """
    limits: Mapping[str, float | bool] = gates.limits()
    if not any(name in limits for name in _OF_DRAFTS):
        flags = ", ".join(f"--{name}" for name in _OF_DRAFTS[:-1])
        raise InputError(
            f"bits.precision in the recipe is auto, and no goal is set; give one of {flags} or --{_OF_DRAFTS[-1]}, or "
            "the same in the section gates of the recipe"
        )
    drop = gates.max_top1_drop_pp
    shares = [share for share in (gates.min_agreement, None if drop is None else 1 - drop / 100) if share is not None]
    return Goals(
        snr_db=gates.min_output_snr_db,
        agreement=max(shares, default=None),
        latency_ratio=gates.max_latency_ratio,
        size_ratio=gates.max_size_ratio,
    )
