"""What tasks share whose outputs are numbers rather than classes of an image."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from calib.aim import Aim, SpreadAim
from gdfq_export.tasks.output_error import relative_error
from gdfq_export.tasks.outputs import Outputs


class NumericOutputs:
    """Aim, facts and error of such a task; a task overrides what is different with it."""

    __slots__ = ()

    @property
    def aim(self) -> Aim:
        """The outputs are spread over their range."""
        return SpreadAim()

    @property
    def facts(self) -> Mapping[str, int]:
        """Nothing: the number of classes, where there is one, is not of whole images."""
        return {}

    def error(self, found: Outputs, wanted: Outputs) -> Tensor:
        """Mean squared error by the variance of the float network's values, the mean over values."""
        return relative_error(found, wanted)
