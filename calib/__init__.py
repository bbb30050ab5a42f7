"""Data for a network that has none: a generator trained on the network itself, other samplers, and range estimation.

Knows torch, never ONNX: what it trains on is any `torch.nn.Module` that maps images to logits.
"""

from __future__ import annotations

from calib.aim import Aim, ClassAim, NoAim, SpreadAim
from calib.errors import DataError
from calib.gdfq import GdfqSampler, GeneratorTraining, train_gdfq
from calib.generator import ConditionalGenerator
from calib.input_spec import InputSpec
from calib.joined_inputs import JoinedInputs, JoinedSampler
from calib.priors.dead_leaves import DeadLeavesSampler
from calib.priors.pink_noise import PinkNoiseSampler
from calib.ranges import Entropy, MinMax, Mse, Percentile, RangeEstimator, make_range_estimator
from calib.ranges.moving_range import MovingRange
from calib.refinement import RefinedSampler, RefinementSettings
from calib.samplers import AlternatingSampler, NoiseSampler, RealSet, Sampler, StepReport
from calib.statistics import BatchNormTap, bns_loss, has_batch_norm
from calib.synthetic_set import SyntheticSet
from calib.teacher import Teacher
from calib.zeroq import ZeroQSampler, ZeroQSettings

__all__ = [
    "Aim",
    "AlternatingSampler",
    "BatchNormTap",
    "ClassAim",
    "ConditionalGenerator",
    "DataError",
    "DeadLeavesSampler",
    "Entropy",
    "GdfqSampler",
    "GeneratorTraining",
    "InputSpec",
    "JoinedInputs",
    "JoinedSampler",
    "MinMax",
    "MovingRange",
    "Mse",
    "NoAim",
    "NoiseSampler",
    "Percentile",
    "PinkNoiseSampler",
    "RangeEstimator",
    "RealSet",
    "RefinedSampler",
    "RefinementSettings",
    "Sampler",
    "SpreadAim",
    "StepReport",
    "SyntheticSet",
    "Teacher",
    "ZeroQSampler",
    "ZeroQSettings",
    "bns_loss",
    "has_batch_norm",
    "make_range_estimator",
    "train_gdfq",
]
