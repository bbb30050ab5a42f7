from __future__ import annotations

from pathlib import Path

from bench.folded_networks import FoldedRun, folded_copy, row
from gdfq_export.frontend.sources import load_model


def test_the_folded_copy_has_no_batch_norm_and_the_same_preprocessing(tmp_path: Path) -> None:
    kept = load_model(None)
    folded = folded_copy(kept, tmp_path / "folded.onnx")
    assert any(node.op_type == "BatchNormalization" for node in kept.graph.graph)
    assert not any(node.op_type == "BatchNormalization" for node in folded.graph.graph)
    assert folded.input_spec == kept.input_spec


def test_a_row_has_both_drops_and_their_difference() -> None:
    found = FoldedRun(
        network="a",
        seed=1,
        images=4900,
        float_top1=91.0,
        drop_kept=-0.1,
        drop_folded=0.15,
        difference=0.25,
        low=-0.05,
        high=0.55,
        agreement_kept=99.1,
        agreement_folded=99.2,
        error_kept=1.02,
        error_folded=1.1,
        exact=True,
        seconds=(30.0, 31.0),
    )
    assert (
        "drop -0.10 folded +0.15, difference +0.25 [-0.05, +0.55], agreement 99.1 99.2, error 1.02 1.10 exact"
        in row(found)
    )
