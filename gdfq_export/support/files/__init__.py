"""Outputs that are whole or absent, all of one run together; what dead runs left; reading of text and hashes."""

from gdfq_export.support.files.destination import (
    require_replaceable_folder,
    require_space,
    require_writable,
    writes_through,
)
from gdfq_export.support.files.outputs import (
    Outputs,
    atomic_folder,
    atomic_output,
    committed,
    write_files,
    write_together,
)
from gdfq_export.support.files.reading import parse_json, read_text, require_regular, sha256_file
from gdfq_export.support.files.scratch import scratch_folder

__all__ = [
    "Outputs",
    "atomic_folder",
    "atomic_output",
    "committed",
    "parse_json",
    "read_text",
    "require_regular",
    "require_replaceable_folder",
    "require_space",
    "require_writable",
    "scratch_folder",
    "sha256_file",
    "write_files",
    "write_together",
    "writes_through",
]
