"""The published fine-tuning on a residual network, with a stand-in for the generator that hands out fixed images."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.baselines.published_finetune import _published_quantizers, published_finetune, steps_of, student_loss
from gdfq_export.baselines.published_gdfq import PublishedBatch
from gdfq_export.planning.plan import Role
from gdfq_export.recipe import PublishedFineTune
from gdfq_export.simulator import Mode, Simulator
from tests.tuning.residual_network import images, simulator

SETTINGS = PublishedFineTune(learning_rate=1e-2, warmup=0.0, followed=0.1)


class Trainer:
    """Hands out images drawn anew at each step, with the float network's answers as labels and logits."""

    def __init__(self, steps: int) -> None:
        self.settings = SimpleNamespace(steps=steps)
        self.done = 0
        self.network = simulator(3)
        self.network.set_mode(Mode.FLOAT)

    def step(self) -> PublishedBatch:
        self.done += 1
        made = images(32, seed=self.done)
        with torch.no_grad():
            logits = self.network(made)
        return PublishedBatch(images=made, labels=logits.argmax(1), logits=logits, facts={})


def tuned(
    steps: int, settings: PublishedFineTune = SETTINGS, network: Simulator | None = None
) -> tuple[Simulator, list[float]]:
    network, losses = network or simulator(3), []
    published_finetune(
        network,
        Trainer(steps),  # type: ignore[arg-type]
        settings,
        on_step=lambda done, total, facts: losses.append(facts.get("loss", 0.0)),
    )
    return network, losses


def test_the_loss_falls_and_with_it_the_error_on_other_images() -> None:
    network, losses = tuned(80)
    trained = [loss for loss in losses if loss]
    assert len(losses) == 80 and sum(trained[-10:]) < 0.85 * sum(trained[:10])
    start, unseen = tuned(80, SETTINGS.model_copy(update={"warmup": 1.0}))[0], images(64, seed=99)
    with torch.no_grad():
        with start.in_mode(Mode.FLOAT):
            wanted = start(unseen).argmax(1)
        errors = [float(functional.cross_entropy(each(unseen), wanted)) for each in (start, network)]
    assert errors[1] < 0.8 * errors[0]


def test_warm_up_changes_ranges_and_nothing_else() -> None:
    network, before = tuned(8, SETTINGS.model_copy(update={"warmup": 1.0}))[0], simulator(3)
    for tensor in ("w", "b", "v", "a", "g", "h"):
        assert torch.equal(network.parameter(tensor), before.parameter(tensor))


def test_weights_biases_move_and_the_scales_are_those_of_the_largest_weights() -> None:
    network, before = tuned(8)[0], simulator(3)
    for tensor in ("w", "b", "v", "a", "g", "h"):
        assert not torch.equal(network.parameter(tensor), before.parameter(tensor))
    for layer in network.layers():
        quantizer = network.quantizers[layer.weight_point.key]
        largest = layer.weight.abs().flatten(1).amax(1)
        torch.testing.assert_close(quantizer.scale.flatten() * quantizer.code_max, largest)


def test_ranges_are_the_moving_average_of_the_first_batches_then_stay() -> None:
    network = simulator(3)
    followed = [item for item in network.quantizers.items() if item[1].point.role is Role.ACTIVATION]
    assert followed
    seen: dict[str, list[tuple[float, float]]] = {key: [] for key, _ in followed}

    def extremes(x: Tensor) -> tuple[float, float]:
        return float(x.min()), float(x.max())

    def watch(key: str) -> object:
        return lambda module, inputs: seen[key].append(extremes(inputs[0].detach()))

    for key, quantizer in followed:
        quantizer.register_forward_pre_hook(watch(key))  # type: ignore[arg-type]
    tuned(20, SETTINGS.model_copy(update={"warmup": 0.5, "followed": 0.25}), network)
    for key, quantizer in followed:
        assert len(seen[key]) == 5 + 10, "followed for 5 of 20 steps, trained for 10"
        weights = [0.9**age for age in (4, 3, 2, 1, 0)]
        low, high = (
            sum(weight * pair[end] for weight, pair in zip(weights, seen[key][:5], strict=True)) / sum(weights)
            for end in (0, 1)
        )
        span = max(high, 0.0) - min(low, 0.0)
        levels = quantizer.code_max - quantizer.code_min
        assert float(quantizer.scale.detach()) == pytest.approx(span / levels, rel=1e-4)


def test_gradients_pass_clipped_values_and_hooks_do_not_stay() -> None:
    network = simulator(3)
    key, quantizer = next(item for item in network.quantizers.items() if item[1].point.role is Role.ACTIVATION)
    x = torch.linspace(-100, 100, 50, requires_grad=True)
    expected = quantizer(x).detach()
    with _published_quantizers(network):
        passed = quantizer(x)
        passed.sum().backward()
    assert torch.equal(passed.detach(), expected) and torch.equal(x.grad, torch.ones(50)), key
    tuned(4, network=network)
    for module in network.quantizers.values():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert all(not parameter.requires_grad for parameter in network.network.parameters())


def test_the_divergence_weighs_the_classes_less_as_the_authors_run_it() -> None:
    random = torch.Generator().manual_seed(0)
    logits, target = torch.randn(6, 10, generator=random), torch.randn(6, 10, generator=random)
    labels = torch.arange(6)
    own = functional.cross_entropy(logits, labels)
    p, q = ((x / 20).softmax(1) for x in (target, logits))
    divergence = (p * (p / q).log()).sum(1).mean()

    def excess(**change: object) -> Tensor:
        return student_loss(logits, target, labels, PublishedFineTune().model_copy(update=change)) - own

    torch.testing.assert_close(excess(kl_reduction="batchmean"), 400 * divergence, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(excess(), 40 * divergence, rtol=1e-3, atol=1e-5)
    assert float(excess(alpha=0.0)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("share", "total", "steps"),
    [(0.01, 80_000, 800), (0.125, 80_000, 10_000), (0.01, 600, 100), (0.01, 8, 2), (0, 1, 1)],
)
def test_short_runs_keep_enough_steps_for_the_ranges(share: float, total: int, steps: int) -> None:
    assert steps_of(share, total) == steps
