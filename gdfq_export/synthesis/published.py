"""`data.method: published`: GDFQ as published, whose generator is trained beside the low-bit network.

The method itself is in `gdfq_export/baselines`; this file alone connects it with the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable

from calib.checkpoints.checkpoint import Checkpoint
from gdfq_export.baselines.published_budget import steps_within, time_published
from gdfq_export.baselines.published_finetune import published_finetune
from gdfq_export.baselines.published_gdfq import PublishedGdfq, PublishedTraining
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import PublishedGenerator, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.progress import Progress
from gdfq_export.synthesis.method import Cut, Method, Samplers, SynthesisInputs

_TIMED_STEPS = 3
_SPARE = 0.97  # of the seconds left; the rest is for freezing and writing the file


def _trainer(
    inputs: SynthesisInputs, section: PublishedGenerator, checkpoint: Checkpoint | None = None
) -> PublishedGdfq:
    settings = PublishedTraining(**section.model_dump())
    return PublishedGdfq(inputs.teacher, settings, seed=inputs.seed, device=inputs.device, checkpoint=checkpoint)


def _make(inputs: SynthesisInputs, progress: Progress) -> Samplers:
    checkpoint = progress.checkpoints.of("make images/generator")
    sampler = _trainer(inputs, inputs.recipe.data.published, checkpoint)
    return Samplers(tuning=sampler, evaluation=sampler)


def _tune(inputs: SynthesisInputs, simulator: Simulator, progress: Progress) -> int:
    settings = inputs.recipe.tuning.published
    if settings is None:
        raise ValueError("the recipe has no tuning.published")
    trainer = _trainer(inputs, inputs.recipe.data.published)
    name = "train and fine-tune"
    with progress.phase(name) as phase:
        published_finetune(simulator, trainer, settings, on_step=phase, checkpoint=progress.checkpoints.of(name))
    return trainer.images


def _cut(inputs: SynthesisInputs, left: Callable[[], float]) -> tuple[Recipe, Cut | None]:
    recipe, section = inputs.recipe, inputs.recipe.data.published
    fine_tune = recipe.tuning.published
    if fine_tune is None:
        return recipe, None
    model = inputs.model
    plan = plan_of(model, recipe.target, recipe.bits)
    simulator = Simulator(model.folded, plan, task=model.task).to(inputs.device)
    trainer = _trainer(inputs, section.model_copy(update={"steps": 1 + _TIMED_STEPS}))
    generator, full = time_published(simulator, trainer, fine_tune)
    steps = min(section.steps, steps_within(_SPARE * left(), generator, full, fine_tune))
    data = recipe.data.model_copy(update={"published": section.model_copy(update={"steps": steps})})
    cut = Cut(published_steps=section.steps, steps=steps, seconds_per_step=full)
    return recipe.model_copy(update={"data": data}), cut


PUBLISHED = Method(make=_make, section="published", needs_batch_norm=True, ranks=(3,), cut=_cut, tune=_tune)
