"""Real images of a run beside the statistics that the float network carries from its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.metrics.in_domain import InDomain, measure_in_domain
from gdfq_export.runtimes.base import Images
from gdfq_export.support.progress import Progress


def domain_checks(model: FloatModel, given: Mapping[str, Images], progress: Progress) -> tuple[InDomain, ...]:
    """Compare sets of real images `[N, C, ...]`, by what they are; sets that cannot be compared are left out."""
    if not given or not model.statistics or model.stand_ins:
        return ()
    try:
        teacher = model.teacher
    except InputError:  # torch has no form of the network, which measuring a file does without
        return ()
    found = []
    with progress.phase("compare images with training"):
        for source, images in given.items():
            checked = measure_in_domain(teacher, model.input_spec, images, source)
            if isinstance(checked, InDomain):
                found.append(checked)
    return tuple(found)


def domain_warnings(checked: Sequence[InDomain]) -> tuple[str, ...]:
    """What is wrong with the images, as sentences for the user."""
    return tuple(each.message for each in checked if not each.in_domain)
