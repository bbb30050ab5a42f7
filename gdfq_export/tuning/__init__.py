"""Calibration and tuning of the simulated network: ranges, weights, biases, and all of them by distillation."""

from __future__ import annotations

from gdfq_export.tuning.calibration import calibrate
from gdfq_export.tuning.distillation import finetune
from gdfq_export.tuning.reconstruction.layerwise import tune_layers
from gdfq_export.tuning.tune import Tuned, tune
