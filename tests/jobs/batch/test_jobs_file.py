"""jobs.yaml: the grid that it stands for, and what is said of its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdfq_export.errors import InputError
from gdfq_export.jobs.batch.jobs_file import read_jobs

GRID = """
networks:
  - demo
  - model: missing.onnx
    name: absent
    gates: {max-size-ratio: 0.2}
recipes: [w8a8, w4a8]
targets: [ort-cpu, openvino]
seeds: [0, 7]
gates: {max-size-ratio: 0.5, require_parity: true}
"""


def test_a_grid(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(GRID)
    jobs = read_jobs(tmp_path / "jobs.yaml")
    assert [job.name for job in jobs[:4]] == [
        "demo, w8a8-ort-cpu, ort-cpu, seed 0",
        "demo, w8a8-ort-cpu, ort-cpu, seed 7",
        "demo, w8a8-ort-cpu, openvino, seed 0",
        "demo, w8a8-ort-cpu, openvino, seed 7",
    ]
    assert len(jobs) == 16 == len({job.sha256 for job in jobs})
    assert jobs[0].gates == {"max-size-ratio": 0.5, "require-parity": True}
    assert jobs[-1].network_name == "absent" and jobs[-1].gates["max-size-ratio"] == 0.2
    assert jobs[0].refused is None and "missing.onnx does not exist" in (jobs[-1].refused or "")


def test_what_is_named_twice_is_run_once(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("networks: [demo]\nrecipes: [w8a8, w8a8-ort-cpu]\nseeds: [1, 1]\n")
    assert len(read_jobs(tmp_path / "jobs.yaml")) == 1


def test_recipes_and_images_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    (tmp_path / "images.npz").write_bytes(b"")
    (tmp_path / "jobs.yaml").write_text("networks: [demo]\nrecipes: [mine.yaml]\ndata: images.npz\n")
    (job,) = read_jobs(tmp_path / "jobs.yaml")
    assert job.recipe.name == "mine" and job.data == str(tmp_path / "images.npz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no keys; it needs a list networks"),
        ("networks: []", "networks is []"),
        ("recipes: [w8a8]", "the key networks is missing; give it a list of mappings with keys among model, name"),
        ("networks: [{model: demo, seed: 1}]", "unknown key networks.0.seed; accepted here: model, name"),
        ("networks: [{name: x}]", "the key networks.0.model is missing; give it a text"),
        ("networks: [demo]\nseeds: [-1]", "seeds.0 is -1; give it a list of integers"),
        ("networks: [demo]\nrecipe: w8a8", "unknown key recipe (did you mean recipes?)"),
        ("networks: [demo]\nrecipes: [w9]", "no recipe is named 'w9'"),
        ("networks: [demo]\ntargets: [gpu]", "gpu"),
        ("networks: [demo]\ngates: {max-size: 1}", "unknown key gates.max_size"),
        ("networks: [demo]\ndata: no.npz", "no.npz does not exist"),
        ("networks: [demo, demo]", "2 networks are called demo; give each a name of its own"),
        ("networks: [demo", "not valid YAML at line"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_jobs(file)
    assert words in str(caught.value) and "jobs.yaml" in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a YAML file with a list of networks"):
        read_jobs(tmp_path / "jobs.yaml")
