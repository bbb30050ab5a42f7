"""Texts and hashes of files."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.support.files import sha256_file


@given(content=st.binary(max_size=3 << 20))
def test_the_hash_is_of_the_bytes(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()
