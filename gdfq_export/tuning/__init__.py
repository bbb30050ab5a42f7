"""What is adjusted between placement and writing: ranges, biases, and by distillation everything."""

from __future__ import annotations

from gdfq_export.tuning.bias_correction import correct_biases
from gdfq_export.tuning.calibration import calibrate
from gdfq_export.tuning.finetune import finetune

__all__ = ["calibrate", "correct_biases", "finetune"]
