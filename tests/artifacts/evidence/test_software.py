"""The packages of a run are those that requirements name, with the versions that are installed."""

from __future__ import annotations

from importlib import metadata

from gdfq_export.artifacts.evidence.software import Package, installed_packages


def test_requirements_are_followed_and_extras_are_not() -> None:
    found = {package.name: package for package in installed_packages()}
    assert {"gdfq-export", "torch", "onnx", "numpy", "protobuf", "jinja2", "markupsafe"} <= set(found)
    assert found["torch"].version == metadata.version("torch")
    assert "pytest" not in found and "hypothesis" not in found  # of the extra dev
    assert "numpy" in found["gdfq-export"].requires


def test_what_is_not_installed_is_left_out_and_what_is_added_is_kept() -> None:
    names = [package.name for package in installed_packages("PyTest", "not-a-package-of-anybody")]
    assert "pytest" in names and "not-a-package-of-anybody" not in names
    assert names == sorted(names)


def test_a_local_version_is_escaped_in_the_package_url() -> None:
    assert Package("torch", "2.13.0+cpu", "", ()).url == "pkg:pypi/torch@2.13.0%2Bcpu"
