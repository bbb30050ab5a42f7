"""Texts and hashes of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.support.files import parse_json, read_text, require_regular, sha256_file


@given(content=st.binary(max_size=3 << 20))
def test_the_hash_is_of_the_bytes(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff", "not a text file in UTF-8"), (b"x" * 11, "more than 10 bytes"), (None, "No such file")],
)
def test_text_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"^cannot read the text: .*{words}.*; give another$"):
        read_text(tmp_path / "a.txt", "the text", "give another", most=10)


def test_what_never_ends_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (Path("/dev/zero"), "is a device"),
        (tmp_path / "pipe", "is a pipe"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(InputError, match=f"{words}; give a file$"):
            require_regular(path, "give a file")
        with pytest.raises(InputError, match=words):
            read_text(path, "it", "give a file")
    require_regular(tmp_path / "absent", "")


def test_deep_json_is_no_json() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000)
