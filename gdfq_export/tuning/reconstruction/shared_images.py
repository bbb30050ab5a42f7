"""Which of the images each process tunes layers on."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from calib.parallel.processes import ALONE, Processes, Share
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.planning.plan import Role
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.reconstruction.paired_run import grow_with_batch


def share_of_images(
    simulator: Simulator,
    reference: Simulator,
    images: Tensor,
    statistics: Mapping[str, ChannelStatistics],
    processes: Processes,
) -> Share:
    """This process's share of the images [N, C, H, W].

    Every process has all of them where there are fewer images than processes, and where a value that is observed does
    not have rows of its own for each image.
    """
    if processes.size > 1 and len(images) >= max(2, processes.size):
        nodes = [layer.node for layer in simulator.layers()]
        names = {read.name for node in nodes for read in (node, *node.all_input_nodes[:1])}
        for node in reference.network.graph.nodes:
            key = node.meta.get("quantizes")
            if key is not None and reference.quantizers[key].point.role is Role.ACTIVATION:
                names.add(node.all_input_nodes[0].name)
            elif key is None and node.op != "placeholder" and node.meta.get("value") in statistics:
                names.add(node.name)
        if grow_with_batch(reference.network, images, names):
            return processes.share(len(images))
    return ALONE.share(len(images))
