"""A classifier of two classes with one output `[N, 1]` behind a Sigmoid: the probability of the second class.

A probability p stands for (1 - p, p); the logit z in front of the Sigmoid, where it is compared, for (0, z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.outputs import NetworkOutputs, OutputArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleScore(Classification):
    """Two classes in one column, the probability of the second."""

    def agreement(self, float_outputs: OutputArrays, outputs: OutputArrays, source: str) -> Agreement:
        """Figures of two class scores; the errors of logits are over both, one of which is exact."""
        return Classification.agreement(self, self._scores(float_outputs), self._scores(outputs), source)

    def accuracy(
        self, float_outputs: OutputArrays, outputs: OutputArrays, truth: NDArray[np.int64], source: str
    ) -> Accuracy:
        """Top-1 accuracy against class labels 0 and 1, int64 [N]."""
        return Classification.accuracy(self, self._scores(float_outputs), self._scores(outputs), truth, source)

    def predicted(self, outputs: OutputArrays) -> NDArray[np.int64]:
        """The class of each image, 0 or 1, int64 [N]."""
        return Classification.predicted(self, self._scores(outputs))

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether the first output is one score; saved sets hold both."""
        first = shapes[0] if shapes else ()
        return not first or (len(first) == 2 and first[1] in (0, 1, 2))

    def _scores(self, outputs: OutputArrays) -> OutputArrays:
        score = outputs[0]
        if score.ndim != 2 or score.shape[1] != 1:
            return outputs
        first = 1 - score if self.probabilities else np.zeros_like(score)
        return (np.concatenate([first, score], axis=1),)


def recognise_classifier(network: NetworkOutputs) -> Classification | str:
    """Class scores [N, classes], or one column behind a Sigmoid; a column without one may be any number."""
    outputs = network.outputs
    if len(outputs) == 1 and len(shape := outputs[0].shape) == 2 and isinstance(shape[0], str) and shape[1] == 1:
        output = outputs[0]
        if output.op_type == "Sigmoid" and output.source is not None:
            return SingleScore(classes=2, compared=(output.source,), probabilities=True)
    return Classification.recognise(network)
