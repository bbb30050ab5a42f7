"""How long the parts of a run take that a budget cannot shorten: measuring the file, and the fewest images and steps.

Estimates, from the seconds that the float network takes for an image in torch. The factors are those of measured runs
of classifiers (docs/cost.md), rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.recipe import Recipe

FEWEST_IMAGES = 64
FEWEST_GENERATOR_STEPS = 60
FEWEST_FRESH_IMAGES = 8
_WRITING = 8.0  # seconds: the file, its coverage, tables, page
_COMPARED = 2.0  # times an image's seconds, to run the float and the quantized file
_SIMULATED = 3.0  # the same, to compare every integer with its simulation
_LAYERS = 32.0  # images' seconds, for the error by layer
_TUNED = 16.0  # times an image's seconds: outliers, ranges, layers
_LATENCY_ROUNDS = 50  # runs of the float network, whatever time the recipe gives


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeconds:
    """What was timed on this machine before a run.

    Attributes:
        generator: seconds of a training step of the generator; None where the data method trains none.
        refinement: seconds of a refinement step on a whole batch; None where images are not refined.
        image: seconds of the float network for an image, in torch.
    """

    generator: float | None = None
    refinement: float | None = None
    image: float = 0.0


def measuring_seconds(recipe: Recipe, steps: StepSeconds, *, labelled: int = 0) -> float:
    """Seconds from the end of tuning to the end of the run, making of fresh images left out.

    Args:
        recipe: as it is used.
        steps: as they were timed.
        labelled: images that the file is scored on.
    """
    verify = recipe.verify
    runs = _COMPARED * (verify.agreement_images + labelled) + _SIMULATED * verify.parity_images + _LAYERS
    latency = max(2 * verify.latency_seconds, _LATENCY_ROUNDS * steps.image) if verify.latency_seconds else 0.0
    return _WRITING + latency + runs * steps.image


def least_seconds(recipe: Recipe, steps: StepSeconds, *, labelled: int = 0) -> float:
    """Seconds of a run with the fewest images and steps that a budget may choose; arguments as above."""
    few = recipe.verify.model_copy(
        update={
            "agreement_images": min(recipe.verify.agreement_images, FEWEST_FRESH_IMAGES),
            "parity_images": min(recipe.verify.parity_images, FEWEST_FRESH_IMAGES),
        }
    )
    measuring = measuring_seconds(recipe.model_copy(update={"verify": few}), steps, labelled=labelled)
    generator = FEWEST_GENERATOR_STEPS * (steps.generator or 0.0)
    return generator + _TUNED * FEWEST_IMAGES * steps.image + measuring
