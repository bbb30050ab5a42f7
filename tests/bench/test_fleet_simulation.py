from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fleet_simulation import Costs, SimulatedJob, simulate

JOBS = st.lists(
    st.builds(SimulatedJob, network=st.sampled_from("abcd"), seconds=st.floats(0.5, 50.0)), min_size=1, max_size=40
)
COSTS = st.builds(
    Costs,
    start=st.floats(0, 20),
    imports=st.floats(0, 10),
    load=st.floats(0, 5),
    schedule=st.floats(0, 0.1),
    write=st.floats(0, 1),
    writers=st.integers(1, 8),
    held=st.integers(1, 3),
    straggling=st.floats(0, 0.5),
    slowdown=st.floats(1, 5),
    between_losses=st.none() | st.floats(500, 2000),
)
SMALL = 1e-6


@settings(max_examples=60, deadline=None)
@given(jobs=JOBS, workers=st.integers(1, 12), costs=COSTS, seed=st.integers(0, 9))
def test_nothing_ends_before_its_work_divided_by_the_workers_or_before_its_longest_job(jobs, workers, costs, seed):
    outcome = simulate(jobs, workers, costs, seed=seed)
    assert outcome.makespan >= outcome.work / workers - SMALL
    assert outcome.makespan >= outcome.longest + costs.start + costs.imports + costs.load + costs.write - SMALL
    assert outcome.makespan >= costs.schedule * len(jobs) - SMALL, "there is one scheduler"
    assert outcome.makespan >= costs.write * len(jobs) / costs.writers - SMALL, "the store takes so many at once"
    assert outcome.loads >= len({job.network for job in jobs})
    assert 0 < outcome.efficiency <= 1 + SMALL
    assert sum(outcome.overheads.values()) + outcome.efficiency == pytest.approx(1, abs=0.02)


@settings(max_examples=60, deadline=None)
@given(jobs=JOBS, workers=st.integers(1, 10), costs=COSTS)
def test_more_workers_are_never_slower_by_more_than_one_job_with_its_costs(jobs, workers, costs):
    costs = replace(costs, between_losses=None)
    few, many = (simulate(jobs, number, costs) for number in (workers, 2 * workers))
    one = many.longest + costs.start + costs.imports + costs.load + costs.write * len(jobs) / costs.writers
    assert many.makespan <= few.makespan + one + costs.write + costs.schedule * len(jobs) + costs.load * len(jobs)


@settings(max_examples=40, deadline=None)
@given(jobs=JOBS, workers=st.integers(1, 10))
def test_without_costs_the_bound_of_list_scheduling_holds(jobs, workers):
    outcome = simulate(jobs, workers, Costs())
    assert outcome.makespan <= outcome.work / workers + outcome.longest + SMALL, "Graham 1966"


def test_a_lost_worker_costs_its_job_and_everything_still_ends():
    jobs = [SimulatedJob(network="a", seconds=10.0)] * 50
    calm, rough = (simulate(jobs, 5, Costs(imports=1.0, between_losses=loss)) for loss in (None, 60.0))
    assert rough.losses > 0 and rough.lost > 0
    assert calm.lost == 0 and rough.makespan > calm.makespan


def test_a_worker_keeps_its_network():
    jobs = [SimulatedJob(network=name, seconds=1.0) for name in "abcd" * 25]
    assert simulate(jobs, 4, Costs(load=1.0, held=1)).loads <= 8
    assert simulate(jobs, 1, Costs(load=1.0, held=1)).loads == 4


def test_one_scheduler_bounds_the_rate():
    jobs = [SimulatedJob(network="a", seconds=0.1)] * 1000
    outcome = simulate(jobs, 100, Costs(schedule=0.01))
    assert outcome.makespan >= 10.0 and outcome.scheduler_busy > 0.95
    assert next(iter(outcome.overheads)) == "scheduler"
