"""A signature says who made a folder's files: any other folder, key or file is refused by name."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gdfq_export.artifacts import signature
from gdfq_export.artifacts.signature import PASSWORD_VARIABLE, SIGNATURE, load_signer, require_signed
from gdfq_export.errors import BackendUnavailable, InputError
from tests.artifacts.signing_keys import KeyPair, new_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return new_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def signed(tmp_path: Path, keys: KeyPair) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    for name in ("model.onnx", "manifest.json"):
        (folder / name).write_text(name)
    load_signer(keys.private).sign(folder, "bundle")
    return folder


def refusal(folder: Path, keys: KeyPair) -> str:
    with pytest.raises(InputError) as caught:
        require_signed(folder, keys.public)
    return str(caught.value)


def test_a_signed_folder_may_be_moved_and_renamed(signed: Path, keys: KeyPair, tmp_path: Path) -> None:
    require_signed(signed, keys.public)
    moved = shutil.copytree(signed, tmp_path / "elsewhere" / "other")
    require_signed(moved, keys.public)
    (tmp_path / "link").symlink_to(moved)
    require_signed(tmp_path / "link", keys.public)
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "link", "staged"]


def test_the_statement_names_the_bundle(signed: Path) -> None:
    payload = json.loads((signed / SIGNATURE).read_text())["dsseEnvelope"]["payload"]
    assert json.loads(base64.b64decode(payload))["subject"][0]["name"] == "bundle"


def test_a_changed_signature_is_named_rather_than_a_file(signed: Path, keys: KeyPair) -> None:
    text = (signed / SIGNATURE).read_text()
    body = json.loads(text)
    payload = base64.b64decode(body["dsseEnvelope"]["payload"]).replace(b"model.onnx", b"model.only")
    body["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    (signed / SIGNATURE).write_text(json.dumps(body))
    assert f"{SIGNATURE} was not made by the private key of" in refusal(signed, keys)


def test_what_git_keeps_beside_a_bundle_is_no_part_of_it(signed: Path, keys: KeyPair) -> None:
    (signed / ".gitattributes").write_text("*.onnx filter=lfs")
    require_signed(signed, keys.public)


def test_other_tools_check_it(signed: Path, keys: KeyPair) -> None:
    """The command line of model-signing itself."""
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(signed), "--signature"]
    command += [str(signed / SIGNATURE), "--public_key", str(keys.public)]
    assert subprocess.run(command, capture_output=True, timeout=300).returncode == 0
    (signed / "model.onnx").write_text("other")
    assert subprocess.run(command, capture_output=True, timeout=300).returncode != 0


def test_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    assert f"{SIGNATURE} was not made by the private key of" in refusal(signed, new_keys(tmp_path, "other"))


def test_what_is_not_signed_is_refused(signed: Path, keys: KeyPair) -> None:
    (signed / SIGNATURE).unlink()
    assert f"{SIGNATURE} is missing: the bundle is not signed" in refusal(signed, keys)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_changed_a_missing_and_an_added_file_are_named(signed: Path, keys: KeyPair, name: str) -> None:
    (signed / "added").write_text("")
    assert "added is not covered by model.sig" in refusal(signed, keys)
    (signed / "added").unlink()
    (signed / name).write_text("other")
    assert f"{name} is not the file that was signed" in refusal(signed, keys)
    (signed / name).unlink()
    assert f"{name} was signed and is missing" in refusal(signed, keys)
    (signed / name).symlink_to("/etc/passwd")
    assert f"{name} was signed and is missing or no file" in refusal(signed, keys)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"dsseEnvelope": {}}', "[" * 10**5, "x" * 2**21, '{"dsseEnvelope": {"payload": 1}}'],
    ids=["empty", "cut", "list", "no payload", "deep", "large", "number"],
)
def test_what_is_no_signature_is_refused(signed: Path, keys: KeyPair, text: str) -> None:
    (signed / SIGNATURE).write_text(text)
    assert f"{SIGNATURE} is no signature of a bundle or is damaged" in refusal(signed, keys)


def test_no_other_form_of_a_signature_is_taken(signed: Path, keys: KeyPair) -> None:
    text = (signed / SIGNATURE).read_text()
    envelope = json.loads(text)["dsseEnvelope"]
    (signed / SIGNATURE).write_text(text.replace(envelope["payload"], f"-{envelope['payload']}"))
    assert "is damaged" in refusal(signed, keys)
    (signed / SIGNATURE).write_text(text.replace('"sig":', '"signature":'))
    assert "is damaged" in refusal(signed, keys)


def test_a_statement_of_files_elsewhere_is_refused(signed: Path, keys: KeyPair) -> None:
    body = json.loads((signed / SIGNATURE).read_text())
    listed = {"predicate": {"resources": [{"name": "../secret", "digest": "00"}]}}
    body["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(listed).encode()).decode()
    (signed / SIGNATURE).write_text(json.dumps(body))
    assert "signs '../secret'" in refusal(signed, keys)


def test_keys_that_cannot_be_used_are_refused(tmp_path: Path, signed: Path, keys: KeyPair) -> None:
    (tmp_path / "text").write_text("no key")
    for key, words in ((tmp_path / "text", "no private key"), (keys.public, "no private key"), (tmp_path, "cannot")):
        with pytest.raises(InputError, match=words):
            load_signer(key)
    with pytest.raises(InputError, match="no public key"):
        require_signed(signed, keys.private)


def test_a_key_on_no_elliptic_curve_is_refused(tmp_path: Path, keys: KeyPair) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "ed.pem").write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(*form))
    with pytest.raises(InputError, match="no private key that a bundle can be signed with; give a PEM file on"):
        load_signer(tmp_path / "ed.pem")


def test_the_password_of_an_encrypted_key_is_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = new_keys(tmp_path, password=b"secret")
    with pytest.raises(InputError, match=f"encrypted, and {PASSWORD_VARIABLE}"):
        load_signer(pair.private)
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    (tmp_path / "folder").mkdir()
    load_signer(pair.private).sign(tmp_path / "folder", "folder")
    require_signed(tmp_path / "folder", pair.public)


def test_where_links_are_not_possible_files_are_copied(
    tmp_path: Path, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(signature.os, "link", refuse)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.onnx").write_text("model")
    load_signer(keys.private).sign(tmp_path / "folder", "folder")
    require_signed(tmp_path / "folder", keys.public)


def test_without_the_extra_both_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("signing", "verifying"):
        monkeypatch.setitem(sys.modules, f"model_signing.{module}", None)
    for act in (lambda: load_signer(tmp_path / "key"), lambda: require_signed(tmp_path, tmp_path / "key")):
        with pytest.raises(BackendUnavailable, match=r"pip install 'gdfq-export\[sign\]'"):
            act()
