"""A run that dies at any step of putting its outputs in place leaves all or none of them, once the next run begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gdfq_export.errors import InputError
from gdfq_export.support.files import commit as committing
from gdfq_export.support.files import require_replaceable_folder, require_writable, write_together
from gdfq_export.support.files.exchange import exchange

DIED = 77
STEPS = ("rename", "replace", "link", "unlink", "fsync")


def write(folder: Path, content: str) -> None:
    with write_together() as outputs:
        outputs.write({folder / "model.onnx": content, folder / "reports" / "report.json": content})
        part = outputs.folder(folder / "bundle", marker="manifest.json")
        (part / "manifest.json").write_text(content)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def expected(content: str) -> dict[str, str]:
    return dict.fromkeys(("bundle/manifest.json", "model.onnx", "reports/report.json"), content)


def killed_at(step: int, work: Callable[[], None], *, exchanges: bool) -> bool:
    """Whether a child process that does `work` reached `step`, at which it ends as if it were killed."""
    child = os.fork()
    if child == 0:
        left = step

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def counting(*args: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(DIED)
                return call(*args, **options)

            return counting

        os.fsync = lambda number: None  # type: ignore[assignment]  # the system does not go down
        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        committing.exchange = counted(exchange if exchanges else lambda one, other: False)  # type: ignore[assignment]
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "renames"])
@pytest.mark.parametrize("existing", [True, False], ids=["replaced", "new"])
def test_a_run_killed_at_any_step(tmp_path: Path, *, exchanges: bool, existing: bool) -> None:
    seen = set()
    for step in range(1000):
        folder = tmp_path / str(step)
        (folder / "reports").mkdir(parents=True)
        if existing:
            write(folder, "old")
        before = contents(folder)
        if not killed_at(step, lambda folder=folder: write(folder, "new"), exchanges=exchanges):  # type: ignore[misc]
            break
        if existing and exchanges:
            found = contents(folder)
            assert all(found[name] in ("old", "new") for name in expected("old"))
        for path in (folder / "model.onnx", folder / "reports" / "report.json", folder / "bundle"):
            require_writable(path) if path.suffix else require_replaceable_folder(path, "manifest.json")
        after = contents(folder)
        assert after in (before, expected("new")), step
        seen.add(len(after) and after["model.onnx"])
    assert contents(folder) == expected("new")
    assert step > 10 and len(seen) == 2


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "renames"])
def test_an_error_takes_back_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exchanges: bool) -> None:
    (tmp_path / "reports").mkdir()
    write(tmp_path, "old")
    if not exchanges:
        monkeypatch.setattr(committing, "exchange", lambda one, other: False)
    with (
        pytest.raises(InputError, match=r"bundle: .*; all outputs are as they were before"),
        write_together() as outputs,
    ):
        outputs.write({tmp_path / "model.onnx": "new", tmp_path / "reports" / "report.json": "new"})
        outputs.folder(tmp_path / "bundle", marker="manifest.json")
        (tmp_path / "bundle" / "manifest.json").unlink()
        (tmp_path / "bundle").rmdir()
        (tmp_path / "bundle").write_text("a file now")
    (tmp_path / "bundle").unlink()
    assert contents(tmp_path) == {name: "old" for name in expected("old") if "/m" not in name}


def test_a_record_of_strangers_renames_nothing(tmp_path: Path) -> None:
    """Neither names outside nor files that the record's run did not stage."""
    token = "0123456789ab"
    victim = tmp_path / "victim"
    victim.write_text("old")
    (tmp_path / f".victim.{token}.gdfq-part").write_text("planted")
    folder = tmp_path / "outputs"
    folder.mkdir()
    record = folder / f".gdfq-export-run.{token}.gdfq-commit"
    for text in ('{"moves": [["../victim", 1]]}', '{"first": "../nothing"}', "{", "[]", '{"moves": 3}', "\0"):
        record.write_text(text)
        require_writable(folder / "model.onnx")
        assert not record.exists() and victim.read_text() == "old"
