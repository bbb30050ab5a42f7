"""A run that is killed while its outputs are staged."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import gdfq_export

ROOT = Path(gdfq_export.__file__).parent.parent
KILLED = """
import os, signal, sys
from pathlib import Path
from gdfq_export.support.files import scratch_folder, write_together
with scratch_folder() as scratch, write_together() as outputs:
    (scratch / "big").write_text("x")
    outputs.write({Path(sys.argv[1]) / "model.onnx": "half"})
    (outputs.folder(Path(sys.argv[1]) / "bundle", marker="mark") / "mark").touch()
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


def killed_run(folder: Path, number: str = "SIGKILL") -> None:
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": tempfile.gettempdir()}
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), number], env=environment, check=False)
    assert done.returncode < 0
