"""A fleet as a discrete-event simulation (simpy): jobs, workers, one scheduler, one store.

A worker starts, imports, and then takes one job after another: the scheduler spends its time on the task, the worker
loads the network unless it holds it, runs the job, and writes the results to the store. The scheduler prefers, of the
jobs that wait, one whose network the worker holds, and otherwise one of the network with the most seconds left. A
worker can be lost at any time: its job goes back, and another worker starts in its place.
"""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict, defaultdict
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import simpy


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedJob:
    """One job: the network it needs, and its seconds on a worker that holds the network."""

    network: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a job costs beside its own time, all in seconds.

    Attributes:
        start: until a worker's process runs, when the scheduler of the machines gives one.
        imports: of the package, once for each worker.
        load: of a network, where the worker does not hold it.
        schedule: of the one scheduler, for each task.
        write: of one job's results; the store takes `writers` at once.
        writers: writes that the store takes at the same time.
        held: networks that a worker keeps.
        straggling: fraction of jobs that are slow.
        slowdown: of those, a factor of their seconds.
        between_losses: mean seconds until a worker is lost; None loses none.
    """

    start: float = 0.0
    imports: float = 0.0
    load: float = 0.0
    schedule: float = 0.0
    write: float = 0.0
    writers: int = 64
    held: int = 3
    straggling: float = 0.0
    slowdown: float = 1.0
    between_losses: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of `workers` took; the parts are seconds summed over workers.

    Attributes:
        makespan: seconds from the first start of a worker to the last result.
        work: seconds of the jobs themselves, slow ones included, each counted once.
        starting: starts and imports.
        loading: of networks.
        scheduler_wait: waiting for the scheduler, and its own time.
        store_wait: waiting for the store, and writing.
        lost: spent on jobs whose worker was lost before the result was written.
        idle: without a job, while others still run.
        losses: workers lost.
        loads: networks loaded.
        longest: seconds of the longest job.
        scheduler_busy: fraction of the makespan in which the scheduler works.
    """

    workers: int
    makespan: float
    work: float
    starting: float = 0.0
    loading: float = 0.0
    scheduler_wait: float = 0.0
    store_wait: float = 0.0
    lost: float = 0.0
    idle: float = 0.0
    losses: int = 0
    loads: int = 0
    longest: float = 0.0
    scheduler_busy: float = 0.0

    @property
    def efficiency(self) -> float:
        """Fraction of all workers' seconds that are work."""
        return self.work / (self.workers * self.makespan)

    @property
    def overheads(self) -> dict[str, float]:
        """All that is not work, as fractions of all workers' seconds, the largest first."""
        parts = {
            "idle at the end": self.idle,
            "start and imports": self.starting,
            "loading networks": self.loading,
            "scheduler": self.scheduler_wait,
            "store": self.store_wait,
            "work that was lost": self.lost,
        }
        whole = self.workers * self.makespan
        return {name: seconds / whole for name, seconds in sorted(parts.items(), key=lambda part: -part[1])}


class _Waiting:
    """Jobs that wait, by network; the network with the most seconds left is the next one."""

    def __init__(self, jobs: Iterable[SimulatedJob]) -> None:
        self._jobs: dict[str, list[tuple[float, int, SimulatedJob]]] = defaultdict(list)
        self._left: dict[str, float] = defaultdict(float)
        self._count = 0
        for job in jobs:
            self.put(job)

    def put(self, job: SimulatedJob) -> None:
        self._count += 1
        heapq.heappush(self._jobs[job.network], (-job.seconds, self._count, job))
        self._left[job.network] += job.seconds

    def take(self, held: Iterable[str]) -> SimulatedJob | None:
        """The longest job of a network that is held, or else of the one with the most seconds left."""
        network = next((name for name in held if self._jobs.get(name)), None)
        if network is None:
            open_networks = [name for name, jobs in self._jobs.items() if jobs]
            if not open_networks:
                return None
            network = max(open_networks, key=lambda name: self._left[name])
        job = heapq.heappop(self._jobs[network])[2]
        self._left[network] -= job.seconds
        return job


@dataclass
class _Run:
    """One simulation while it runs."""

    costs: Costs
    jobs: Sequence[SimulatedJob]
    random: random.Random
    clock: simpy.Environment = field(default_factory=simpy.Environment)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    ends: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scheduler = simpy.Resource(self.clock)
        self.store = simpy.Resource(self.clock, capacity=self.costs.writers)
        self.waiting = _Waiting(self.jobs)
        self.left = len(self.jobs)
        self.change = self.clock.event()

    def worker(self) -> Generator[Any, Any, None]:
        """Workers in one place: when one is lost, the next starts."""
        while self.left:
            life = self.clock.process(self._life())
            if self.costs.between_losses is None:
                yield life
                return
            end = self.clock.timeout(self.random.expovariate(1 / self.costs.between_losses))
            yield life | end
            if not life.is_alive:
                return
            self.counts["losses"] += 1
            life.interrupt()
            yield life

    def _life(self) -> Generator[Any, Any, None]:
        held: OrderedDict[str, None] = OrderedDict()
        job, began, parts = None, self.clock.now, dict[str, float]()
        try:
            yield self.clock.timeout(self.costs.start + self.costs.imports)
            self.seconds["starting"] += self.clock.now - began
            began = self.clock.now
            while self.left:
                job = self.waiting.take(reversed(held))
                if job is None:
                    yield self.change  # a lost worker may give its job back
                    continue
                began, parts = self.clock.now, {}
                yield from self._step(parts, "scheduler_wait", self.scheduler, self.costs.schedule)
                if job.network not in held:
                    yield from self._step(parts, "loading", None, self.costs.load)
                    self.counts["loads"] += 1
                held[job.network] = None
                held.move_to_end(job.network)
                if len(held) > self.costs.held:
                    held.popitem(last=False)
                yield from self._step(parts, "work", None, job.seconds)
                yield from self._step(parts, "store_wait", self.store, self.costs.write)
                for part, seconds in parts.items():
                    self.seconds[part] += seconds
                self.left -= 1
                job = None
                began = self.clock.now
                self.ends.append(began)
                if not self.left:
                    self._changed()
        except simpy.Interrupt:
            if job is None:
                self.seconds["starting" if not held else "idle"] += self.clock.now - began
                return
            self.seconds["lost"] += self.clock.now - began
            self.waiting.put(job)
            self._changed()

    def _step(
        self, parts: dict[str, float], part: str, resource: simpy.Resource | None, seconds: float
    ) -> Generator[Any, Any, None]:
        """Spend seconds, after waiting for a resource where there is one."""
        began = self.clock.now
        if resource is None:
            yield self.clock.timeout(seconds)
        else:
            with resource.request() as granted:
                yield granted
                yield self.clock.timeout(seconds)
        parts[part] = self.clock.now - began

    def _changed(self) -> None:
        self.change.succeed()
        self.change = self.clock.event()


def simulate(jobs: Sequence[SimulatedJob], workers: int, costs: Costs, *, seed: int = 0) -> Outcome:
    """Run `jobs` on `workers`.

    Example:
        >>> outcome = simulate([SimulatedJob(network="a", seconds=2.0)] * 4, 2, Costs())
        >>> outcome.makespan, outcome.efficiency
        (4.0, 1.0)
    """
    drawn = random.Random(seed)
    slowed = [
        replace(job, seconds=job.seconds * (costs.slowdown if drawn.random() < costs.straggling else 1.0))
        for job in jobs
    ]
    run = _Run(costs=costs, jobs=slowed, random=drawn)
    for _ in range(workers):
        run.clock.process(run.worker())
    while run.left:
        run.clock.step()
    makespan = max(run.ends)
    parts = {name: run.seconds[name] for name in ("starting", "loading", "scheduler_wait", "store_wait", "lost")}
    work = sum(job.seconds for job in slowed)
    return Outcome(
        workers=workers,
        makespan=makespan,
        work=work,
        idle=max(0.0, workers * makespan - work - sum(parts.values())),
        losses=run.counts["losses"],
        loads=run.counts["loads"],
        longest=max(job.seconds for job in slowed),
        scheduler_busy=costs.schedule * len(jobs) / makespan,
        **parts,
    )
