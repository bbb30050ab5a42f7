"""What a file is that cannot be quantized as it is, found without running it, and how to make an ONNX file of it.

Archives are listed, pickles are read as opcodes (`pickletools`): nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import pickletools
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gdfq_export.frontend.sources.export_hint import export_lines

_NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "ema")
_OBJECT = 3  # which pickle of a file in torch's format before 1.6 is the object, behind number, version and sizes
_MOST_PICKLE = 1 << 26  # bytes
_TEXTS = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"})

_STATE_DICT = """\
from my_package import MyNetwork  # the class whose weights these are
network = MyNetwork()
"""


@dataclass(frozen=True, slots=True)
class _Pickle:
    """The class of a pickled object, None for a dict, and the texts in it, in their order."""

    of_class: str | None
    texts: list[str]


def describe(path: Path) -> str | None:
    """Say what `path` is and which lines export it to ONNX; None where it is nothing that is known.

    The first line is one sentence, the lines after it are to be copied.
    """
    try:
        return _torch_archive(path) if zipfile.is_zipfile(path) else _other(path)
    except Exception:  # whatever a damaged file makes zipfile, json and pickletools raise
        return None


def _torch_archive(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("models/model.json") for name in names):
            return f"{path} is an exported program (torch.export.save): give it the suffix .pt2"
        if any(name.endswith("/constants.pkl") for name in names) and any("/code/" in name for name in names):
            load = f'network = torch.jit.load("{path.name}", map_location="cpu")'
            return _torch(path, "is a TorchScript archive (torch.jit.save); export it to ONNX:", load, scripted=True)
        if any(name == "config.json" for name in names) and any(name.endswith(".weights.h5") for name in names):
            return _keras(path)
        data = next((name for name in names if name.endswith("/data.pkl")), None)
        if data is None:
            return None
        with archive.open(data) as stream:
            return _torch_pickle(path, _read(io.BytesIO(stream.read(_MOST_PICKLE)), 0))


def _other(path: Path) -> str | None:
    with path.open("rb") as stream:
        head = stream.read(16)
    if head[4:8] == b"TFL3":
        return _tensorflow(path, "a TensorFlow Lite model", f"--tflite {path}")
    if head.startswith(b"\x89HDF"):
        return _keras(path)
    if path.suffix.lower() == ".pb":
        return _tensorflow(path, "a TensorFlow graph", f"--saved-model {path.parent}")
    if path.suffix.lower() in (".engine", ".plan", ".trt"):
        return f"{path} is a TensorRT engine, which holds no network that can be read: give the .onnx it was built from"
    if path.suffix.lower() == ".safetensors":
        return _safetensors(path)
    if head[:1] == b"\x80":
        with path.open("rb") as stream:
            return _torch_pickle(path, _read(io.BytesIO(stream.read(_MOST_PICKLE)), _OBJECT))
    return None


def _read(stream: IO[bytes], index: int) -> _Pickle:
    for _ in range(index):
        list(pickletools.genops(stream))
    texts: list[str] = []
    of_class, first = None, True
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in _TEXTS:
            texts.append(str(argument))
        elif opcode.name == "STACK_GLOBAL" and first:
            of_class, first = ".".join(texts[-2:]), False
        elif opcode.name == "GLOBAL" and first:
            of_class, first = str(argument).replace(" ", "."), False
        elif opcode.name == "EMPTY_DICT":
            first = False
    return _Pickle(None if of_class == "collections.OrderedDict" else of_class, texts)


def _torch_pickle(path: Path, pickle: _Pickle) -> str:
    holds_module = "_parameters" in pickle.texts
    nested = next((text for text in pickle.texts[:200] if text in _NESTED), None) if pickle.of_class is None else None
    inner = f'["{nested}"]' if nested else ""
    if holds_module:
        what = f"of the class {pickle.of_class}" if pickle.of_class else f"in a checkpoint under {nested!r}"
        load = (
            "# this runs code of the file: only for files that you trust, and where its class can be imported\n"
            f'network = torch.load("{path.name}", map_location="cpu", weights_only=False){inner}'
        )
        return _torch(path, f"is a pickled module {what}; export it to ONNX:", load)
    weights = f'torch.load("{path.name}", map_location="cpu", weights_only=True){inner}'
    what = f"a state dict, in a checkpoint under {nested!r}" if nested else "a state dict"
    return _torch(path, _only_weights(what), f"{_STATE_DICT}network.load_state_dict({weights})")


def _safetensors(path: Path) -> str:
    with path.open("rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        json.loads(stream.read(min(size, 100_000_000)))
    load = f'import safetensors.torch\n{_STATE_DICT}network.load_state_dict(safetensors.torch.load_file("{path.name}"))'
    return _torch(path, _only_weights("a state dict"), load)


def _only_weights(what: str) -> str:
    return f"is {what}: weights without the network they belong to; export the network to ONNX with them:"


def _torch(path: Path, what: str, load: str, *, scripted: bool = False) -> str:
    return f"{path} {what}\n\n{export_lines(load, f'{path.stem}.onnx', scripted=scripted)}"


def _keras(path: Path) -> str:
    return _tensorflow(path, "a Keras model", f"--keras {path}")


def _tensorflow(path: Path, what: str, source: str) -> str:
    command = f"python -m tf2onnx.convert {source} --output {path.stem}.onnx --inputs-as-nchw INPUT"
    return f"{path} is {what}; convert it to ONNX with images [N, C, H, W], where INPUT names its input:\n\n{command}"
