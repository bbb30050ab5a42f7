"""The integer programme of precision: each unit is quantized or float, at the least time or the least error.

Errors add up as in ZeroQ (Cai et al., arXiv 2001.00281, section 3.2), for each output of the network by itself: its
noise power by its signal power. Times add up too, with those of the conversions between integers and floats.
`linear_programme.py` solves it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gdfq_export.planning.precision.costs import Costs, Limits, Noise, UnitTime
from gdfq_export.planning.precision.linear_programme import LinearProgramme
from gdfq_export.planning.precision.units import Units

_MOST_CORRECTION = 3.0  # of the time of conversions


@dataclass(frozen=True, kw_only=True)
class Programme:
    """The choices of one network, and what each of them costs.

    Attributes:
        units: the units and the tensors between them.
        noise: of the outputs, for each point that alone is quantized, by its key.
        costs: times.
    """

    units: Units
    noise: Mapping[str, Noise]
    costs: Costs

    def noise_of(self, floats: frozenset[str]) -> Noise:
        """The sum of the errors that are left where these units are float."""
        found = [self.noise[key] for key in self._quantized(floats)]
        return np.sum(found, axis=0) if found else np.zeros(self._outputs)

    def time_of(self, floats: frozenset[str]) -> float:
        """Milliseconds for one image where these units are float."""
        return self._counted(floats) + self._uncounted

    @cached_property
    def _uncounted(self) -> float:
        """Milliseconds of what no choice changes."""
        return self.costs.whole - self._counted(frozenset())

    def _counted(self, floats: frozenset[str]) -> float:
        total = self._conversions(floats)
        for unit in self.units.units:
            times = self.costs.units[unit.name]
            total += times.floating if unit.name in floats else times.integer
        return total

    def _conversions(self, floats: frozenset[str]) -> float:
        """Milliseconds of all QuantizeLinear and DequantizeLinear where these units are float."""
        costs, total = self.costs, 0.0
        for each in self.units.boundaries:
            written = each.writer is None or each.writer in floats
            if written and not floats.issuperset(each.readers):
                total += costs.quantize[each.tensor]
            if not written and (each.read_as_float or not floats.isdisjoint(each.readers)):
                total += costs.dequantize[each.tensor]
        return total

    def ratio_of(self, floats: frozenset[str]) -> float:
        """Latency relative to the float network's where these units are float."""
        return self.time_of(floats) / self.costs.whole_float

    def with_ends(self, quantized: float, floating: float) -> Programme:
        """The programme whose times fit two measured latencies, relative to the float network's file.

        Args:
            quantized: with everything quantized.
            floating: with everything float in the form that is planned, which may be faster than the file.
        """
        whole_float = self.costs.whole_float / floating
        whole = quantized * whole_float
        scaled = self._with_times(whole / self.costs.whole, 1.0, whole=whole, whole_float=whole_float)
        everything = scaled._counted(self.everything)
        left = floating * whole_float - scaled._uncounted
        factor = left / everything if everything > 0 else 1.0
        return scaled._with_times(1.0, max(1 / _MOST_CORRECTION, factor), whole=whole, whole_float=whole_float)

    def _with_times(self, integer: float, floating: float, *, whole: float, whole_float: float) -> Programme:
        """The programme with the times of units multiplied by these factors."""
        units = {
            name: UnitTime(integer=integer * times.integer, floating=floating * times.floating)
            for name, times in self.costs.units.items()
        }
        return dataclasses.replace(
            self, costs=dataclasses.replace(self.costs, units=units, whole=whole, whole_float=whole_float)
        )

    def with_conversions(self, measured: Mapping[frozenset[str], float]) -> Programme:
        """The programme whose times of conversions fit the measured latencies of these choices best, relative to float.

        What a conversion really costs depends on what the runtime can no longer fuse.
        """
        least = self._conversions(frozenset())
        added = np.array([self._conversions(floats) - least for floats in measured])
        missing = np.array(
            [ratio * self.costs.whole_float - self.time_of(floats) for floats, ratio in measured.items()]
        )
        if not added.any():
            return self
        factor = 1 + float(added @ missing) / float(added @ added)
        factor = min(_MOST_CORRECTION, max(1 / _MOST_CORRECTION, factor))
        quantize, dequantize = (
            {name: factor * time for name, time in times.items()}
            for times in (self.costs.quantize, self.costs.dequantize)
        )
        return dataclasses.replace(
            self, costs=dataclasses.replace(self.costs, quantize=quantize, dequantize=dequantize)
        )

    def bytes_of(self, floats: frozenset[str]) -> int:
        """Bytes that float weights add to the file where these units are float."""
        return sum(unit.bytes_added for unit in self.units.units if unit.name in floats)

    def noise_by_unit(self, floats: frozenset[str]) -> dict[str, Noise]:
        """The error that each quantized unit is to blame for: of its weights, and of what it writes.

        What no unit writes, such as the network's input, counts for those that read it.
        """
        writers: dict[str, dict[str, None]] = {}
        for each in self.units.boundaries:
            writers.setdefault(each.group, {}).update(
                dict.fromkeys(each.readers if each.writer is None else [each.writer])
            )
        found = {}
        for unit in self.units.units:
            if unit.name not in floats:
                groups = [group for group, units in writers.items() if unit.name in units]
                keys = [key for key in (*groups, *unit.points) if key in self.noise]
                found[unit.name] = (
                    np.sum([self.noise[key] for key in keys], axis=0) if keys else np.zeros(self._outputs)
                )
        return found

    @property
    def everything(self) -> frozenset[str]:
        """All units."""
        return frozenset(unit.name for unit in self.units.units)

    def fastest(self, limits: Limits, among: frozenset[str] | None = None) -> frozenset[str] | None:
        """The float units of the least time within the limits; None where there are none.

        Args:
            limits: on noise, time and bytes.
            among: the units that may be float; None: all.
        """
        return self._linear.least(self._linear.time_terms(), self._after_integers(limits), among)

    def most_accurate(self, limits: Limits) -> frozenset[str] | None:
        """The float units of the least noise, relative to that with everything quantized, within the limits."""
        return self._linear.least(self._linear.noise_terms(self.noise_of(frozenset())), self._after_integers(limits))

    @cached_property
    def _linear(self) -> LinearProgramme:
        return LinearProgramme(units=self.units, noise=self.noise, costs=self.costs)

    def _after_integers(self, limits: Limits) -> Limits:
        """The limits with the time that is left after that of all units as integers."""
        integer = self._uncounted + sum(times.integer for times in self.costs.units.values())
        return dataclasses.replace(limits, time=limits.time - integer)

    def _quantized(self, floats: frozenset[str]) -> list[str]:
        groups = [group for group, units in self.units.groups.items() if not floats.issuperset(units)]
        own = {key for unit in self.units.units if unit.name not in floats for key in unit.points}
        return [key for key in (*groups, *own) if key in self.noise]

    @property
    def _outputs(self) -> int:
        return len(next(iter(self.noise.values()))) if self.noise else 0
