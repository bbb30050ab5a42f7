"""Reads the archive of a .pt2 file and keeps only what cannot run code.

`torch.export.load` unpickles weights, constants and sample inputs, evaluates shape expressions and calls whatever
function of torch a node names, so a crafted file would run code. Here the archive is read with `zipfile`, checked, and
written again: plain tensors, the checked program, nothing else. Sample inputs and compiled parts are left out.
Format: torch/export/pt2_archive/constants.py.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.pt2_program import Unsafe, checked_program, require_plain_expressions

_PROGRAM = "models/model.json"
_CONFIGS = {"data/weights/": r"weight_\d+", "data/constants/": r"tensor_\d+"}
_FACTS = ("archive_format", "archive_version", "byteorder", ".data/version")
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
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
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
    root = roots[0]
    copied = [name for name in _FACTS if root + name in names]
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as safe:
        for folder, plain in _CONFIGS.items():
            config_name = f"{folder}model_{folder.split('/')[1]}_config.json"
            config = json.loads(archive.read(root + config_name))
            copied += _tensor_files(config["config"], folder, plain)
            safe.writestr(f"archive/{config_name}", json.dumps(config))
        for name in dict.fromkeys(copied):
            safe.writestr(f"archive/{name}", archive.read(root + name))
        program = checked_program(json.loads(archive.read(root + _PROGRAM)))
        safe.writestr(f"archive/{_PROGRAM}", json.dumps(program))
        safe.writestr("archive/data/sample_inputs/model.pt", b"")
    result.seek(0)
    return result


def _tensor_files(config: dict[str, dict[str, Any]], folder: str, plain: str) -> list[str]:
    """Entries that hold the tensors of `config`.

    Raises:
        Unsafe: one of them is pickled.
    """
    kind = folder.split("/")[1].removesuffix("s")
    for name, entry in config.items():
        if entry["use_pickle"] is not False or not re.fullmatch(plain, entry["path_name"]):
            raise Unsafe(f"a pickled {kind} ({name[:80]})")
        require_plain_expressions(entry)
    return [folder + entry["path_name"] for entry in config.values()]
