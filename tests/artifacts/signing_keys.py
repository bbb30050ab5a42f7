"""Key pairs to sign bundles with in tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM files of a private key and of its public key."""

    private: Path
    public: Path


def new_keys(folder: Path, name: str = "key", *, password: bytes | None = None) -> KeyPair:
    """A key pair on P-256; the test is skipped where the packages of the extra sign are missing."""
    pytest.importorskip("model_signing", reason="needs the extra sign")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.pub")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pair.private.write_bytes(key.private_bytes(pem, pkcs8, encryption))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    pair.public.write_bytes(key.public_key().public_bytes(pem, spki))
    return pair
