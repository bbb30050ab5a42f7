"""Our file against onnxruntime.quantization.quantize_static, on the same calibration images, in one process.

    python -m bench.against_quantize_static FLOAT.onnx calib.npz OURS.onnx --data IMAGES

Two peers: `quantize_static` as it comes (int8 activations, per tensor), and with the settings its documentation
recommends for x86 (model pre-processed, per channel, uint8 activations, int8 weights). Latency of all is interleaved
and stated as float time by theirs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.table import Table

from bench.results_file import write_results
from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.backends.onnxruntime import OnnxRuntime
from gdfq_export.sources import load_model
from gdfq_export.verify.accuracy import Accuracy, measure_accuracy
from gdfq_export.verify.agreement import measure_agreement
from gdfq_export.verify.coverage import measure_coverage
from gdfq_export.verify.latency import interleave, summarize, versus
from gdfq_export.verify.machine import usable_cores


@click.command()
@click.argument("float_model", type=click.Path(exists=True, path_type=Path))
@click.argument("calibration", type=click.Path(exists=True, path_type=Path))
@click.argument("ours", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), required=True, help="Labelled images to score with."
)
@click.option("--calibration-images", default=512, show_default=True, help="Images of CALIBRATION the peers observe.")
@click.option("--latency-seconds", default=20.0, show_default=True)
@click.option("--threads", default=1, show_default=True, help="For latency; scoring uses every core.")
@click.option("--batch", default=1, show_default=True, help="For latency.")
def main(
    float_model: Path,
    calibration: Path,
    ours: Path,
    data: Path,
    calibration_images: int,
    latency_seconds: float,
    threads: int,
    batch: int,
) -> None:
    """Quantize FLOAT_MODEL with ONNX Runtime, fed by CALIBRATION, and hold OURS against the results."""
    network = load_model(float_model)
    labelled = RealSet.load(data, network.input_spec, network.num_classes)
    images, labels = labelled.images.numpy(), labelled.labels.numpy()
    reader = SyntheticSet.load(calibration)
    reader.set_range(0, calibration_images)
    observed = len(reader)

    with tempfile.TemporaryDirectory() as folder:
        files = {
            "float": float_model,
            "gdfq-export": ours,
            "quantize_static, default": _default(float_model, reader, Path(folder)),
            "quantize_static, recommended": _recommended(float_model, reader, Path(folder)),
        }
        backend = OnnxRuntime()
        scoring = {name: backend.load(path, usable_cores()) for name, path in files.items()}
        logits = {name: session.run(images) for name, session in scoring.items()}
        coverage = {name: measure_coverage(session.describe()) for name, session in scoring.items()}
        del scoring
        size = {name: path.stat().st_size for name, path in files.items()}
        timed = {name: backend.load(path, threads) for name, path in files.items()}
        runs: dict[str, Callable[[], object]] = {
            name: (lambda session=session: session.run(images[:batch])) for name, session in timed.items()
        }
        samples = interleave(runs, budget_seconds=latency_seconds)

    rows = {}
    for name in files:
        accuracy: Accuracy = measure_accuracy(logits["float"], logits[name], labels, str(data.name))
        rows[name] = {
            "bytes": size[name],
            "size_ratio": size[name] / size["float"],
            "accuracy": asdict(accuracy.top1),
            "agreement": asdict(measure_agreement(logits["float"], logits[name], data.name)),
            "integer_compute": coverage[name].integer_compute,
            "float_compute": [node.name for node in coverage[name].float_compute],
            "dequantize_left": len(coverage[name].dequantize),
            "latency": asdict(summarize(samples[name])),
            "float_time_by_time": asdict(versus(samples["float"], samples[name])),
            "ours_faster_by": asdict(versus(samples[name], samples["gdfq-export"])),
        }
    _print(rows, f"{float_model.name}: {len(images):,} images of {data.name}, batch {batch}, {threads} thread(s)")
    path = write_results(
        f"against_quantize_static-{float_model.stem}",
        {
            "model": float_model.name,
            "data": data.name,
            "images": len(images),
            "calibration": {"images": observed, "input": reader.input_name, "provenance": reader.provenance},
            "batch": batch,
            "threads": threads,
            "rows": rows,
        },
    )
    click.echo(f"wrote {path}")


def _default(model: Path, reader: SyntheticSet, folder: Path) -> Path:
    reader.rewind()
    out = folder / "default.onnx"
    quantize_static(model, out, reader)
    return out


def _recommended(model: Path, reader: SyntheticSet, folder: Path) -> Path:
    reader.rewind()
    prepared, out = folder / "prepared.onnx", folder / "recommended.onnx"
    quant_pre_process(model, prepared)
    quantize_static(
        prepared,
        out,
        reader,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return out


def _print(rows: dict[str, dict], title: str) -> None:
    table = Table(
        "file", "top-1", "drop pp", "bytes / float", "float compute left", "p50 ms", "float time / time", title=title
    )
    for name, row in rows.items():
        top1, ratio = row["accuracy"], row["float_time_by_time"]
        table.add_row(
            name,
            f"{100 * top1['quantized']['value']:.2f} %",
            f"{top1['drop_pp']:+.2f} [{top1['drop_low_pp']:+.2f}, {top1['drop_high_pp']:+.2f}]",
            f"{row['size_ratio']:.3f}",
            str(len(row["float_compute"])),
            f"{row['latency']['p50_ms']:.3f}",
            f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]",
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
