"""Networks of several float inputs: a batch of all of them is one tensor."""

from __future__ import annotations

from calib.joined_inputs.joined_sampler import JoinedSampler
from calib.joined_inputs.joined_spec import JoinedInputs, split_inputs

__all__ = ["JoinedInputs", "JoinedSampler", "split_inputs"]
