"""`quantize --sign` and `verify --public-key`: what a signature lets through, and what is asked for together."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import gdfq_export as gq
from gdfq_export.artifacts.signature import SIGNATURE
from gdfq_export.cli.main import cli
from gdfq_export.recipe import recipe_to_yaml
from tests.artifacts.checked_bundle import QUICK
from tests.artifacts.signing_keys import KeyPair, new_keys


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return new_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "quick.yaml").write_text(recipe_to_yaml(QUICK))
    words = ("--recipe", folder / "quick.yaml", "--bundle", folder / "bundle", "--sign", keys.private)
    result = run("quantize", *words)
    assert result.exit_code == 0, result.output
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    return folder / "bundle"


def verify(bundle: Path, *options: object) -> Result:
    return run("verify", "--manifest", bundle / "manifest.json", "--latency-seconds", 0, *options)


def test_what_was_signed_is_verified_and_a_warning_says_where_it_was_not(bundle: Path, keys: KeyPair) -> None:
    assert (bundle / SIGNATURE).is_file()
    result = verify(bundle, "--public-key", keys.public)
    assert result.exit_code == 0 and "signed" not in result.stderr
    result = verify(bundle)
    assert result.exit_code == 0 and "is signed, by whom was not checked; give --public-key" in result.stderr


def test_another_key_and_a_changed_file_are_refused(bundle: Path, keys: KeyPair, tmp_path: Path) -> None:
    result = verify(bundle, "--public-key", new_keys(tmp_path, "other").public)
    assert result.exit_code == 2 and f"{SIGNATURE} was not made by the private key" in result.stderr
    page = (bundle / "report.html").read_text()
    (bundle / "report.html").write_text("better figures")
    result = verify(bundle, "--public-key", keys.public)
    (bundle / "report.html").write_text(page)
    assert result.exit_code == 2 and "report.html is not the file that was signed" in result.stderr


def test_what_belongs_together_is_asked_for(keys: KeyPair, tmp_path: Path) -> None:
    assert "--sign signs a bundle; give --bundle" in run("quantize", "--sign", keys.private, "--dry-run").stderr
    (tmp_path / "q.onnx").touch()
    result = run("verify", tmp_path / "q.onnx", "--reference", tmp_path / "q.onnx", "--public-key", keys.public)
    assert result.exit_code == 2 and "--public-key checks who signed a bundle; give --manifest" in result.stderr
    with pytest.raises(gq.GdfqExportError, match="is no bundle, and only bundles are signed"):
        gq.verify(tmp_path / "q.onnx", options=gq.VerifyOptions(public_key=keys.public))


def test_a_key_that_cannot_sign_is_refused_before_any_work(keys: KeyPair, tmp_path: Path) -> None:
    result = run("quantize", "--bundle", tmp_path / "bundle", "--sign", keys.public)
    assert result.exit_code == 2 and "is no private key that a bundle can be signed with" in result.stderr
    assert "Quantizing" not in result.stderr and not (tmp_path / "bundle").exists()
