"""A float network from a .pt2 file, as `torch.export.save` writes it; nothing in the file is run."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.module_export import program_to_onnx, quiet
from gdfq_export.frontend.sources.pt2_archive import safe_archive


def read_exported_program(path: Path) -> onnx.ModelProto:
    """Read `path` and convert it to ONNX, BatchNormalization kept.

    Raises:
        InputError: the file is no exported program, is damaged, could run code, or torch cannot convert it.
    """
    archive = safe_archive(path)
    try:
        with quiet():
            program = torch.export.load(archive)
    except Exception as error:  # torch.export.load documents no exception types
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path} cannot be read as an exported program ({type(error).__name__}: {reason}); "
            "write it again with torch.export.save(torch.export.export(...), path)"
        ) from error
    return program_to_onnx(program, str(path))
