"""A comparison on a cluster has the table, and the files, of one in a single process."""

from __future__ import annotations

from pathlib import Path

import pytest

import gdfq_export as gq
from gdfq_export.errors import InputError
from gdfq_export.jobs.cluster.work import Cluster
from tests.jobs.batch.grids import write_network
from tests.jobs.compare.compared import network


def compared(net: Path, out: Path, cluster: Cluster) -> list[tuple[object, ...]]:
    options = gq.CompareOptions(cluster=cluster, images=16)
    run = gq.RunContext(device="cpu", threads=1)
    found = gq.compare(str(net), out, methods=["noise", "dfq"], bits=["w8a8"], options=options, run=run)
    return [
        (
            cell.bits,
            cell.method,
            cell.identity,
            cell.reason,
            cell.measured and (cell.measured.score, cell.measured.file),
        )
        for cell in found.cells
    ]


def test_the_table_is_that_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    net = tmp_path / "net.onnx"
    write_network(net)
    here = compared(net, tmp_path / "here", Cluster(workers=1))
    assert compared(net, tmp_path / "there", Cluster(workers=2)) == here
    for name in ("w8a8-noise.onnx", "w8a8-dfq.onnx"):
        there = tmp_path / "there" / "files" / name
        assert there.exists() == (tmp_path / "here" / "files" / name).exists()
        assert not there.exists() or there.read_bytes() == (tmp_path / "here" / "files" / name).read_bytes()
    assert (tmp_path / "there" / "files" / "w8a8-noise.onnx").exists()


def test_a_network_that_workers_cannot_load(tmp_path: Path) -> None:
    options = gq.CompareOptions(cluster=Cluster(workers=2))
    with pytest.raises(InputError, match="workers load the network themselves"):
        gq.compare(network(), tmp_path, methods=["noise"], bits=["w8a8"], options=options)
