"""Distillation lowers its loss and the error of the logits, is repeatable, and leaves nothing that trains."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from gdfq_export.recipe import FineTune
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tuning import finetune
from gdfq_export.tuning.distillation import Following, _augment, checkpoint_interval, time_step
from gdfq_export.tuning.held_out import HeldOutFigures
from tests.tuning.residual_network import images, simulator

SETTINGS = FineTune(steps=60, batch=16, learning_rate=1e-2, scale_learning_rate=5e-3)


def tuned(seed: int = 0, steps: int = 60) -> tuple[Simulator, list[float]]:
    network, losses = simulator(3), []

    def on_step(done: int, total: int, facts: Mapping[str, float]) -> None:
        assert (done, total) == (len(losses) + 1, steps)
        losses.append(facts["loss"])

    finetune(
        network,
        network.float_copy(),
        images(64),
        SETTINGS.model_copy(update={"steps": steps}),
        seed=seed,
        on_step=on_step,
    )
    return network, losses


def test_the_loss_falls_and_with_it_the_error_on_other_images() -> None:
    network, losses = tuned()
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
    before, unseen = simulator(3), images(64, seed=7)
    with torch.no_grad():
        with before.in_mode(Mode.FLOAT):
            wanted = before(unseen)
        errors = [float((each(unseen) - wanted).square().mean()) for each in (before, network)]
    assert errors[1] < 0.8 * errors[0]


def test_weights_biases_and_scales_move_and_none_trains_afterwards() -> None:
    network, _ = tuned(steps=3)
    before = simulator(3)
    for parameter in network.network.parameters():
        assert not parameter.requires_grad
    for tensor in ("w", "b", "v", "a", "g", "h"):
        assert not torch.equal(network.parameter(tensor), before.parameter(tensor))
    assert any(
        not torch.equal(new, old)
        for new, old in zip(network.quantization_parameters(), before.quantization_parameters(), strict=True)
    )


def test_only_images_are_flipped_and_shifted() -> None:
    """Vectors, several inputs side by side, signals and volumes have no left and right."""
    random = torch.manual_seed(0)
    assert not torch.equal(_augment(pixels := torch.rand(8, 3, 32, 32), random), pixels)
    for shape in ((8, 6), (8, 3, 40), (8, 1, 4, 4, 4)):
        assert torch.equal(_augment(values := torch.rand(shape), random), values)


def test_a_step_is_a_share_of_what_it_moves() -> None:
    network, before = tuned(steps=1)[0], simulator(3)
    for tensor in ("w", "v", "a", "g", "b", "h"):
        old = before.parameter(tensor).detach()
        moved = (network.parameter(tensor).detach() - old).abs().max()
        torch.testing.assert_close(moved, SETTINGS.learning_rate * old.square().mean().sqrt(), rtol=1e-2, atol=0)


def test_a_training_that_harms_is_taken_back_and_told() -> None:
    network, before = simulator(3), simulator(3)
    wild = SETTINGS.model_copy(update={"steps": 5, "learning_rate": 1.0, "scale_learning_rate": 1.0})
    done = finetune(network, network.float_copy(), images(64), wild, seed=0, on_step=lambda *_: None)
    state = before.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert (done.steps, done.kept) == (5, 0)
    assert "fine-tuning was taken back: on 8 images" in done.warnings[0]


def test_a_training_that_goes_wrong_later_leaves_the_best_state_before() -> None:
    """The loss falls for a while, and then the weights are spoilt: the file gets none of it."""
    network, states, errors = simulator(3), {}, {}

    def spoil(step: int, total: int, facts: Mapping[str, float]) -> None:
        if step > 30:
            with torch.no_grad():
                network.parameter("h").mul_(1.5)

    def keep(step: int, figures: HeldOutFigures) -> None:
        errors[step] = figures.error
        states[step] = {name: value.clone() for name, value in network.state_dict().items()}

    done = finetune(
        network, network.float_copy(), images(64), SETTINGS, seed=0, on_step=spoil, follow=Following(on_measured=keep)
    )
    assert done.kept == min(errors, key=lambda step: errors[step]) <= 30 < done.steps == max(errors)
    assert done.warnings == ()
    assert all(torch.equal(value, states[done.kept][name]) for name, value in network.state_dict().items())


def test_measuring_changes_nothing_of_the_training() -> None:
    watched, plain = simulator(3), simulator(3)
    short = SETTINGS.model_copy(update={"steps": 12})
    finetune(
        watched,
        watched.float_copy(),
        images(64),
        short,
        seed=0,
        on_step=lambda *_: None,
        follow=Following(on_measured=lambda *_: None),
    )
    finetune(plain, plain.float_copy(), images(64), short, seed=0, on_step=lambda *_: None)
    first, other = watched.tuned_parameters(), plain.tuned_parameters()
    assert all(torch.equal(first[name], other[name]) for name in first)


def test_a_training_stops_when_time_is_up_and_says_so() -> None:
    network, steps = simulator(3), []
    done = finetune(
        network,
        network.float_copy(),
        images(64),
        SETTINGS,
        seed=0,
        on_step=lambda step, *_: steps.append(step),
        follow=Following(time_is_up=lambda: len(steps) == 7),
    )
    assert (done.steps, steps[-1]) == (7, 7)
    assert "stopped at step 7 of 60" in done.warnings[0]


@pytest.mark.parametrize(("steps", "expected"), [(1, 5), (100, 5), (150, 8), (600, 30)])
def test_measurements_take_a_few_per_cent_of_the_time(steps: int, expected: int) -> None:
    assert checkpoint_interval(steps) == expected


def test_timing_a_step_changes_nothing() -> None:
    network, before = simulator(3), simulator(3)
    assert time_step(network, network.float_copy(), images(8), FineTune(batch=4)) > 0
    assert not any(parameter.requires_grad for parameter in network.network.parameters())
    state = before.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_the_same_seed_gives_the_same_network_and_another_another() -> None:
    first, again, other = (tuned(seed, steps=3)[0].tuned_parameters() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_teacher_has_parameters_of_its_own() -> None:
    losses: list[float] = []
    damaged = simulator(3)
    teacher = damaged.float_copy()
    with torch.no_grad():
        damaged.parameter("h")[0].add_(10.0)
    finetune(
        damaged,
        teacher,
        images(64),
        SETTINGS.model_copy(update={"steps": 1}),
        seed=0,
        on_step=lambda done, total, facts: losses.append(facts["loss"]),
    )
    assert losses[0] > 10 * tuned(steps=1)[1][0], "a teacher that shares the damaged parameters would see no error"
