from bench.fleet_costs import Measured, draw_jobs, measured_cells
from bench.fleet_scaling import WORKERS, scale, table
from bench.fleet_simulation import Costs, simulate


def test_jobs_are_drawn_from_what_was_measured() -> None:
    cells = measured_cells()
    assert sum(map(len, cells.values())) >= 30
    jobs = draw_jobs(cells, jobs=100, networks=40)
    assert len({job.network for job in jobs}) == 40
    assert {job.seconds for job in jobs} <= {seconds for times in cells.values() for seconds in times}


def test_the_table_names_what_time_is_lost_to() -> None:
    measured = Measured(task=0.001, task_wall=0.01, imports=5.0, load=1.0, write=0.01, tasks=10)
    body = scale(measured, {"net": [10.0, 20.0]}, jobs=300, networks=3)
    lines = table(body["measured_jobs"]).splitlines()
    assert len(lines) == 2 + len(WORKERS)
    assert all(row["makespan"] >= row["work"] / row["workers"] for row in body["measured_jobs"])
    assert "start and imports" in lines[-1]


def test_the_same_seed_gives_the_same_simulation() -> None:
    jobs = draw_jobs({"net": [1.0, 2.0, 5.0]}, jobs=50, networks=2)
    costs = Costs(imports=1.0, straggling=0.2, slowdown=3.0, between_losses=100.0)
    assert simulate(jobs, 5, costs, seed=3) == simulate(jobs, 5, costs, seed=3)
