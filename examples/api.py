"""Quantize the demo network, verify the file, and check it against gates, from Python: api.py [FOLDER] [RECIPE]."""

from __future__ import annotations

import sys
from pathlib import Path

import gdfq_export as gq


def main(folder: Path, recipe: str = "w8a8-ort-cpu") -> int:
    """Write q.onnx and verify.json into `folder`; 0 where every gate holds."""
    # Your own: "net.onnx" or gq.load(module, input_shape=(3, 224, 224), scale=255, mean=0.5, std=0.2) in place of None,
    # and data="images.npz" to score it.
    result = gq.quantize(None, recipe, folder / "q.onnx")
    print(f"quantized in {sum(result.report.seconds_by_phase.values()):.0f} s")

    # From here on it may be any Q/DQ file, of any tool.
    report = gq.verify(
        folder / "q.onnx",
        result.model,
        data=gq.demo_data(),
        gates={"max-top1-drop-pp": 2.0},
        options=gq.VerifyOptions(timing=gq.Timing(seconds=1.0)),
    )
    report.save(folder / "verify.json")

    if not isinstance(report.accuracy, gq.NotMeasured):
        top1 = report.accuracy.top1
        interval = f"[{top1.drop_low_pp:+.2f}, {top1.drop_high_pp:+.2f}]"
        print(f"top-1 {top1.quantized.value:.4f}, drop {top1.drop_pp:+.2f} pp {interval}")
    for gate in report.gates:
        print(f"{gate.name}: {gate.verdict}, {gate.message}")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), *sys.argv[2:3]))
