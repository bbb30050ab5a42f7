"""A run for its target, or for the fastest one, that goes on where an interrupted one stopped."""

from __future__ import annotations

from gdfq_export.jobs.auto_target.choose_target import choose_target
from gdfq_export.jobs.auto_target.quantize_fastest import quantize_fastest
from gdfq_export.jobs.quantize import quantize
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.quantizing.shared_work import require_shareable
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.resume.continued import continued
from gdfq_export.jobs.resume.identity import images_identity, run_identity
from gdfq_export.jobs.resume.threads import threads_for
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.planning.placement import forewarnings, plan_of

AUTO = "auto"


def run_whole(request: QuantizeRequest, run: RunContext, target: str | None = None) -> Result:
    """Quantize and measure with the network's number of threads; `target` is `auto`, or the recipe's.

    Args:
        request: what is quantized, and what it is measured with.
        run: a context that has started.
        target: `auto` times drafts in every runtime that is installed and takes the fastest.
    """
    network, recipe = request.model, request.recipe
    require_shareable(recipe, run.processes, times_targets=target == AUTO)
    facts = {"target": target or recipe.target, "calibration": images_identity(request.calibration)}
    with threads_for(run, network):
        identity = run_identity("quantize", network, recipe=recipe, run=run, **facts)
        with continued(run, identity) as run:
            if target == AUTO:
                return quantize_fastest(request, choose_target(network, recipe, run), run)
            run.progress.warn(*forewarnings(plan_of(network, recipe.target, recipe.bits)))
            return quantize(request, run)
