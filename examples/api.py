"""Quantize the demo network, verify the file, and hold it against gates, from Python: api.py [FOLDER] [RECIPE]."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx

from gdfq_export.frontend.demo import held_out_set
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.quantize import quantize
from gdfq_export.jobs.verify.verify_onnx import Judges, decide_all, target_of_file, verify_file
from gdfq_export.recipe import load_recipe
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import SilentProgress


def main(folder: Path, recipe: str = "w8a8-ort-cpu") -> int:
    """Write q.onnx and verify.json into `folder`; 0 where every gate holds."""
    # Your own: load_model("net.onnx", scale=255.0, mean=0.5, std=0.25), or an nn.Module with input_shape=(3, 32, 32).
    model = load_model(None)
    labelled = held_out_set()  # your own: calib.samplers.RealSet.load(path, model.input_spec, model.num_classes)

    made = quantize(
        model,
        load_recipe(recipe),
        out=folder / "q.onnx",
        report=None,
        data=labelled,
        calibration=None,
        seed=0,
        device="cpu",
        progress=SilentProgress(),
    )
    print(f"quantized in {sum(made.report.seconds_by_phase.values()):.0f} s")

    # From here on it may be any Q/DQ file, of any tool.
    file = onnx.load(folder / "q.onnx")
    report = verify_file(
        model,
        file,
        name="q.onnx",
        target=target_of_file(file, target=None, backend=None),
        judges=Judges(labelled=labelled),
        seed=0,
        latency_seconds=1.0,
        batch=1,
        threads=1,
        progress=SilentProgress(),
    )
    report = decide_all(report, {"require-rules": True, "max-top1-drop-pp": 2.0}, baseline=None, allowed={})
    report.write(folder / "verify.json")

    if not isinstance(report.accuracy, NotMeasured):
        top1 = report.accuracy.top1
        interval = f"[{top1.drop_low_pp:+.2f}, {top1.drop_high_pp:+.2f}]"
        print(f"top-1 {top1.quantized.value:.4f}, drop {top1.drop_pp:+.2f} pp {interval}")
    for gate in report.gates:
        print(f"{gate.name}: {gate.verdict}, {gate.message}")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), *sys.argv[2:3]))
