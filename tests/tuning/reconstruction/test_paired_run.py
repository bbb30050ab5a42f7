"""The quantized network is computed node by node beside the float one, and little is kept of either."""

from __future__ import annotations

import torch

from gdfq_export.tuning.reconstruction.paired_run import PairedRun, peak_numel
from tests.tuning.residual_network import images, simulator


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


def test_the_numbers_alive_are_those_of_the_widest_place() -> None:
    network = simulator(8).float_copy().network
    most = peak_numel(network, images(1))
    feature = 8 * 9 * 9
    assert 2 * feature < most <= 5 * feature, "an addition reads two features and writes one; quantizers copy"
    assert peak_numel(network, images(1)) == most
