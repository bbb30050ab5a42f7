"""Mutations of archives: .npz by the headers and data of its arrays, .pt2 by its JSON, both by the archive itself."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from random import Random

import numpy as np

from bench.fuzz.mutate_bytes import mutate_bytes
from bench.fuzz.mutate_json import mutate_json
from bench.fuzz.values import number, text

_TYPES = ("|u1", "<f4", "<f8", "<i8", ">i4", "|O", "<U8", "<U500000000", "|V2000000000", "|b1", "<c8", "<M8[ns]", "|S0")
_Member = Callable[[str, bytes, Random], bytes]


def mutate_npz(data: bytes, random: Random) -> bytes:
    """Change headers, values or names of arrays, how they are compressed, or bytes of the archive."""
    return _mutate(data, random, _array)


def mutate_pt2(data: bytes, random: Random) -> bytes:
    """Change the program or the tables of tensors, names of entries, or bytes of the archive."""
    return _mutate(data, random, _program_part)


def _mutate(data: bytes, random: Random, member: _Member) -> bytes:
    if random.random() < 0.15:
        return mutate_bytes(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
        stored = archive.infolist()[0].compress_type
    result = io.BytesIO()
    chosen = random.choice([name for name in entries if entries[name] and not name.endswith((".pt", "version"))])
    if random.random() < 0.05:
        stored = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(result, "w", stored) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in entries.items():
            if name != chosen:
                archive.writestr(name, content)
            elif random.random() > 0.05:
                renamed = random.choice((text(random) or "x", random.choice([*entries])))
                archive.writestr(renamed if random.random() < 0.1 else name, member(name, content, random))
    return result.getvalue()


def _array(name: str, content: bytes, random: Random) -> bytes:
    kind = random.randrange(5)
    if kind == 0:
        return mutate_bytes(content, random)
    header = io.BytesIO(content)
    try:
        np.lib.format.read_magic(header)
        shape, order, dtype = np.lib.format.read_array_header_1_0(header)
    except ValueError:
        return mutate_bytes(content, random)
    data, described = content[header.tell() :], dtype.str
    if kind == 1:
        shape = tuple(number(random) for _ in range(random.randrange(6)))
    elif kind == 2:
        described = random.choice(_TYPES)
    elif kind == 3:
        shape = (*shape[:-1], number(random)) if shape else (number(random),)
    else:
        data = bytes(1 << 28 if random.random() < 0.02 else random.choice((0, 10**5)))
        shape = (len(data), *shape[1:])
    changed = io.BytesIO()
    np.lib.format.write_array_header_1_0(changed, {"descr": described, "fortran_order": order, "shape": shape})
    return changed.getvalue() + data


def _program_part(name: str, content: bytes, random: Random) -> bytes:
    return mutate_json(content, random) if name.endswith(".json") else mutate_bytes(content, random)
