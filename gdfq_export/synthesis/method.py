"""What the pipeline knows of a method that makes images: how to make its samplers, what it needs, what a step costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from calib.samplers import Sampler
from calib.teacher import Teacher
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SynthesisInputs:
    """All that decides the images.

    Attributes:
        model: the float network.
        recipe: as it is used for this network's image size.
        seed: random seed.
        device: torch device.
    """

    model: FloatModel
    recipe: Recipe
    seed: int = 0
    device: str = "cpu"

    @property
    def teacher(self) -> Teacher:
        """The network as samplers take it."""
        model = self.model
        return Teacher(network=model.teacher, input_spec=model.input_spec, aim=model.task.aim)

    def diverged(self, section: str) -> InputError:
        """The error of a training that diverged; `section` is the recipe's, below `data`."""
        return InputError(
            f"making images for {self.model.source} diverged; lower data.{section}.learning_rate in the recipe "
            f"{self.recipe.name}"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samplers:
    """Where the images of a run come from.

    Attributes:
        tuning: draws the images to calibrate and tune on.
        evaluation: draws fresh images to compare the result on; may be a cheaper sampler of the same kind.
        available: how many different images there are; None where each draw makes new ones.
    """

    tuning: Sampler
    evaluation: Sampler
    available: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a published schedule was shortened: its steps as published, the steps that fit, seconds of a timed step."""

    published_steps: int
    steps: int
    seconds_per_step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One value of `data.method`.

    Attributes:
        make: gives the samplers; a generator is trained here, in a phase of its own. None: images must be given.
        section: of the recipe, below `data`, that holds its learning rate; empty where it has none.
        needs_batch_norm: works on BatchNorm statistics alone.
        ranks: of the inputs that it makes, 3 for images `(C, H, W)`; empty where it makes any, and several at once.
        generator_step: seconds of one training step of the generator on this machine; None where none is trained
            before images are drawn.
        refinement_step: seconds of one step on a whole batch of refined images; None where none are refined.
        cut: the recipe with as many steps as fit into the seconds that are left, for schedules as published.
        tune: trains generator and low-bit network side by side, in a phase of its own and in place of all other
            tuning; gives the number of images it made.
    """

    make: Callable[[SynthesisInputs, Progress], Samplers] | None
    section: str = ""
    needs_batch_norm: bool = False
    ranks: tuple[int, ...] = ()
    generator_step: Callable[[SynthesisInputs], float] | None = None
    refinement_step: Callable[[SynthesisInputs], float] | None = None
    cut: Callable[[SynthesisInputs, Callable[[], float]], tuple[Recipe, Cut | None]] | None = None
    tune: Callable[[SynthesisInputs, Simulator, Progress], int] | None = None
