from __future__ import annotations

import pytest
import torch

from calib.device.step_watch import STEPS_BETWEEN_LOOKS, StepWatch
from calib.device.transfer import send
from tests.gpu_stand_in import DEVICE, StandInGpu


def test_on_a_cpu_every_step_is_reported_and_its_loss_returned() -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    watch = StepWatch(100, "cpu", lambda done, figures: seen.append((done, dict(figures))))
    losses = [
        watch.step(step, {"loss": torch.tensor(0.1 * step), "agreement": torch.tensor(1.0)}, last=False)
        for step in (1, 2)
    ]
    assert [done for done, _ in seen] == [1, 2] and list(seen[1][1]) == ["loss", "agreement"]
    assert losses == [[torch.tensor(0.1).item()], [torch.tensor(0.2).item()]]


def test_the_step_that_diverged_is_named_though_the_look_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calib.device.step_watch.is_accelerator", lambda device: True)
    watch = StepWatch(4 * STEPS_BETWEEN_LOOKS, "cpu", diverged=lambda number: f"diverged at step {number}")
    with pytest.raises(FloatingPointError, match=r"^diverged at step 12$"):
        for step in range(1, STEPS_BETWEEN_LOOKS + 1):
            watch.step(step, {"loss": torch.tensor(1.0 if step < 12 else torch.nan)}, last=False)
    assert step == STEPS_BETWEEN_LOOKS


@pytest.mark.parametrize(("steps", "looks"), [(3, [1, 2, 3]), (8, [2, 4, 6, 8]), (60, [15, 30, 45, 60])])
def test_a_short_training_is_looked_at_at_least_four_times(steps: int, looks: list[int]) -> None:
    seen: list[int] = []
    with StandInGpu():
        watch = StepWatch(steps, DEVICE, lambda done, figures: seen.append(done))
        for step in range(1, steps + 1):
            watch.step(step, {"loss": torch.ones((), device=DEVICE)}, last=step == steps)
    assert seen == looks


def test_what_is_sent_is_not_waited_for_and_what_is_there_is_not_copied() -> None:
    with StandInGpu() as gpu:
        sent = send(torch.ones(3), DEVICE)
        assert sent.is_meta and send(sent, DEVICE) is sent
    assert gpu.sent == 1 and not gpu.count
