"""The imported graph with fake quantizers at the plan's points: float mode trains, integer mode is exact."""

from __future__ import annotations

from gdfq_export.simulator.encoding import Encoding
from gdfq_export.simulator.integer_simulator import IntegerSimulator, quantized_name
from gdfq_export.simulator.quantizer import Mode, Observer, Quantizer
from gdfq_export.simulator.simulator import Layer, Simulator
