"""Nothing that the package uses records or sends anything about its user."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import gdfq_export
from gdfq_export.artifacts import device_check
from tests.frontend.sources import networks

ROOT = Path(gdfq_export.__file__).parent.parent
RUN = """
import sys
from pathlib import Path
from gdfq_export.frontend.sources import load_model
from gdfq_export.runtimes import BACKENDS
load_model(sys.argv[1])
for name in sys.argv[2:]:
    BACKENDS[name].examine(Path(sys.argv[1]))
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    return home, temporary


def _traces(script: str, folders: tuple[Path, Path], *arguments: str) -> list[str]:
    home, temporary = folders
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return sorted(path.name for folder in folders for path in folder.rglob("*"))


def test_no_runtime_leaves_a_trace(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    names = ["onnxruntime", *(["openvino"] if importlib.util.find_spec("openvino") else [])]
    file = networks.saved(tmp_path)
    found = _traces(RUN, folders, str(file), *names)
    assert not {".ses", "Microsoft", "intel"} & set(found), found


@pytest.mark.parametrize("name", ["ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"])
def test_what_the_user_has_set_is_left(name: str, folders: tuple[Path, Path]) -> None:
    script = f"import os; os.environ[{name!r}] = '0'; import gdfq_export; assert os.environ[{name!r}] == '0'"
    assert _traces(script, folders) == []


def test_processes_inherit_it(folders: tuple[Path, Path]) -> None:
    child = "import os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    script = f"import gdfq_export, subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert _traces(script, folders) == []


def test_the_check_of_a_bundle_leaves_no_trace(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    """It runs where gdfq_export is not installed."""
    (tmp_path / "check.py").write_bytes(Path(device_check.__file__).read_bytes())
    file = networks.saved(tmp_path)
    script = "import sys; sys.path.insert(0, sys.argv[1]); import check; check.load(sys.argv[2], 1, '')\n"
    script += "assert 'gdfq_export' not in sys.modules"
    found = _traces(script, folders, str(tmp_path), str(file))
    assert not {".ses", "Microsoft"} & set(found), found
