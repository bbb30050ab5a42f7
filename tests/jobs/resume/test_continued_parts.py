"""A run within a run leaves the checkpoints and the processes of the whole as they were."""

from __future__ import annotations

from pathlib import Path

from calib.parallel.processes import Processes
from gdfq_export.jobs.resume.continued import continued
from gdfq_export.jobs.run_context import RunContext


def test_the_whole_goes_on_after_a_part(tmp_path: Path) -> None:
    whole = RunContext(checkpoint=tmp_path / "kept", processes=Processes())
    with continued(whole, {"command": "compare"}):
        kept = whole.progress.checkpoints
        with continued(RunContext(progress=whole.progress), {"command": "quantize"}):
            pass
        assert whole.progress.checkpoints is kept and whole.progress.processes is whole.processes
    assert whole.progress.checkpoints is not kept
