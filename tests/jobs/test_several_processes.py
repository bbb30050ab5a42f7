"""A file that several processes make is the one that one process makes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import gdfq_export as gq
from calib.parallel.processes import ALONE, Processes
from gdfq_export.errors import InputError, SharedWorkDone
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.quantizing.shared_work import require_shareable
from gdfq_export.jobs.quantizing.whole_run import run_whole
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.recipe import Recipe, load_recipe
from tests.several_processes import run_in

VERIFY = {"latency_seconds": 0.01, "agreement_images": 8, "parity_images": 4}
EXACT = {
    "data": {"method": "refined", "images": 24, "refinement": {"steps": 2, "batch": 5}},
    "calibration": {"images": 24, "activations": "mse", "weights": "mse", "outliers": 20.0},
    "tuning": {"rounding": True, "refit": True, "bias_correction": "empirical", "activation_scales": True},
}
TRAINED = {
    "data": {"method": "gdfq", "images": 16, "generator": {"steps": 3, "batch": 8}},
    "calibration": {"images": 16, "activations": "minmax", "weights": "mse"},
    "tuning": {"rounding": False, "bias_correction": "none", "finetune": {"steps": 3, "batch": 8}},
}
FLOAT_NOISE = 1e-3  # of a scale; training steps enlarge the noise of sums


def _recipe(sections: dict[str, Any], bits: int) -> Recipe:
    values = {"name": "short", "description": "short", "target": "ort-cpu", "verify": VERIFY, **sections}
    return Recipe.model_validate({**values, "bits": {"weights": bits, "activations": bits}})


def _made(processes: Processes, sections: dict[str, Any], bits: int, folder: Path | None) -> bytes | None:
    run = RunContext(device="cpu", threads=1, processes=processes, checkpoint=folder).started()
    try:
        return bytes(run_whole(QuantizeRequest(model=gq.load(), recipe=_recipe(sections, bits)), run).onnx_bytes)
    except SharedWorkDone:
        return None


def _numbers(file: bytes) -> dict[str, Any]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(file).graph.initializer}


@pytest.mark.parametrize(("size", "bits"), [(2, 8), (4, 4)])
def test_a_file_of_dealt_work_is_equal_byte_for_byte(size: int, bits: int, tmp_path: Path) -> None:
    (wanted,) = run_in(1, _made, tmp_path, EXACT, bits, None)
    found, *others = run_in(size, _made, tmp_path, EXACT, bits, tmp_path / "kept")
    assert others == [None] * (size - 1)
    integers = [name for name, value in _numbers(wanted).items() if value.dtype.kind in "iu"]
    differing = [name for name in integers if (_numbers(wanted)[name] != _numbers(found)[name]).any()]
    assert differing == []
    assert found == wanted


def test_a_file_of_shared_training_differs_by_float_noise(tmp_path: Path) -> None:
    (wanted,) = (_numbers(file) for file in run_in(1, _made, tmp_path, TRAINED, 8, None))
    found = _numbers(run_in(2, _made, tmp_path, TRAINED, 8, None)[0])
    assert found.keys() == wanted.keys()
    integers = differing = 0
    for name, value in wanted.items():
        if value.dtype.kind in "iu":
            integers, differing = integers + value.size, differing + int((found[name] != value).sum())
        elif value.dtype.kind == "f":
            np.testing.assert_allclose(found[name], value, rtol=FLOAT_NOISE)
    print(f"2 processes: {differing} of {integers} integers differ after training")
    assert differing < integers / 100


def test_what_one_process_times_is_refused() -> None:
    class Two(Processes):
        size = 2

    recipe = load_recipe("w8a8-ort-cpu")
    require_shareable(recipe, Two(), times_targets=False)
    require_shareable(recipe.with_precision("auto"), ALONE, times_targets=True)
    with pytest.raises(InputError, match=r"--target auto times drafts, which one process does; name the target"):
        require_shareable(recipe, Two(), times_targets=True)
    with pytest.raises(InputError, match=r"bits.precision: auto in the recipe w8a8-ort-cpu times drafts"):
        require_shareable(recipe.with_precision("auto"), Two(), times_targets=False)


def test_the_number_of_processes_is_part_of_a_runs_identity() -> None:
    from gdfq_export.jobs.resume.identity import run_identity

    class Two(Processes):
        size = 2

    run = RunContext(device="cpu")
    one, two = (
        run_identity("quantize", gq.load(), recipe=load_recipe("w8a8-ort-cpu"), run=dataclasses.replace(run, **more))
        for more in ({}, {"processes": Two()})
    )
    assert "processes" not in one and two["processes"] == 2
