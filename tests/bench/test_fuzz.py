"""Readers refuse what is damaged or hostile in one sentence, take no memory for it, and run nothing of it.

An input is its reader and its seed; `python -m bench.fuzz` runs as many as one likes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.fuzz.limited_process import outcomes
from bench.fuzz.readers import READERS, Reader
from calib.errors import DataError
from gdfq_export.errors import InputError

_INPUTS = {".pt2": 2, "ONNX, float": 12, "ONNX, Q/DQ": 20, "JSON, sidecar": 12}
_OTHERS = 40

KEPT = (
    ("ONNX, float", 2000),  # an input of 2^62 channels
    ("ONNX, Q/DQ", 10),  # a graph that the parser does not take
    ("ONNX, Q/DQ", 61),  # a batch of 0
    ("ONNX, Q/DQ", 1104),  # an attribute that stands for an argument of a function
    ("ONNX, Q/DQ", 2406),  # a fixed batch of 2^31 images
    ("ONNX, Q/DQ", 8400),  # weights of one axis in a convolution
    ("ONNX, Q/DQ", 20168),  # a target of no name
    ("ONNX, Q/DQ", 20260),  # axis -149
    ("JSON, report", 1129),  # a number of 400 digits
    ("JSON, COCO", 1081),  # a file name of 5,000 characters
    ("JSON, sidecar", 40201),  # a task of no name
    ("JSON, sidecar", 2009),  # a message as long as a key
    ("JSON, manifest", 2142),
    ("JSON, compare", 2318),
    ("CSV, labels", 173),  # a column of 5,000 characters
)
"""Inputs that gave way once, by reader and seed."""


def _faults(reader: Reader, seeds: range) -> list[tuple[int, str]]:
    return [(seed, said) for seed, said in outcomes(reader, seeds) if said not in ("read", "refused")]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.title)
def test_no_input_gives_way(reader: Reader) -> None:
    assert _faults(reader, range(_INPUTS.get(reader.title, _OTHERS))) == []


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.title)
def test_of_many_inputs_none_gives_way(reader: Reader) -> None:
    assert _faults(reader, range(1_000_000, 1_000_000 + 50 * _INPUTS.get(reader.title, _OTHERS))) == []


@pytest.mark.parametrize(("title", "seed"), KEPT)
def test_what_gave_way_once_holds(title: str, seed: int) -> None:
    assert _faults(next(reader for reader in READERS if reader.title == title), range(seed, seed + 1)) == []


@pytest.mark.parametrize(
    "title",
    [
        "ONNX, float",
        "ONNX, Q/DQ",
        ".pt2",
        ".npz, labelled",
        ".npz, synthesized",
        "YAML, recipe",
        "JSON, sidecar",
        "JSON, compare",
        "CSV, labels",
        "CSV, pairs",
        "PNG",
        "checkpoint, state",
        "checkpoint, run",
    ],
)
def test_the_sound_input_is_read(title: str, tmp_path: Path) -> None:
    reader = next(reader for reader in READERS if reader.title == title)
    path = tmp_path / reader.name
    path.write_bytes(reader.sound())
    reader.read(path)


def _refuse(message: str) -> None:
    raise InputError(message)


def _refuse_data(message: str) -> None:
    raise DataError(message)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda path: path.read_bytes(), "read"),
        (lambda path: _refuse(f"{path} is bad; give another"), "refused"),
        (lambda path: _refuse("it is bad"), "no file named: 'it is bad'"),
        (lambda path: _refuse_data(f"{path} {'x' * 2000}"), "a message of 2,"),
        (lambda path: 1 / 0, "ZeroDivisionError at test_fuzz.py"),
        (lambda path: bytearray(8 << 30), "MemoryError"),
        (lambda path: os.kill(os.getpid(), signal.SIGSEGV), "the process ended (SIGSEGV)"),
        (lambda path: os.kill(os.getpid(), signal.SIGPROF), "the process ended (more than 60 s)"),
        (lambda path: os.system("true"), "started os.system"),
        (lambda path: open("/etc/passwd").close(), "opened /etc/passwd"),
    ],
)
def test_what_gives_way_is_seen(read: Callable[[Path], object], said: str) -> None:
    reader = Reader(name="a.bin", title="bytes", sound=lambda: b"a", mutate=lambda data, _: data, read=read)
    assert [outcome.startswith(said) for _, outcome in outcomes(reader, [0, 1])] == [True, True]
