"""Reads the archive of a .pt2 file and keeps only what cannot run code.

`torch.export.load` unpickles weights, constants and sample inputs, evaluates shape expressions, calls whatever function
of torch a node names, and makes Python source of names, so a crafted file would run code. Here the archive is read with
`zipfile`, checked, and written again: plain tensors, the checked program, nothing else. Sample inputs and compiled
parts are left out.
Format: torch/export/pt2_archive/constants.py.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.pt2_program import Unsafe, checked_program, require_plain

_PROGRAM = "models/model.json"
_CONFIGS = {"data/weights/": r"weight_\d+", "data/constants/": r"tensor_\d+"}
_FACTS = ("archive_format", "archive_version", "byteorder", ".data/version")
_MOST_EXPANDED = 2**24  # values, of all tensors together, that are not stored
_SAVE_AGAIN = "write it again with torch.export.save(torch.export.export(...), path)"


def safe_archive(path: Path) -> io.BytesIO:
    """Return a copy of the archive `path` that `torch.export.load` can read without running code from it.

    Raises:
        InputError: the file is no archive of one exported program, is damaged, or holds pickled objects, expressions or
            functions that would run code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _rewritten(archive, path)
    except Unsafe as error:
        raise InputError(
            f"{path} holds {error}, which could run code when the file is loaded; it was not loaded: get the file from "
            f"its author as .onnx, or {_SAVE_AGAIN}"
        ) from error
    except InputError:
        raise
    except Exception as error:  # whatever zipfile, json and a program of another shape raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path} cannot be read as an exported program ({type(error).__name__}: {reason}); {_SAVE_AGAIN}"
        ) from error


def _rewritten(archive: zipfile.ZipFile, path: Path) -> io.BytesIO:
    names = archive.namelist()
    roots = [name.removesuffix(_PROGRAM) for name in names if name.endswith(_PROGRAM)]
    if len(roots) != 1 or len(set(names)) != len(names):
        raise InputError(
            f"{path} cannot be read as an exported program: it has {len(roots)} entries {_PROGRAM} where torch 2.9 and "
            f"later write one; {_SAVE_AGAIN}"
        )
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise ValueError("its entries are compressed, which torch.export.save never does")
    if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
        raise ValueError("its entries overlap or are cut short")
    root = roots[0]
    copied = [name for name in _FACTS if root + name in names]
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as safe:
        for folder, plain in _CONFIGS.items():
            config_name = f"{folder}model_{folder.split('/')[1]}_config.json"
            config = json.loads(archive.read(root + config_name))
            files = _tensor_files(config["config"], folder, plain)
            _require_stored(config["config"].values(), sum(archive.getinfo(root + name).file_size for name in files))
            copied += files
            safe.writestr(f"archive/{config_name}", json.dumps(config))
        for name in dict.fromkeys(copied):
            safe.writestr(f"archive/{name}", archive.read(root + name))
        program = checked_program(json.loads(archive.read(root + _PROGRAM)))
        safe.writestr(f"archive/{_PROGRAM}", json.dumps(program))
        safe.writestr("archive/data/sample_inputs/model.pt", b"")
    result.seek(0)
    return result


def _tensor_files(config: dict[str, dict[str, Any]], folder: str, plain: str) -> list[str]:
    """Entries that hold the tensors of `config`, each once.

    Raises:
        Unsafe: one of them is pickled.
    """
    kind = folder.split("/")[1].removesuffix("s")
    for name, entry in config.items():
        if entry["use_pickle"] is not False or not re.fullmatch(plain, entry["path_name"]):
            raise Unsafe(f"a pickled {kind} ({name[:80]})")
        require_plain(entry)
    return [*dict.fromkeys(folder + entry["path_name"] for entry in config.values())]


def _require_stored(entries: Iterable[dict[str, Any]], stored: int) -> None:
    """Refuse tensors that are far larger than the `stored` bytes they are made of, as by a stride of 0."""
    sizes = [[size["as_int"] for size in entry["tensor_meta"]["sizes"]] for entry in entries]
    if min(map(min, filter(None, sizes)), default=0) < 0 or sum(map(math.prod, sizes)) > stored + _MOST_EXPANDED:
        raise ValueError("its tensors have more values than the archive holds")
