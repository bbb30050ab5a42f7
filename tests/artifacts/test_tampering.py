"""Bundles that somebody changed, in every way that a seed draws: all are refused and a changed file is named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gdfq_export as gq
from gdfq_export.artifacts.manifest import MANIFEST, open_bundle, write_manifest
from gdfq_export.artifacts.signature import SIGNATURE, load_signer
from gdfq_export.errors import InputError
from tests.artifacts.checked_bundle import QUICK, edit_manifest
from tests.artifacts.signing_keys import KeyPair, new_keys

QUICKLY, LONG = 36, 1000
MOVED_QUICKLY, MOVED = 4, 100


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """Two signed bundles of different seeds, the key of both, and a key of somebody else."""

    bundle: Path
    other: Path
    keys: KeyPair
    stranger: KeyPair


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    keys, stranger = new_keys(folder), new_keys(folder, "stranger")
    for seed, name in enumerate(("bundle", "other")):
        gq.quantize(None, QUICK, run=gq.RunContext(seed=seed)).bundle(folder / name, sign=keys.private)
    return Made(folder / "bundle", folder / "other", keys, stranger)


Tamper = Callable[[Path, Made, np.random.Generator], set[str]]
"""Changes a bundle; the names of which the message must hold one."""


def flip_a_bit(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    file = _file(bundle, random)
    data = bytearray(file.read_bytes())
    data[random.integers(len(data))] ^= 1 << random.integers(8)
    file.write_bytes(data)
    return {file.name}


def cut_or_extend(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    file = _file(bundle, random)
    data = file.read_bytes()
    file.write_bytes(data[: random.integers(len(data))] if random.random() < 0.5 else data + random.bytes(8))
    return {file.name}


def swap_files(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    first, second = random.choice(sorted(bundle.iterdir()), 2, replace=False)
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    return {first.name, second.name}


def take_one_of_another_bundle(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    files = [file for file in sorted(bundle.iterdir()) if file.name != SIGNATURE]
    differing = [file for file in files if file.read_bytes() != _beside(file, made.other)]
    file = differing[random.integers(len(differing))]
    file.write_bytes(_beside(file, made.other))
    return {file.name, MANIFEST}


def remove_or_add(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    if random.random() < 0.5:
        (bundle / "model.plan").write_bytes(random.bytes(64))
        return {"model.plan"}
    file = _file(bundle, random)
    file.unlink()
    return {file.name}


def rewrite_with_fresh_hashes(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    """Change a file, and every hash of it, as somebody does who knows the format."""
    names = flip_a_bit(bundle, made, random) - {SIGNATURE}
    if not names:
        return {SIGNATURE}
    if MANIFEST in names:
        shutil.copy(made.bundle / MANIFEST, bundle)
    facts = json.loads((bundle / MANIFEST).read_text())
    write_manifest(bundle, {**facts, "seed": facts["seed"] + 1} if MANIFEST in names else facts)
    return {*names, MANIFEST}


def edit_the_manifest(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    def edit(facts: dict[str, object]) -> None:
        key = str(random.choice(sorted(set(facts) - {"manifest_sha256"})))
        if random.random() < 0.5:
            del facts[key]
        else:
            facts[key] = int(random.integers(100))

    edit_manifest(bundle, edit)
    return {MANIFEST}


def sign_with_another_key(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    """Change a file or none, bring all hashes in order, and sign again."""
    if random.random() < 0.5:
        (bundle / "report.html").write_bytes(random.bytes(64))
    write_manifest(bundle, json.loads((bundle / MANIFEST).read_text()))
    (bundle / SIGNATURE).unlink()
    load_signer(made.stranger.private).sign(bundle, "bundle")
    return {SIGNATURE}


def change_the_signature(bundle: Path, made: Made, random: np.random.Generator) -> set[str]:
    if random.random() < 0.5:
        (bundle / SIGNATURE).unlink()
    else:
        shutil.copy(made.other / SIGNATURE, bundle)
    return {file.name for file in bundle.iterdir()} | {SIGNATURE}


SEEN_WITHOUT_A_KEY: tuple[Tamper, ...] = (
    flip_a_bit,
    cut_or_extend,
    swap_files,
    take_one_of_another_bundle,
    remove_or_add,
)
ALL: tuple[Tamper, ...] = (
    *SEEN_WITHOUT_A_KEY,
    rewrite_with_fresh_hashes,
    edit_the_manifest,
    sign_with_another_key,
    change_the_signature,
)


def _file(bundle: Path, random: np.random.Generator) -> Path:
    files = sorted(bundle.iterdir())
    return files[random.integers(len(files))]


def _beside(file: Path, folder: Path) -> bytes:
    return (folder / file.name).read_bytes()


def tampered(made: Made, folder: Path, seed: int) -> None:
    """Tamper with a copy as the seed says, and see it refused."""
    random = np.random.default_rng(seed)
    bundle = Path(shutil.copytree(made.bundle, folder / f"tampered{seed}"))
    tamper = ALL[seed % len(ALL)]
    names = tamper(bundle, made, random)
    where = f"seed {seed}, {tamper.__name__}, {sorted(names)}"
    for key in (made.keys.public, None):
        if key is None and (tamper not in SEEN_WITHOUT_A_KEY or names <= {SIGNATURE, "notes.txt"}):
            continue
        try:
            open_bundle(bundle, public_key=key)
        except InputError as error:
            assert any(name in str(error) for name in names), f"{where}: {error}"
            assert len(str(error)) < 2000, where
        else:
            pytest.fail(f"{where}, with a key: {key is not None}: it was opened")
    shutil.rmtree(bundle)


def moved(made: Made, folder: Path, count: int) -> None:
    for index in range(count):
        place = folder / f"{index}" / ("bundle" if index % 2 else f"model {index}")
        shutil.copytree(made.bundle if index % 3 else made.other, place)
        open_bundle(place, public_key=made.keys.public)
        open_bundle(place / MANIFEST)
        shutil.rmtree(place)


def test_tampered_bundles_are_refused(made: Made, tmp_path: Path) -> None:
    for seed in range(QUICKLY):
        tampered(made, tmp_path, seed)


def test_good_bundles_may_be_moved(made: Made, tmp_path: Path) -> None:
    moved(made, tmp_path, MOVED_QUICKLY)


@pytest.mark.slow
def test_a_thousand_tampered_bundles_are_refused(made: Made, tmp_path: Path) -> None:
    for seed in range(LONG):
        tampered(made, tmp_path, seed)
    moved(made, tmp_path, MOVED)
