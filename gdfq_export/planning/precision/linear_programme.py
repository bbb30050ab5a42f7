"""The linear programme of precision, as scipy's `milp` takes it: columns, constraints, solution.

x_u = 1 where unit u is float. A group of tensors adds its error unless all its units are float; a tensor costs a
QuantizeLinear where a float unit writes it and a quantized one reads it, and a DequantizeLinear the other way round.
Both follow from x, so that only x has to be integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from gdfq_export.planning.precision.costs import Costs, Limits, Noise
from gdfq_export.planning.precision.units import Units

_GAP, _SECONDS = 3e-3, 10.0  # of HiGHS
_BYTES_WEIGHT = 1e-3  # of the whole time: between choices of the same time, that of fewer bytes
_SLACK = 1e-9
_NEGLIGIBLE = 1e-6  # of the noise that an output may have

Terms = NDArray[np.float64]
"""One coefficient for each column: x of each unit, "quantized" of each point, Q and DQ of each tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearProgramme:
    """The columns of one network.

    Attributes:
        units: the units and the tensors between them.
        noise: of the outputs, for each point that alone is quantized, by its key.
        costs: times.
    """

    units: Units
    noise: Mapping[str, Noise]
    costs: Costs

    def time_terms(self) -> Terms:
        """Milliseconds by column, after those of all units as integers."""
        terms = np.zeros(self._count)
        for place, unit in enumerate(self.units.units):
            times = self.costs.units[unit.name]
            terms[place] = times.floating - times.integer
        first = len(self.units.units) + len(self.units.points)
        for place, each in enumerate(self.units.boundaries):
            terms[first + 2 * place] = self.costs.quantize[each.tensor]
            terms[first + 2 * place + 1] = self.costs.dequantize[each.tensor]
        return terms

    def noise_terms(self, whole: Noise) -> Terms:
        """Noise by column, the sum over outputs of its ratios to `whole`."""
        terms = np.zeros(self._count)
        for column, noise in self._noise_columns().items():
            terms[column] += float(np.sum(noise / np.maximum(whole, np.finfo(float).tiny)))
        return terms

    def least(self, terms: Terms, limits: Limits, among: frozenset[str] | None = None) -> frozenset[str] | None:
        """The float units of the least sum of terms, only units of `among` if it is given; None: nothing is within.

        `limits.time` is for `time_terms`.
        """
        rows = _Rows(self._count)
        self._add_implied(rows)
        self._add_limits(rows, limits)
        objective = terms / (float(np.abs(terms).sum()) or 1.0)
        for place, share in enumerate(self._byte_shares()):
            objective[place] += _BYTES_WEIGHT * share
        most = np.ones(self._count)
        if among is not None:
            most[: len(self.units.units)] = [unit.name in among for unit in self.units.units]
        integrality = np.zeros(self._count)
        integrality[: len(self.units.units)] = 1
        found = milp(
            objective,
            integrality=integrality,
            bounds=Bounds(0, most),
            constraints=rows.constraint(),
            options={"mip_rel_gap": _GAP, "time_limit": _SECONDS},
        )
        if found.x is None:
            return None
        pairs = zip(self.units.units, found.x, strict=False)
        return frozenset(unit.name for unit, value in pairs if value > 0.5)

    @property
    def _count(self) -> int:
        return len(self.units.units) + len(self.units.points) + 2 * len(self.units.boundaries)

    def _noise_columns(self) -> dict[int, Noise]:
        first = len(self.units.units)
        return {first + place: self.noise[key] for place, key in enumerate(self.units.points) if key in self.noise}

    @property
    def _bytes(self) -> float:
        return float(sum(unit.bytes_added for unit in self.units.units)) or 1.0

    def _byte_shares(self) -> list[float]:
        return [unit.bytes_added / self._bytes for unit in self.units.units]

    def _add_limits(self, rows: _Rows, limits: Limits) -> None:
        columns = self._noise_columns()
        for place, limit in enumerate(() if limits.noise is None else limits.noise):
            shares = {column: noise[place] / limit for column, noise in columns.items()}
            rows.add({column: share for column, share in shares.items() if share > _NEGLIGIBLE}, high=1.0)
        if np.isfinite(limits.bytes_added):
            rows.add(dict(enumerate(self._byte_shares())), high=limits.bytes_added / self._bytes)
        if np.isfinite(limits.time):
            rows.add(dict(enumerate(self.time_terms())), high=limits.time)

    def _add_implied(self, rows: _Rows) -> None:
        """What follows from x: which points are quantized, and where Q and DQ stand."""
        place = {unit.name: index for index, unit in enumerate(self.units.units)}
        first = len(place)
        column = {key: first + index for index, key in enumerate(self.units.points)}
        for group, units in self.units.groups.items():
            for unit in units:
                rows.add({column[group]: 1.0, place[unit]: 1.0}, low=1.0)
        for each in self.units.units:
            for key in each.points:
                rows.add({column[key]: 1.0, place[each.name]: 1.0}, low=1.0)
        first += len(column)
        for index, tensor in enumerate(self.units.boundaries):
            quantize, dequantize = first + 2 * index, first + 2 * index + 1
            writer = None if tensor.writer is None else place[tensor.writer]
            for reader in tensor.readers:
                if writer is None:
                    rows.add({quantize: 1.0, place[reader]: 1.0}, low=1.0)
                elif writer != place[reader]:
                    rows.add({quantize: 1.0, writer: -1.0, place[reader]: 1.0}, low=0.0)
                    rows.add({dequantize: 1.0, writer: 1.0, place[reader]: -1.0}, low=0.0)
            if writer is not None and tensor.read_as_float:
                rows.add({dequantize: 1.0, writer: 1.0}, low=1.0)


class _Rows:
    """Linear constraints, row by row."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._entries: list[tuple[int, int, float]] = []
        self._bounds: list[tuple[float, float]] = []

    def add(self, entries: Mapping[int, float], *, low: float = -np.inf, high: float = np.inf) -> None:
        """Add the constraint low <= sum of entry * column <= high."""
        self._entries += [(len(self._bounds), column, value) for column, value in entries.items() if value]
        self._bounds.append((low, high + _SLACK))

    def constraint(self) -> LinearConstraint:
        """All of them."""
        rows, columns, values = zip(*self._entries, strict=True)
        matrix = coo_array((values, (rows, columns)), shape=(len(self._bounds), self._columns))
        low, high = zip(*self._bounds, strict=True)
        return LinearConstraint(matrix.tocsr(), low, high)
