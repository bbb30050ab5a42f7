"""The folder of a run: only the same run goes on from it, and nothing but a run's folder is touched."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gdfq_export.errors import InputError
from gdfq_export.support.checkpoints import run_folder
from gdfq_export.support.checkpoints.run_folder import RunFolder
from gdfq_export.support.interruption import SIGNALS, Interrupted, raise_on_signals

IDENTITY = {"network": "net (1f)", "seed": 0, "threads": 2, "budget": None}


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals raise; the process's own handlers are given back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    raise_on_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupted(path: Path) -> None:
    """Leave what a run leaves that was killed after its third step."""
    folder = RunFolder(path, IDENTITY)
    folder.of("fine-tune").keep({"step": 3})
    folder.close()


def test_the_same_run_goes_on(tmp_path: Path) -> None:
    interrupted(tmp_path / "run")
    folder = RunFolder(tmp_path / "run", dict(IDENTITY))
    assert folder.continued and folder.of("fine-tune").load() == {"step": 3}
    assert folder.of("calibrate").load() is None
    folder.leave()
    folder.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("seed", 1, "seed was 0 and is 1"),
        ("threads", 1, "threads was 2 and is 1"),
        ("budget", 60.0, "budget was None and is 60.0"),
        ("network", "x" * 200, "network differs"),
        ("CPU", "another", "CPU was None and is another"),
    ],
)
def test_another_run_is_refused_by_name_and_begins_anew_on_request(
    tmp_path: Path, name: str, value: object, said: str
) -> None:
    interrupted(tmp_path / "run")
    other = {**IDENTITY, name: value}
    with pytest.raises(InputError, match=rf"is of another run: {said}; .*--restart to begin anew"):
        RunFolder(tmp_path / "run", other)
    folder = RunFolder(tmp_path / "run", other, restart=True)
    assert not folder.continued and folder.of("fine-tune").load() is None
    folder.close()


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    first = RunFolder(tmp_path / "run", IDENTITY)
    with pytest.raises(InputError, match="another process works with the checkpoint"):
        RunFolder(tmp_path / "run", IDENTITY)
    first.close()


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"1")
    (tmp_path / "file").write_bytes(b"1")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="is no folder of checkpoints"):
            RunFolder(path, IDENTITY, restart=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "photo.png"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write the checkpoint .*--no-checkpoint"):
        RunFolder(tmp_path / "missing" / "run", IDENTITY)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99, "identity": {}}', '{"format": 1, "identity": 3}'])
def test_a_damaged_identity_is_refused(tmp_path: Path, text: str) -> None:
    interrupted(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"the checkpoint .*--restart to begin anew"):
        RunFolder(tmp_path / "run", IDENTITY)


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    interrupted(tmp_path / "run")
    (tmp_path / "run" / "fine-tune.safetensors.part").write_bytes(b"1")
    RunFolder(tmp_path / "run", IDENTITY).close()
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["fine-tune.safetensors", "lock", "run.json"]


def test_a_run_that_kept_nothing_leaves_nothing(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run", IDENTITY).close()
    assert list(tmp_path.iterdir()) == []


def test_seconds_of_earlier_parts_are_counted(tmp_path: Path) -> None:
    first = RunFolder(tmp_path / "run", IDENTITY)
    first.phases = lambda: {"fine-tune": 4.0}
    first.seconds_before = 100.0
    first.of("fine-tune").keep({})
    first.close()
    second = RunFolder(tmp_path / "run", IDENTITY)
    assert second.seconds_before >= 100.0 and second.phases_before == {"fine-tune": 4.0}
    second.close()


def test_states_of_steps_are_kept_where_enough_time_has_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path / "run", IDENTITY)
    checkpoint = folder.of("fine-tune")
    assert checkpoint.load() is None
    checkpoint.step(lambda: {"step": 1})
    assert checkpoint.kept() is None
    monkeypatch.setattr(run_folder, "_STEP_SECONDS", 0.0)
    monkeypatch.setattr(run_folder, "_COST", 0)
    checkpoint.step(lambda: {"step": 2})
    assert checkpoint.kept() == {"step": 2}
    checkpoint.finish(lambda: pytest.fail("it is there already"))
    folder.close()


@pytest.mark.signals
@pytest.mark.usefixtures("handlers")
def test_a_signal_waits_for_the_end_of_a_step_whose_state_is_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", IDENTITY)
    checkpoint = folder.of("fine-tune")
    checkpoint.load()
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        checkpoint.step(lambda: {"step": 5})
    assert caught.value.exit_code == 143 and checkpoint.kept() == {"step": 5}
    with pytest.raises(Interrupted):
        folder.leave()
    with pytest.raises(Interrupted):  # nothing is under way: at once
        signal.raise_signal(signal.SIGINT)
    folder.close()
