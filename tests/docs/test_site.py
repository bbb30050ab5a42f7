"""The site builds without a warning: navigation, links, anchors, reference pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("mkdocstrings", reason="mkdocs and mkdocstrings build the site")


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "site" / "recipes.html").read_text(encoding="utf-8")
    assert 'href="recipes/README.html"' in page or 'href="recipes/index.html"' in page
    assert "RangeEstimator" in (tmp_path / "site" / "reference" / "calib.html").read_text(encoding="utf-8")
