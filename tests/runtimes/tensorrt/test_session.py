"""Engines are run piece by piece and timed by the device's events; on a TensorRT and a GPU that are pretended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.metrics.latency import time_both
from gdfq_export.runtimes.base import HOST_CLOCK
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.tensorrt import TensorRt
from tests.jobs.verify.quantized_classifier import classifier
from tests.runtimes.tensorrt.fake_tensorrt import Machine, engine_bytes, install, layer


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return install(monkeypatch)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 2, 3, 3)).astype(np.float32)


def expected(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1).sum(axis=1)[:, None] * np.array([1, 2, 3], np.float32)


@pytest.mark.parametrize("batch", [[1, 4, 4], [2, 2, 4], 3], ids=["open", "from 2", "fixed"])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_any_number_of_images_is_run(machine: Machine, batch: object, count: int) -> None:
    session = TensorRt().load(engine_bytes(batch=batch), 1)
    assert session.run(images(count)) == pytest.approx(expected(images(count)), rel=1e-5)


def test_several_inputs_are_taken_apart(machine: Machine) -> None:
    session = TensorRt().load(engine_bytes(names=["left", "right", "logits"], inputs=2), 1)
    left, right = images(5), images(5)[::-1]
    joined = np.concatenate([left.reshape(5, -1), right.reshape(5, -1)], axis=1)
    assert session.run(joined) == pytest.approx(expected(left), rel=1e-5)
    assert {"bind left", "bind right", "bind logits"} <= set(machine.events)
    with pytest.raises(InputError, match=r"cannot run inputs of shape \[4, 2, 3, 3\]: its inputs are"):
        session.run(left)


def test_time_is_that_of_the_device_between_two_events(machine: Machine) -> None:
    session = TensorRt().load(engine_bytes(milliseconds=2.5), 1)
    timer = session.timer(images(2))
    session.run(images(4))  # other shapes and addresses in between
    machine.events.clear()
    assert [timer(), timer()] == [2.5, 2.5]
    assert machine.events == ["bind image", "bind logits", "event", "run", "event"] * 2


def test_the_ratio_of_two_engines_is_the_devices(machine: Machine) -> None:
    slow, fast = (TensorRt().load(engine_bytes(milliseconds=spent), 1) for spent in (3.0, 1.5))
    latency = time_both(slow, fast, images(2), "noise", seconds=0.01, threads=1)
    assert (latency.float_network.p50_ms, latency.quantized.p50_ms, latency.speedup.value) == (3.0, 1.5, 2.0)
    assert "CUDA events" in latency.clock


def test_other_runtimes_take_time_by_the_clock_of_the_process() -> None:
    session = OnnxRuntime().load(classifier().quantized().SerializeToString(), 1)
    assert session.clock == HOST_CLOCK
    assert 0 < session.timer(images(2))() < 1000


@pytest.mark.parametrize(("batch", "words"), [([1, 4, 4], "at most 4"), (3, "exactly 3")])
def test_a_batch_that_is_not_one_run_is_not_timed(machine: Machine, batch: object, words: str) -> None:
    session = TensorRt().load(engine_bytes(batch=batch), 1)
    with pytest.raises(InputError, match=f"takes {words} images a run, not 5; time it with --batch"):
        session.timer(images(5))


def test_images_of_another_shape_are_refused(machine: Machine) -> None:
    with pytest.raises(InputError, match=r"cannot run images of shape \[1, 2, 5, 5\]"):
        TensorRt().load(engine_bytes(), 1).run(np.zeros((1, 2, 5, 5), np.float32))


def test_layers_are_those_of_the_inspector(machine: Machine) -> None:
    graph = TensorRt().examine(engine_bytes(layers=[layer("a"), layer("b", reads="FP32")]))
    assert [node.kind for node in graph.nodes] == ["integer compute", "float compute"]
    assert (graph.runtime, graph.inputs, graph.outputs) == ("tensorrt_rtx 1.7.1.116", ("image",), ("logits",))


def test_an_engine_that_this_gpu_does_not_run_is_said_in_tensorrts_words(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "net.plan"
    path.write_bytes(engine_bytes(broken="compute capability 9.0 is not supported"))
    with pytest.raises(BackendUnavailable, match=r"net\.plan: tensorrt_rtx .*\(a GPU that is not there\): compute cap"):
        TensorRt().load(path, 1)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"names": ["logits"], "inputs": 0}, "has 0 inputs and 1 outputs; a network has at least one of each"),
        ({"type": "INT32"}, "has INT32 as image; images and answers are one of FLOAT, HALF, BF16"),
    ],
    ids=["no input", "whole numbers"],
)
def test_what_is_no_classifier_is_refused(machine: Machine, facts: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        TensorRt().load(engine_bytes(**facts), 1)


def test_inner_tensors_are_not_to_be_had(machine: Machine) -> None:
    with pytest.raises(InputError, match="no inner tensors"):
        TensorRt().load(engine_bytes(), 1, taps=["x"])
