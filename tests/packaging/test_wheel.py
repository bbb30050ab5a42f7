"""What is published: the wheel alone, in an environment of its own, does what a user does first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from gdfq_export import __version__

ROOT = Path(__file__).parents[2]

pytest.importorskip("hatchling", reason="hatchling builds the wheel")


def run(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> str:
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, and the wheel that is built from it, as an installer would."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out, cwd=ROOT)
    with tarfile.open(next(out.glob("*.tar.gz"))) as archive:
        archive.extractall(out / "source", filter="data")
    (source,) = (out / "source").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=source)
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts' folder of an environment with the wheel, its dependencies those of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")) + "\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    """Without this checkout on any path."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**inherited, "PATH": f"{installed}{os.pathsep}{inherited['PATH']}", "OMP_NUM_THREADS": "1"}


def test_the_wheel_installs_two_packages(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0] for name in names} == {
        "calib",
        "gdfq_export",
        f"gdfq_export-{__version__}.dist-info",
    }
    recipes = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recipes").rglob("*.yaml")}
    assert recipes == {name.removeprefix("gdfq_export/") for name in names if name.endswith(".yaml")}
    assert {"calib/py.typed", "gdfq_export/py.typed"} <= {*names}


def test_it_is_imported_from_where_it_was_installed(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    code = (
        "import importlib.util as u; "
        "print(u.find_spec('gdfq_export').origin, u.find_spec('calib').origin, u.find_spec('recipes'))"
    )
    package, calib, recipes = run("python", "-c", code, cwd=tmp_path, environment=environment).split()
    assert Path(package).is_relative_to(installed.parent) and Path(calib).is_relative_to(installed.parent)
    assert recipes == "None"


def test_first_commands(environment: dict[str, str], tmp_path: Path) -> None:
    assert __version__ in run("gdfq-export", "--version", cwd=tmp_path, environment=environment)
    listed = run("gdfq-export", "recipes", "list", cwd=tmp_path, environment=environment)
    assert "w8a8-ort-cpu" in listed and "paper/gdfq" in listed
    command = ("gdfq-export", "quantize", "--onnx-out", "q.onnx", "--recipe", "paper/noise")  # images in no time
    run(*command, cwd=tmp_path, environment=environment)
    assert (tmp_path / "q.onnx").stat().st_size > 10_000


def test_every_extra_can_be_pinned() -> None:
    """What constraints.txt does not pin would be whatever was released last."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    extras = (needed for needs in project["optional-dependencies"].values() for needed in needs)
    names = {re.split(r"[\[=>]", needed)[0].lower().replace("_", "-") for needed in extras}
    assert names - pinned == {"tensorrt"}  # of NVIDIA's own index, and as large as the machine's CUDA
    assert {needed.split(">=")[0].lower().replace("_", "-") for needed in project["dependencies"]} <= pinned
