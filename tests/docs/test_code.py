"""The Python and the data of the pages: blocks are compiled, and run where they stand for themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from calib.synthetic_set import SyntheticSet
from gdfq_export.pipeline import synthesize
from gdfq_export.progress import SilentProgress
from gdfq_export.recipe import load_recipe
from gdfq_export.recipe.gates import load_gates
from gdfq_export.sources import load_model
from tests.docs.pages import PAGES, ROOT, Block, blocks, name_of

PYTHON = [block for page in PAGES for block in blocks(page, "python")]


def title(block: Block) -> str:
    return f"{name_of(block.page)}-{PYTHON.index(block)}"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo as net.onnx with net.json, and calib.npz with a few images for it."""
    folder = tmp_path_factory.mktemp("workplace")
    demo = load_model(None)
    (folder / "net.onnx").write_bytes(demo.original.SerializeToString())
    preprocess = {"scale": demo.input_spec.scale, "mean": [*demo.input_spec.mean], "std": [*demo.input_spec.std]}
    (folder / "net.json").write_text(json.dumps({"input": [*demo.input_spec.shape], "preprocess": preprocess}))
    images: SyntheticSet = synthesize(
        demo, load_recipe("paper/noise"), count=16, seed=0, device="cpu", progress=SilentProgress()
    )
    images.save(folder / "calib.npz")
    return folder


@pytest.mark.parametrize("block", PYTHON, ids=title)
def test_python_runs(block: Block, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    quick = block.text.replace('"w8a8-ort-cpu"', '"paper/noise"')  # seconds instead of half a minute
    exec(compile(quick, title(block), "exec"), {"__name__": "page"})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_json_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_is_a_recipe_or_gates(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        file = tmp_path / "block.yaml"
        file.write_text(block.text)
        content = yaml.safe_load(block.text)
        if "name" in content:
            load_recipe(str(file))
        if "gates" in content:
            load_gates(file)


def test_shipped_gates() -> None:
    assert load_gates(ROOT / "examples" / "recipe.yaml").limits()
    assert load_gates(ROOT / "examples" / "edge" / "gates.yaml").limits()
