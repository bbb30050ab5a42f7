"""Images that several processes make are those that one makes: bit for bit where batches are dealt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from calib.aim import SpreadAim
from calib.checkpoints.checkpoint import NoCheckpoint, State
from calib.gdfq import GeneratorTraining, train_gdfq
from calib.parallel.processes import Processes
from calib.parallel.shared_checkpoints import SharedCheckpoints
from calib.refinement import RefinedSampler, RefinementSettings
from calib.teacher import Teacher
from calib.zeroq import ZeroQSampler, ZeroQSettings
from tests.calib.tiny_teacher import SPEC, teacher_of, tiny_teacher
from tests.several_processes import run_in

TRAINING = GeneratorTraining(
    steps=6, batch=12, learning_rate=1e-2, latent=8, width=16, bns_weight=5.0, bns_normalized=True,
    diversity_weight=2.0, classes=4, crop_fraction=0.0,
)  # fmt: skip
REFINEMENT = RefinementSettings(
    steps=3, coarse_steps=2, batch=4, learning_rate=0.05, bns_weight=5.0, variation_weight=1
)


class _Kept:
    """Checkpoints in memory, by name."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}

    def of(self, name: str) -> Any:
        return _KeptOne(self, name)

    def leave(self) -> None:
        """Nothing is under way."""


class _KeptOne(NoCheckpoint):
    def __init__(self, kept: _Kept, name: str) -> None:
        self._kept, self._name = kept, name

    def load(self) -> State | None:
        return self._kept.states.get(self._name)

    def finish(self, state: Any) -> None:
        self._kept.states[self._name] = state()


def _trained(processes: Processes) -> dict[str, Tensor]:
    found = {}
    networks = {"statistics": tiny_teacher(), "prior": tiny_teacher(batch_norm=False)}
    teachers = {name: teacher_of(network) for name, network in networks.items()}
    teachers["spread"] = Teacher(network=tiny_teacher(), input_spec=SPEC, aim=SpreadAim())
    for name, teacher in teachers.items():
        losses: list[float] = []
        sampler = train_gdfq(
            teacher, TRAINING, on_step=lambda done, total, facts, to=losses: to.append(facts["loss"]),
            processes=processes,
        )  # fmt: skip
        found[f"{name}: losses"] = torch.tensor(losses)
        found[f"{name}: images"] = sampler.draw(12, batch=5)[0]
    return found


def _dealt(processes: Processes) -> dict[str, Any]:
    refined = RefinedSampler(teacher_of(tiny_teacher()), REFINEMENT, processes=processes)
    zeroq = ZeroQSampler(
        teacher_of(tiny_teacher()), ZeroQSettings(steps=3, batch=4, learning_rate=0.5), processes=processes
    )
    found: dict[str, Any] = {}
    for draw in (1, 2):
        found[f"refined {draw}"] = refined.draw(18, batch=5)
        found[f"zeroq {draw}"] = zeroq.draw(11, batch=5)
    return found


def _continued(processes: Processes) -> dict[str, Any]:
    kept = _Kept()
    checkpoints = SharedCheckpoints(kept, processes)
    found = {}
    for part in ("first", "second"):
        sampler = RefinedSampler(teacher_of(tiny_teacher()), REFINEMENT, checkpoints=checkpoints, processes=processes)
        found[part] = [sampler.draw(10, batch=5) for _ in range(2)]
        if not processes.first:
            kept.states.clear()  # what the others keep is never read
        else:
            del kept.states["make images/1.2"]  # as if the run had ended amid a round
    return found


@pytest.mark.parametrize("size", [2, 4])
def test_a_generator_is_trained_as_by_one_process(size: int, tmp_path: Path) -> None:
    (wanted,) = run_in(1, _trained, tmp_path)
    every = run_in(size, _trained, tmp_path)
    for found in every:
        for name, value in wanted.items():
            assert torch.equal(found[name], every[0][name]), "the processes have grown apart"
            largest = float((found[name] - value).abs().max())
            print(f"{size} processes, {name}: largest difference {largest:.2g}")
            assert largest < 2e-4 * float(value.abs().max())


@pytest.mark.parametrize("size", [2, 4])
def test_dealt_batches_are_equal_bit_for_bit(size: int, tmp_path: Path) -> None:
    (wanted,) = run_in(1, _dealt, tmp_path)
    for found in run_in(size, _dealt, tmp_path):
        for name, (images, labels) in wanted.items():
            assert torch.equal(found[name][0], images) and torch.equal(found[name][1], labels), name


def test_all_go_on_from_what_the_first_process_kept(tmp_path: Path) -> None:
    (wanted,) = run_in(1, _continued, tmp_path)
    for found in run_in(2, _continued, tmp_path):
        for part in ("first", "second"):
            for (images, _), (expected, _) in zip(found[part], wanted["first"], strict=True):
                assert torch.equal(images, expected)
