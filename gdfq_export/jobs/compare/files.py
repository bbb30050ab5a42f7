"""The files of a comparison in its folder: JSON, which is the truth, and page and chart, which are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.jobs.compare.cells import SCHEMA_VERSION, Comparison
from gdfq_export.jobs.compare.chart import draw_comparison
from gdfq_export.jobs.compare.page import build_page
from gdfq_export.support.files import parse_json, read_text, write_files

JSON, PAGE, CHART = "comparison.json", "comparison.md", "comparison.png"
FILES = "files"  # the folder of the networks


def make_folder(folder: Path, *below: str) -> Path:
    """Make a folder, those above it and those `below` it, where they are missing.

    Raises:
        InputError: one of them is a file, or cannot be made.
    """
    try:
        for path in (folder, *(folder / name for name in below)):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}; choose another --out") from error
    return folder


def file_name(bits: str, method: str) -> str:
    """A cell's network in the folder `files`."""
    return f"{bits}-{method}.onnx"


def write_comparison(comparison: Comparison, folder: Path, networks: Mapping[str, bytes] | None = None) -> None:
    """Write all three, and networks into the folder `files` by their names; or leave what was there.

    Raises:
        InputError: the folder cannot be written.
    """
    write_files(
        {
            **{folder / FILES / name: data for name, data in (networks or {}).items()},
            folder / CHART: draw_comparison(comparison),
            folder / PAGE: build_page(comparison, chart=CHART),
            folder / JSON: comparison.to_json(),
        }
    )


def read_comparison(path: Path) -> Comparison | None:
    """What `write_comparison` wrote as JSON; None where there is no file.

    Raises:
        InputError: the file is damaged, or of another version of the format.
    """
    from pydantic import TypeAdapter, ValidationError

    fix = "remove it, or choose another folder as --out"
    if not path.exists():
        return None
    text = read_text(path, str(path), fix)
    try:
        body = parse_json(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON; {fix}") from error
    version = body.get("schema_version") if isinstance(body, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(f"{path} is no comparison of format {SCHEMA_VERSION} (its schema_version is {version}); {fix}")
    try:
        return TypeAdapter(Comparison).validate_python(body)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{path} is not a comparison: {where} is missing or wrong; {fix}") from error
