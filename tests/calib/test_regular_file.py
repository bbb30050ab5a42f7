"""What can be read to its end."""

from __future__ import annotations

import os
from pathlib import Path

from calib.files.regular_file import is_file


def test_what_never_ends_and_what_no_file_can_be_called_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "file").write_text("")
    assert is_file(tmp_path / "file")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link", tmp_path / ("a" * 5000), Path("a\0b")):
        assert not is_file(path)
