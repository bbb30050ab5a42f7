"""States go through a file unchanged; a damaged file is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gdfq_export.errors import InputError
from gdfq_export.support.checkpoints.state_file import read_facts, read_state, write_state

REMEDY = "give --restart"


def written(folder: Path) -> Path:
    path = folder / "part.safetensors"
    write_state(path, {"images": torch.rand(2, 3), "step": 3}, {"seconds": 1.5})
    return path


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    image = torch.rand(2, 3, 4, 5)
    state = {
        "step": 7,
        "rate": 0.1 + 0.2,
        "best": float("inf"),
        "names": ["a", None, True],
        "betas": (0.5, 0.999),
        "state": {0: {"step": torch.tensor(3.0)}, 1: {}},
        "random": torch.Generator().manual_seed(4).get_state(),
        "image": image,
        "same image": image,
        "last channels": image.to(memory_format=torch.channels_last),
        "part": image[:, 1],
        "turned": image.permute(3, 1, 0, 2),
        "empty": torch.zeros(0, 2),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    path = tmp_path / "state.safetensors"
    write_state(path, state, {})
    found = read_state(path, REMEDY)
    assert list(found) == list(state)
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(found[name], value) and found[name].dtype == value.dtype
            assert not found[name].requires_grad
        elif name != "state":
            assert found[name] == value and type(found[name]) is type(value)
    assert found["state"][0]["step"] == 3.0 and list(found["state"]) == [0, 1]
    assert found["last channels"].stride() == state["last channels"].stride()
    assert found["turned"].stride() == state["turned"].stride()
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_facts_are_read_without_the_state(tmp_path: Path) -> None:
    assert read_facts(written(tmp_path), REMEDY) == {"seconds": 1.5}


@pytest.mark.parametrize("length", [0, 4, 40, -1])
def test_a_file_that_is_cut_short_is_refused_by_name(tmp_path: Path, length: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    for read in (read_state, read_facts):
        with pytest.raises(InputError, match=r"part\.safetensors is damaged .*give --restart"):
            read(path, REMEDY)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({"w": torch.ones(2)}, path)
    with pytest.raises(InputError, match="is damaged"):
        read_state(path, REMEDY)


def test_what_has_no_form_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a state holds a set"):
        write_state(tmp_path / "state.safetensors", {"names": {"a"}}, {})
    assert list(tmp_path.iterdir()) == []
