"""The quantized network is computed node by node beside the float one, and little is kept of either."""

from __future__ import annotations

import torch

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.tuning.reconstruction.paired_run import PairedRun, peak_numel
from tests.tuning.residual_network import ARRAYS, images, simulator


def test_both_networks_give_what_they_give_by_themselves() -> None:
    network, seen = simulator(3), images(4)
    reference = network.float_copy()
    with torch.no_grad():
        expected = {"wanted": reference.network(seen), "found": network.network(seen)}
    run = PairedRun(reference.network, network.network, seen)
    last: dict[str, torch.Tensor] = {}

    def compute(node: torch.fx.Node) -> object:
        value = run.run_node(node)
        if node.op == "output":
            last.update(wanted=run.wanted[node.all_input_nodes[0].name], found=run.found[node.all_input_nodes[0].name])
        return value

    run.run(compute)
    assert all(torch.equal(last[name], expected[name]) for name in expected)


def test_both_networks_are_moved_alike_to_the_statistics_of_the_float_one() -> None:
    network, seen = simulator(3), images(12, seed=5)
    first = torch.nn.functional.conv2d(seen, torch.from_numpy(ARRAYS["w"]), torch.from_numpy(ARRAYS["b"]), padding=1)
    mean, std = first.mean((0, 2, 3)), first.std((0, 2, 3))
    run = PairedRun(
        network.float_copy().network,
        network.network,
        seen / 3,
        {"c": ChannelStatistics(mean=mean.numpy(), std=std.numpy())},
    )
    computed: dict[str, torch.Tensor] = {}
    read: dict[str, torch.Tensor] = {}

    def compute(node: torch.fx.Node) -> object:
        if node.meta.get("quantizes") == "c":
            (source,) = node.all_input_nodes
            read.update(wanted=run.wanted[source.name], found=run.found[source.name])
        value = run.run_node(node)
        if node.meta.get("value") == "c" and "quantizes" not in node.meta:
            computed.update(wanted=run.wanted[node.name], found=value)
        return value

    run.run(compute)
    torch.testing.assert_close(read["wanted"].mean((0, 2, 3)), mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(read["wanted"].std((0, 2, 3)), std, rtol=1e-4, atol=1e-5)
    gain = (std / computed["wanted"].std((0, 2, 3))).reshape(1, -1, 1, 1)
    errors = {name: tensors["found"] - tensors["wanted"] for name, tensors in (("computed", computed), ("read", read))}
    assert float(errors["computed"].abs().max()) > 1e-3
    torch.testing.assert_close(errors["read"], errors["computed"] * gain, rtol=1e-3, atol=1e-5)


def test_the_numbers_alive_are_those_of_the_widest_place() -> None:
    network = simulator(8).float_copy().network
    most = peak_numel(network, images(1))
    feature = 8 * 9 * 9
    assert 2 * feature < most <= 5 * feature, "an addition reads two features and writes one; quantizers copy"
    assert peak_numel(network, images(1)) == most
