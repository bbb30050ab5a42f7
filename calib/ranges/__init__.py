"""Range estimation: where to clip a tensor before it is rounded to a few bits."""

from __future__ import annotations

from calib.ranges.estimators import Entropy, MinMax, Mse, Percentile, RangeEstimator, make_range_estimator

__all__ = ["Entropy", "MinMax", "Mse", "Percentile", "RangeEstimator", "make_range_estimator"]
