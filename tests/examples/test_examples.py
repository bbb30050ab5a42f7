"""The commands of the example pipelines are run as they stand in the YAML, on the demo network; so are the scripts.

Commands that two pipelines share are run once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from gdfq_export.frontend.demo.digits import held_out_digits
from gdfq_export.frontend.sources import load_model

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CONTENTS = {
    *("model.onnx", "float.onnx", "float.json", "calibration.npz", "check.py", "check.npz"),
    *("report.json", "report.html", "manifest.json", "README.md", "sbom.cdx.json", "provenance.json"),
}
NOT_RUN = ('python -m pip install "$GDFQ_EXPORT"',)  # this checkout stands for what it would install
VIEWS = ("verify.json", "verify.html", "verify.xml", "verify.md")

pytest.importorskip("sklearn", reason="the demo's digits come with scikit-learn")


def steps(job: dict[str, Any]) -> list[str]:
    """The shell commands of a GitHub or GitLab job, but for what installs the tool."""
    commands = job["script"] if "script" in job else [step["run"] for step in job["steps"] if "run" in step]
    return [command for command in commands if command not in NOT_RUN]


def jobs(file: str) -> dict[str, Any]:
    content = yaml.safe_load((EXAMPLES / file).read_text(encoding="utf-8"))
    return content.get("jobs", content)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One in which `gdfq-export` is the tool of this checkout."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "gdfq-export"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gdfq_export "$@"\n')
    command.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    summary = str(folder / "summary.md")
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "GITHUB_STEP_SUMMARY": summary,
    }


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pipelines expect in a repository: the demo as net.onnx with net.json, images.npz, recipe.yaml."""
    folder = tmp_path_factory.mktemp("repository")
    demo = load_model(None)
    (folder / "net.onnx").write_bytes(demo.original.SerializeToString())
    spec = demo.input_spec
    preprocess = {"scale": spec.scale, "mean": [*spec.mean], "std": [*spec.std]}
    (folder / "net.json").write_text(json.dumps({"input": [*spec.shape], "preprocess": preprocess}))
    images, labels = held_out_digits()
    np.savez(folder / "images.npz", images=images, labels=labels)
    shutil.copy(EXAMPLES / "recipe.yaml", folder)
    return folder


Run = Callable[[str], None]


@pytest.fixture(scope="session")
def run(repository: Path, environment: dict[str, str]) -> Run:
    """Runs a shell command in the repository, once in a session."""
    done: dict[str, subprocess.CompletedProcess[str]] = {}

    def once(command: str) -> None:
        key = " ".join(command.split())
        if key not in done:
            done[key] = subprocess.run(
                ["sh", "-ec", command], cwd=repository, env=environment, capture_output=True, text=True, timeout=3600
            )
        result = done[key]
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"

    return once


@pytest.mark.parametrize("file", ["github-actions.yml", "gitlab-ci.yml"])
def test_pipeline(file: str, repository: Path, run: Run) -> None:
    found = jobs(file)
    for job in ("quantize", "verify"):
        for command in steps(found[job]):
            run(command)
    assert {path.name for path in (repository / "bundle").iterdir()} == CONTENTS
    assert all((repository / name).stat().st_size > 100 for name in VIEWS)
    report = json.loads((repository / "verify.json").read_text(encoding="utf-8"))
    asked = yaml.safe_load((EXAMPLES / "recipe.yaml").read_text(encoding="utf-8"))["gates"]
    assert [gate["name"].replace("-", "_") for gate in report["gates"]] == [*asked]
    assert {gate["verdict"] for gate in report["gates"]} == {"passed"}
    assert len(ET.parse(repository / "verify.xml").getroot().findall(".//testcase")) == len(asked)


def test_github_shows_the_gates_beside_the_run(run: Run, environment: dict[str, str]) -> None:
    for job in jobs("github-actions.yml").values():
        for command in steps(job):
            run(command)
    assert "max-top1-drop-pp" in Path(environment["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")


def test_nothing_but_installing_is_left_out() -> None:
    assert jobs("gitlab-ci.yml")["default"]["before_script"] == [*NOT_RUN]
    for job in jobs("github-actions.yml").values():
        assert [step["run"] for step in job["steps"] if step.get("run") in NOT_RUN] == [*NOT_RUN]


def test_github_hands_on_what_it_wrote() -> None:
    made, checked = jobs("github-actions.yml")["quantize"], jobs("github-actions.yml")["verify"]
    sent = next(step["with"] for step in made["steps"] if "upload-artifact" in step.get("uses", ""))
    received = next(step["with"] for step in checked["steps"] if "download-artifact" in step.get("uses", ""))
    assert sent == received == {"name": "bundle", "path": "bundle"}
    assert checked["needs"] == "quantize"


def test_gitlab_shows_the_gates() -> None:
    found = jobs("gitlab-ci.yml")
    assert found["quantize"]["artifacts"]["paths"] == ["bundle"]
    assert found["verify"]["artifacts"]["reports"] == {"junit": "verify.xml"}
    assert f"--junit {found['verify']['artifacts']['reports']['junit']}" in steps(found["verify"])[0]


def test_edge(repository: Path, run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    run(steps(jobs("gitlab-ci.yml")["quantize"])[0])
    script = EXAMPLES / "edge" / "verify.sh"
    device = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 3600}
    passed = subprocess.run([script, repository / "bundle", "results"], **device)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"verify.json", "verify.xml", "verify.md"}

    shutil.copytree(repository / "bundle", tmp_path / "damaged")
    with (tmp_path / "damaged" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    refused = subprocess.run([script, "damaged", "results"], **device)
    assert refused.returncode == 2
    assert "is not the file that manifest.json was written for" in refused.stderr


def test_edge_image_holds_its_files() -> None:
    lines = (EXAMPLES / "edge" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[-2] for line in lines if line.startswith("COPY")]
    assert copied == ["verify.sh", "gates.yaml"]
    assert all((EXAMPLES / "edge" / name).is_file() for name in copied)
    assert os.access(EXAMPLES / "edge" / "verify.sh", os.X_OK)


def test_api(environment: dict[str, str], tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, EXAMPLES / "api.py", tmp_path, "paper/noise"],  # images in no time
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "max-top1-drop-pp: passed" in result.stdout
    report = json.loads((tmp_path / "verify.json").read_text(encoding="utf-8"))
    assert report["accuracy"]["images"] == 899
    assert (tmp_path / "q.onnx").is_file()
