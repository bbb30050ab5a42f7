from __future__ import annotations

from pathlib import Path

import pytest

from bench.any_network import EXPORTERS, NETWORKS, measure


@pytest.mark.slow
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_taken_as_it_is_exported(name: str, exporter: str, tmp_path: Path) -> None:
    pytest.importorskip("pytorchcv")
    found = measure(name, exporter, tmp_path)
    assert found.refused is None
    assert found.integer_layers + sum(found.float_layers.values()) == found.layers > 0
    assert all(reason.partition(": ")[2] for reason in found.float_layers)
