"""A bundle: everything a pipeline keeps of one quantized network, in one folder whose names never change.

    model.onnx        the quantized file
    float.onnx        the float network, with float.json beside it, its preprocessing
    calibration.npz   the images it was tuned on, with the float network's answers
    model.plan        its engine, where the target's runtime runs engines and the package was there to build it
    timing.cache      the kernels that were measured for it, where that package measures any
    check.py          for ONNX Runtime: checks the bundle on a device that has numpy and onnxruntime alone
    check.npz         what it compares with: inputs before preprocessing, and the outputs where the bundle was made
    report.json       what was measured, report.html the same as a page
    README.md         a model card, made from the report
    sbom.cdx.json     bill of materials: the networks, the images and the packages that made the file (CycloneDX)
    provenance.json   how the file came to be: what was chosen, what of, with what (in-toto, SLSA)
    manifest.json     hashes of all of these, and what it takes to run it again
    model.sig         where a key was given: the signature of all of these (`signature.py`)

The manifest has sorted keys and no dates. What the same run makes byte for byte again stands under `files`: two
bundles are the same where that is, so that a registry can keep it by its hash. What differs from run to run stands
apart: an engine, under `engine` with what built it, since no build gives the same bytes twice; reports, which hold
timings, under `measurements`; card, bill of materials and provenance under `evidence`; and the files of `device_check`,
which holds timings and this machine's CPU. Where an engine was wanted and not built, `engine` holds `not_built`, the
reason; after `--target auto`, `target_choice` holds the times that decided, with the machine they were taken on.

A bundle is opened only if every file is as its hash says, no file of a bundle lies beside it unlisted,
`manifest_sha256` is the hash of the other entries, and what the manifest says agrees with the files (`bound_facts.py`).
Manifests of version 1, which older versions wrote, have no hash of their own and leave reports out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdfq_export.artifacts.bound_facts import require_bound
from gdfq_export.artifacts.device_check import manifest_sha256
from gdfq_export.artifacts.signature import SIGNATURE, require_signed
from gdfq_export.errors import InputError
from gdfq_export.support.files import parse_json, read_text, sha256_file, write_files

MANIFEST = "manifest.json"
NETWORKS = ("model.onnx", "float.onnx")
PRODUCTS = (*NETWORKS, "float.json", "calibration.npz")
ENGINE = ("model.plan", "timing.cache")
DEVICE_CHECK = ("check.py", "check.npz")
MEASUREMENTS = ("report.json", "report.html")
EVIDENCE = ("README.md", "sbom.cdx.json", "provenance.json")
_APART = {"engine": ENGINE, "device_check": DEVICE_CHECK}
_LISTS = {"files": PRODUCTS, **_APART, "measurements": MEASUREMENTS, "evidence": EVIDENCE}
_OLDEST, _VERSION = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose files are as its manifest says; `calibration` and `engine` are None where it holds none."""

    folder: Path
    facts: Mapping[str, Any]

    def unchecked(self, public_key: Path | None) -> tuple[str, ...]:
        """What was not checked when it was opened with or without a public key, as sentences for the user."""
        warnings = []
        if public_key is None and (self.folder / SIGNATURE).is_file():
            warnings.append(f"{self.folder} is signed, by whom was not checked; give --public-key")
        if self.facts["manifest_version"] == _OLDEST:
            warnings.append(
                f"{self.folder} was written by an older version, whose manifest leaves reports and itself unchecked; "
                "write the bundle again"
            )
        return tuple(warnings)

    @property
    def model(self) -> Path:
        """The quantized file."""
        return self.folder / "model.onnx"

    @property
    def float_network(self) -> Path:
        """The float network."""
        return self.folder / "float.onnx"

    @property
    def calibration(self) -> Path | None:
        """The images it was tuned on."""
        return self.folder / "calibration.npz" if "calibration.npz" in self.facts["files"] else None

    @property
    def engine(self) -> Path | None:
        """The engine that was built of the quantized file."""
        return self.folder / "model.plan" if "model.plan" in _files_of(self.facts, "engine") else None


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write manifest.json for the files of a bundle that are in `folder`; `facts` say how they came to be."""
    apart = {key: (facts.get(key), _listed(folder, names)) for key, names in _APART.items()}
    body = {
        **facts,
        **{key: {**(said or {}), "files": listed} for key, (said, listed) in apart.items() if said or listed},
        "manifest_version": _VERSION,
        "files": _listed(folder, PRODUCTS),
        "measurements": _listed(folder, MEASUREMENTS),
        "evidence": _listed(folder, EVIDENCE),
    }
    path = folder / MANIFEST
    write_files({path: json.dumps({**body, "manifest_sha256": manifest_sha256(body)}, indent=2, sort_keys=True) + "\n"})
    return path


def open_bundle(path: Path, *, public_key: Path | None = None) -> Bundle:
    """Read a manifest and compare every file of the bundle with its hash, and what it says with the files.

    Args:
        path: a bundle's folder or its manifest.
        public_key: PEM file; the bundle must be signed by the private key that belongs to it.

    Raises:
        InputError: it is no manifest, was changed, or a file is missing, changed, or not the one the manifest was
            written for; with a key, the bundle is not signed, or by another key.
        BackendUnavailable: a key was given, and model-signing is not installed.
    """
    path = path / MANIFEST if path.is_dir() else path
    if public_key is not None:
        require_signed(path.parent, public_key)
    facts = _read(path)
    listed = {key: _files_of(facts, key) for key in _LISTS}
    if strangers := sorted(name for key, group in listed.items() for name in group if name not in _LISTS[key]):
        raise InputError(f"{path} lists {strangers[0]!r}, which is no file of a bundle; write the bundle again")
    bound = facts["manifest_version"] > _OLDEST
    for key, group in listed.items():
        for name, stated in group.items():
            if bound or key != "measurements":
                _require_unchanged(path, name, stated)
    if bound:
        _require_all_listed(path, {name for group in listed.values() for name in group})
    require_bound(path, facts)
    return Bundle(folder=path.parent, facts=facts)


def _read(path: Path) -> dict[str, Any]:
    """The manifest, of a version that is known, unchanged, with the files that every bundle has."""
    text = read_text(path, str(path), "give the manifest.json of a bundle")
    try:
        facts = parse_json(text)
    except ValueError as error:
        raise InputError(f"{path} is no JSON or is cut short ({error}); copy the bundle again") from error
    version = facts.get("manifest_version") if isinstance(facts, dict) else None
    if version is None:
        raise InputError(f"{path} is no manifest of a bundle; give its {MANIFEST}")
    if isinstance(version, bool) or version not in range(_OLDEST, _VERSION + 1):
        raise InputError(
            f"{path} has manifest_version {version!r}; this version of the tool reads {_OLDEST} to {_VERSION}"
        )
    files, needed = facts.get("files"), NETWORKS if version == _OLDEST else (*NETWORKS, "float.json")
    if not isinstance(files, dict) or not {*needed} <= files.keys():
        raise InputError(f"{path} does not list {' and '.join(needed)} under files; write the bundle again")
    if version > _OLDEST and facts.get("manifest_sha256") != manifest_sha256(facts):
        raise InputError(
            f"{path} was changed since it was written: its manifest_sha256 is not that of its other entries; copy the "
            "whole bundle again, or write a new one"
        )
    return dict(facts)


def _require_all_listed(manifest: Path, listed: set[str]) -> None:
    """Refuse files that are read by their name in a bundle but have no hash."""
    for name in sorted(name for names in _LISTS.values() for name in names if name not in listed):
        if os.path.lexists(manifest.parent / name):
            raise InputError(
                f"{manifest.parent / name} is not listed in {manifest.name}, and a bundle's file of that name would be "
                "read; remove it, or copy the whole bundle again"
            )


def _files_of(facts: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """What a section of a manifest lists: hashes by the names of files."""
    stated = facts.get(section)
    if section in _APART and isinstance(stated, dict):
        stated = stated.get("files")
    return stated if isinstance(stated, dict) else {}


def _require_unchanged(manifest: Path, name: str, stated: Any) -> None:
    file = manifest.parent / name
    if not file.is_file():
        raise InputError(f"{manifest} lists {name}, which is not beside it; copy the whole bundle")
    expected = stated.get("sha256") if isinstance(stated, dict) else None
    found = sha256_file(file)
    if found != expected:
        size = (
            f", {file.stat().st_size:,} bytes where it states {stated['bytes']:,}"
            if _has_other_size(file, stated)
            else ""
        )
        raise InputError(
            f"{file} is not the file that {manifest.name} was written for (SHA-256 {found[:12]}... where it states "
            f"{str(expected)[:12]}...{size}); copy the whole bundle again, or write a new one"
        )


def _has_other_size(file: Path, stated: Any) -> bool:
    return isinstance(stated, dict) and isinstance(stated.get("bytes"), int) and stated["bytes"] != file.stat().st_size


def _listed(folder: Path, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    there = [folder / name for name in names if (folder / name).is_file()]
    return {file.name: {"bytes": file.stat().st_size, "sha256": sha256_file(file)} for file in there}
