"""The fastest and the most accurate choices, compared with all choices there are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfq_export.planning.precision.costs import Costs, Limits, UnitTime
from gdfq_export.planning.precision.programme import Programme
from gdfq_export.planning.precision.units import Boundary, Unit, Units

FEW = 6


def unit(place: int) -> Unit:
    return Unit(
        name=f"u{place}",
        op_type="Conv",
        points=(f"w{place}",),
        operations=1000,
        elements=10,
        weight_bytes=8,
        bytes_added=24,
    )


def chain(count: int, skip: int = 0) -> Units:
    """Units in a row, the first of which reads the input; the result of one may be read by a later one as well."""
    boundaries = [Boundary(tensor="x", group="x", elements=10, writer=None, readers=("u0",), read_as_float=False)]
    for place in range(count):
        readers = {f"u{each}": None for each in (place + 1, place + skip) if place < each < count}
        boundaries.append(
            Boundary(
                tensor=f"t{place}",
                group=f"t{place}",
                elements=10,
                writer=f"u{place}",
                readers=tuple(readers),
                read_as_float=place == count - 1,
            )
        )
    return Units(units=tuple(map(unit, range(count))), boundaries=tuple(boundaries))


@st.composite
def programmes(draw: st.DrawFn) -> Programme:
    units = chain(draw(st.integers(2, FEW)), draw(st.integers(0, 3)))
    outputs = draw(st.integers(1, 2))
    numbers = st.floats(0.001, 1.0)
    noise = {key: np.array([draw(numbers) for _ in range(outputs)]) for key in units.points}
    costs = Costs(
        units={each.name: UnitTime(integer=draw(numbers), floating=draw(numbers)) for each in units.units},
        quantize={each.tensor: draw(numbers) for each in units.boundaries},
        dequantize={each.tensor: draw(numbers) for each in units.boundaries},
        whole=100.0,
        whole_float=200.0,
    )
    return Programme(units=units, noise=noise, costs=costs)


def every_choice(programme: Programme) -> Iterator[frozenset[str]]:
    names = [each.name for each in programme.units.units]
    for count in range(len(names) + 1):
        yield from map(frozenset, itertools.combinations(names, count))


@settings(max_examples=30)
@given(programme=programmes(), share=st.floats(0.05, 1.0))
def test_no_choice_within_the_noise_is_faster(programme: Programme, share: float) -> None:
    limit = share * programme.noise_of(frozenset())
    found = programme.fastest(Limits(noise=limit))
    assert found is not None
    assert (programme.noise_of(found) <= limit * (1 + 1e-5)).all()
    within = [each for each in every_choice(programme) if (programme.noise_of(each) <= limit).all()]
    assert programme.time_of(found) <= min(map(programme.time_of, within)) + 0.01


@settings(max_examples=30)
@given(programme=programmes(), share=st.floats(0.0, 1.0))
def test_no_choice_within_the_time_has_less_noise(programme: Programme, share: float) -> None:
    times = [programme.time_of(each) for each in every_choice(programme)]
    limit = min(times) + share * (max(times) - min(times))
    found = programme.most_accurate(Limits(time=limit + 1e-6))
    assert found is not None
    assert programme.time_of(found) <= limit + 1e-4
    whole = programme.noise_of(frozenset())
    within = [each for each in every_choice(programme) if programme.time_of(each) <= limit]
    least = min(float((programme.noise_of(each) / whole).sum()) for each in within)
    assert float((programme.noise_of(found) / whole).sum()) <= least + 0.01


def test_a_tensor_between_float_units_is_not_quantized() -> None:
    programme = example()
    assert programme.noise_of(frozenset()) == pytest.approx([7.0])
    assert programme.noise_of(frozenset({"u0", "u1"})) == pytest.approx([3.0])  # left: t1, w2, t2
    assert programme.noise_of(programme.everything) == pytest.approx([0.0])


def test_conversions_stand_where_integers_meet_floats() -> None:
    programme = example()
    assert programme.time_of(frozenset()) == pytest.approx(10.0)
    # u1 alone in float: it takes 2 ms and not 1, its input is dequantized and its output quantized, for 1 ms each
    assert programme.time_of(frozenset({"u1"})) == pytest.approx(13.0)
    # the input is not quantized, t0 is
    assert programme.time_of(frozenset({"u0"})) == pytest.approx(11.0)


def test_limits_that_nothing_keeps_have_no_choice() -> None:
    assert example().most_accurate(Limits(time=0.0)) is None
    assert example().fastest(Limits(noise=np.array([0.5]), bytes_added=24)) is None


def test_measured_latencies_correct_times() -> None:
    programme = example().with_ends(0.25, 0.8)
    assert programme.ratio_of(frozenset()) == pytest.approx(0.25)
    assert programme.ratio_of(programme.everything) == pytest.approx(0.8)
    corrected = programme.with_conversions({frozenset({"u1"}): 0.5})
    assert corrected.ratio_of(frozenset({"u1"})) == pytest.approx(0.5)
    assert corrected.ratio_of(frozenset()) == pytest.approx(0.25)


def test_a_unit_is_to_blame_for_its_weights_and_for_what_it_writes() -> None:
    blame = example().noise_by_unit(frozenset({"u2"}))
    assert set(blame) == {"u0", "u1"}
    assert blame["u0"] == pytest.approx([3.0])  # its weights, its result, and the input that it alone reads


def test_networks_of_many_layers_are_solved() -> None:
    generator, units = np.random.default_rng(0), chain(80, 3)
    noise = {key: generator.lognormal(-8, 1.5, 8) for key in units.points}
    times = generator.uniform(0.1, 1.0, (80, 2))
    costs = Costs(
        units={f"u{place}": UnitTime(integer=row[0], floating=row[1]) for place, row in enumerate(times)},
        quantize={each.tensor: 0.1 for each in units.boundaries},
        dequantize={each.tensor: 0.1 for each in units.boundaries},
        whole=float(times[:, 0].sum()),
        whole_float=float(times[:, 1].sum()),
    )
    programme = Programme(units=units, noise=noise, costs=costs)
    limit = 0.1 * programme.noise_of(frozenset())
    found = programme.fastest(Limits(noise=limit))
    assert found is not None
    assert (programme.noise_of(found) <= 1.001 * limit).all()


def example() -> Programme:
    """Three units in a row with noise 1 everywhere; as integers 1 ms, in float 2 ms, conversions 1 ms."""
    units = chain(3)
    return Programme(
        units=units,
        noise={key: np.array([1.0]) for key in units.points},
        costs=Costs(
            units={each.name: UnitTime(integer=1.0, floating=2.0) for each in units.units},
            quantize={each.tensor: 1.0 for each in units.boundaries},
            dequantize={each.tensor: 1.0 for each in units.boundaries},
            whole=10.0,
            whole_float=20.0,
        ),
    )
