"""Signatures of bundles: who made these files, in the form of OpenSSF model-signing.

`model.sig` holds an in-toto statement with the SHA-256 of every other file of the folder, signed with a private key on
an elliptic curve (DSSE envelope in a Sigstore bundle). The package `model-signing` (extra `sign`) makes and checks it
offline, and its own command line checks it without this tool.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.support.files import sha256_file

SIGNATURE = "model.sig"
PASSWORD_VARIABLE = "GDFQ_EXPORT_SIGN_PASSWORD"
_LARGEST = 1 << 20  # bytes of a signature; one of a bundle has some 4,000
_KEY_FORM = "a PEM file on the curve P-256, P-384 or P-521, as openssl ecparam -name prime256v1 -genkey makes one"

_OTHER_FILES = "Signature mismatch", "Cannot use"  # how model-signing begins where the signature itself is good


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, read and found fit to sign with; `load_signer` makes one."""

    config: Any

    def sign(self, folder: Path, name: str) -> None:
        """Write model.sig into `folder`, for all files in it; `name` is what the statement calls the folder.

        model-signing takes that name from the path, so the files are linked into a folder that is called so.
        """
        files = sorted(folder.iterdir())
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            named = Path(beside) / name
            named.mkdir()
            for file in files:
                _link(file, named / file.name)
            self.config.sign(named, folder / SIGNATURE)


def load_signer(key: Path) -> Signer:
    """Read a private key; the password of an encrypted one is in the environment, in GDFQ_EXPORT_SIGN_PASSWORD.

    Raises:
        InputError: the file cannot be read, or is no private key that can sign.
        BackendUnavailable: model-signing is not installed.
    """
    signing, hashing = _package("signing"), _package("hashing")
    data, password = _read_key(key), os.environ.get(PASSWORD_VARIABLE)
    try:
        config = signing.Config().use_elliptic_key_signer(
            private_key=key, password=None if password is None else password.encode()
        )
    except Exception as error:  # cryptography raises its own, TypeError, ValueError and AttributeError
        what = f"{key} is no private key that a bundle can be signed with"
        if b"ENCRYPTED" in data:
            raise InputError(
                f"{what}: it is encrypted, and {PASSWORD_VARIABLE} in the environment is not its password"
            ) from error
        raise InputError(f"{what}; give {_KEY_FORM}") from error
    return Signer(config.set_hashing_config(hashing.Config().set_ignored_paths(paths=[SIGNATURE])))


def require_signed(folder: Path, key: Path) -> None:
    """Check that `folder` holds a signature by the private key that belongs to the public key `key`, of these files.

    Raises:
        InputError: the key cannot be used; or the folder is not signed, was signed by another key, or holds a file that
            was changed, added or removed since. Names the file.
        BackendUnavailable: model-signing is not installed.
    """
    verifying = _package("verifying")
    _read_key(key)
    folder, path = folder.resolve(), folder / SIGNATURE
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except Exception as error:  # cryptography raises its own, ValueError and AttributeError
        raise InputError(
            f"{key} is no public key of a signature; give a PEM file, as openssl ec -in KEY -pubout makes one"
        ) from error
    if not path.is_file() or path.is_symlink():
        raise InputError(
            f"{path} is missing: the bundle is not signed; copy it with its signature, write it again with --sign, or "
            "leave out --public-key"
        )
    signed = _signed_hashes(path)
    try:
        config.verify(folder, path)
    except Exception as error:  # cryptography's InvalidSignature has no text
        if str(error).startswith(_OTHER_FILES):
            _require_same_files(folder, signed)
        raise InputError(
            f"{path} was not made by the private key of {key}, or was changed; copy the whole bundle again, or give "
            "the public key of whoever signed it"
        ) from error


def _require_same_files(folder: Path, signed: dict[str, str]) -> None:
    """Name what differs from the signed statement, whose signature is good."""
    found = {file.name for file in folder.iterdir() if file.name != SIGNATURE}
    for name in sorted(found - signed.keys()):
        raise InputError(f"{folder / name} is not covered by {SIGNATURE} of the bundle; remove it, or sign again")
    for name, expected in sorted(signed.items()):
        file = folder / name
        if not file.is_file() or file.is_symlink():
            raise InputError(f"{file} was signed and is missing or no file; copy the whole bundle again")
        if sha256_file(file) != expected:
            raise InputError(f"{file} is not the file that was signed; copy the whole bundle again")


def _signed_hashes(path: Path) -> dict[str, str]:
    """SHA-256 by name of the files in the statement of a signature, in exactly one form."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"larger than {_LARGEST:,} bytes")
        envelope = json.loads(path.read_text(encoding="utf-8"))["dsseEnvelope"]
        payload, (signature,) = envelope["payload"], envelope["signatures"]
        for text in (payload, signature["sig"]):
            if base64.b64encode(base64.b64decode(text, validate=True)).decode() != text:
                raise ValueError("its base64 is not canonical")
        listed = json.loads(base64.b64decode(payload))["predicate"]["resources"]
        hashes = {str(each["name"]): str(each["digest"]) for each in listed}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no signature of a bundle or is damaged ({error}); copy it again") from error
    for name in hashes:
        if name != Path(name).name:
            raise InputError(f"{path} signs {name!r}, which is no file of a bundle; write and sign the bundle again")
    return hashes


def _read_key(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the key {key}: {error.strerror or error}; give {_KEY_FORM}") from error


def _package(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"model_signing.{module}")
    except ImportError as error:
        raise BackendUnavailable(
            f"signatures need model-signing, which is not installed ({error}); pip install 'gdfq-export[sign]'"
        ) from error


def _link(file: Path, place: Path) -> None:
    """Put `file` at `place`, without copying its bytes where the file system can."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)
