"""The reader's folder, made once a session and fresh for each test."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.docs.stand_in import StandIn
from tests.docs.workplace import make_workplace


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sklearn", reason="the demo's digits come with scikit-learn")
    folder = tmp_path_factory.mktemp("workplace") / "here"
    folder.mkdir()
    make_workplace(folder)
    return folder


@pytest.fixture
def workplace(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `make_workplace`, which is the current one; pytorchcv gives the stand-in under every name."""
    folder = tmp_path / "here"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GDFQ_EXPORT_DATA", str(folder / "FOLDER"))
    if importlib.util.find_spec("pytorchcv") is not None:
        monkeypatch.setattr("pytorchcv.model_provider.get_model", lambda name, pretrained=False: StandIn())
    return folder
