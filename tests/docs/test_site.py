"""The site builds without a warning: navigation, links, anchors, reference pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import calib
import gdfq_export

ROOT = Path(__file__).parents[2]

pytest.importorskip("mkdocstrings", reason="mkdocs and mkdocstrings build the site")


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "site" / "recipes.html").read_text(encoding="utf-8")
    assert 'href="recipes/README.html"' in page or 'href="recipes/index.html"' in page
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "site" / "reference").glob("*.html")]
    public = {f"gdfq_export.{name}" for name in gdfq_export.__all__} - {"gdfq_export.__version__"}
    public |= {f"calib.{name}" for name in calib.__all__}
    assert {name for name in public if not any(f'id="{name}"' in page for page in pages)} == set()
