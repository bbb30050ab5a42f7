"""What a bundle's device check compares with: a few inputs as they are before preprocessing, and the outputs here.

Input and outputs are computed by the functions of `device_check.py` itself, so that the device repeats what was done.
"""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from calib.files.npz_file import write_npz
from calib.input_spec import IMAGE_RANK
from calib.synthetic_set import SyntheticSet
from gdfq_export.artifacts import device_check
from gdfq_export.artifacts.bundle_content import BundleContent
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.targets import find_target

_INPUTS = 4
_RUNTIME = "onnxruntime"


def has_device_check(plan: QuantPlan) -> bool:
    """Whether the file runs in the runtime that the check uses."""
    return find_target(plan.target).backend == _RUNTIME


def write_expected(folder: Path, content: BundleContent) -> dict[str, Any]:
    """Write check.py and check.npz beside the model.onnx of a bundle; the section of its manifest.

    The first images that the network was tuned on are run, noise where they were not kept.
    """
    model, plan, latency = content.model, content.plan, content.report.latency
    timings = None if isinstance(latency, NotMeasured) else latency.quantized
    batch = model.file_batch or 1
    stored = _inputs(model, content.images, max(_INPUTS, batch) // batch * batch)
    form = {
        "channels_last": model.image_form.channels_last,
        "dtype": "uint8" if model.image_form.pixels else "float32",
    }
    spec = model.input_spec
    fed = device_check.prepare(stored, {**form, "scale": spec.scale, "mean": spec.mean, "std": spec.std})
    session = device_check.load(folder / "model.onnx", 1, "")
    outputs = device_check.run(session, fed, batch)
    numbered = zip(itertools.count(), outputs.values(), strict=False)
    write_npz(folder / "check.npz", {"input": stored, **{f"output_{index}": array for index, array in numbered}})
    (folder / "check.py").write_bytes(Path(device_check.__file__).read_bytes())
    return {
        "input": {**form, "sha256": hashlib.sha256(fed.tobytes()).hexdigest()},
        "outputs": [*outputs],
        "batch": batch,
        "exact": plan.exact and not _float_nodes(plan),
        "made_for": find_target(plan.target).description,
        "cpu": device_check.this_cpu(),
        "p50_ms": None if timings is None else timings.p50_ms,
        "p99_ms": None if timings is None else timings.p99_ms,
    }


def _inputs(model: FloatModel, images: SyntheticSet | None, count: int) -> np.ndarray:
    """Pixels uint8 [count, H, W, C] of images, float32 of all else; fewer are repeated."""
    spec = model.input_spec
    if images is None:
        noise = np.random.default_rng(0).integers(0, 256, (count, *spec.shape[1:], spec.shape[0]), np.uint8)
        return noise if len(spec.shape) == IMAGE_RANK else spec.normalize(noise)
    drawn = images.images[np.arange(count) % len(images.images)]
    return spec.to_pixels(drawn) if len(spec.shape) == IMAGE_RANK else drawn


def _float_nodes(plan: QuantPlan) -> list[str]:
    absorbed = {node.absorbed for node in plan.nodes}
    return [node.node for node in plan.nodes if node.kernel is None and node.node not in absorbed]
