"""A file that is no ONNX model is named for what it is, without running it, with the lines that make one of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

import gdfq_export
from gdfq_export.errors import InputError
from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.unsupported_file import describe
from tests.frontend.sources import crafted_archives, networks

ROOT = Path(gdfq_export.__file__).parent.parent


def _save(value: Callable[[], object], **options: bool) -> Callable[[Path], None]:
    return lambda path: torch.save(value(), path, **options)


def _state() -> dict[str, torch.Tensor]:
    return networks.make().state_dict()


OLD = {"_use_new_zipfile_serialization": False}
FILES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "net.pth": (_save(_state), "a state dict", "weights_only=True)"),
    "old.pth": (_save(_state, **OLD), "a state dict", "weights_only=True)"),
    "run.ckpt": (
        _save(lambda: {"epoch": 3, "state_dict": _state()}),
        "'state_dict'",
        'weights_only=True)["state_dict"]',
    ),
    "net.pt": (_save(networks.make), "a pickled module of the class tests.frontend", "weights_only=False)"),
    "old.pt": (_save(networks.make, **OLD), "a pickled module of the class tests.frontend", "weights_only=False)"),
    "best.pt": (_save(lambda: {"model": networks.make()}), "a pickled module in a checkpoint", 'False)["model"]'),
    "scripted.pt": (lambda path: torch.jit.script(networks.make()).save(path), "TorchScript", "torch.jit.load("),
    "traced.bin": (
        lambda path: torch.jit.trace(networks.make().eval(), torch.zeros(2, 3, 8, 8)).save(path),
        "TorchScript",
        "torch.jit.load(",
    ),
    "net.safetensors": (lambda path: safetensors.torch.save_file(_state(), path), "a state dict", "load_file("),
    "net.tflite": (lambda path: path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(50)), "TensorFlow Lite", "--tflite"),
    "net.h5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50)), "Keras", "--keras"),
    "saved_model.pb": (lambda path: path.write_bytes(b"\x08\x01\x12"), "TensorFlow", "--saved-model"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_it_is_and_how_to_export_it(tmp_path: Path, name: str) -> None:
    make, what, line = FILES[name]
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError) as caught:
        load_model(path)
    sentence, _, lines = str(caught.value).partition("\n")
    assert sentence.startswith(f"{path} is ") and what in sentence
    assert line in lines
    if "torch" in lines:
        compile(lines, "lines", "exec")
        assert "torch.onnx.export(" in lines


def test_a_program_and_an_engine(tmp_path: Path) -> None:
    path = crafted_archives.write(tmp_path / "net.pt", crafted_archives.entries())
    assert "suffix .pt2" in (describe(path) or "")
    (tmp_path / "net.engine").write_bytes(b"engine")
    assert "TensorRT engine" in (describe(tmp_path / "net.engine") or "")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    for number, options in enumerate(({}, OLD)):
        path, trace = tmp_path / f"{number}.pt", tmp_path / "trace"
        torch.save(crafted_archives._Payload(trace), path, **options)
        with pytest.raises(InputError):
            load_model(path)
        assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"x", b"\x80", b"\x80\x02", b"PK\x03\x04", b"\xff" * 40, b"\x80\x02}q"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".tflite"])
def test_damaged_files(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"no known kind|state dict"):
        load_model(path)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.99])
@pytest.mark.parametrize("options", [{}, OLD])
def test_cut_files(tmp_path: Path, keep: float, options: dict[str, bool]) -> None:
    path = tmp_path / "net.pth"
    torch.save(_state(), path, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InputError):
        load_model(path)


def test_it_needs_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    header = json.dumps({}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    script = (
        "import sys; from gdfq_export.errors import InputError\n"
        "from gdfq_export.frontend.sources.model_name import require_model\n"
        f"try: require_model({str(path)!r})\n"
        "except InputError as error: print(error)\n"
        "assert not {'torch', 'onnx', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "state dict" in done.stdout
