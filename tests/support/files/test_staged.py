from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
ENTERED = """
import atexit, ctypes, os, sys
from pathlib import Path
from gdfq_export.support.files.staged import staged
kept = [staged(Path(sys.argv[1]) / "net.onnx", folder=folder) for folder in (False, True)]
for each in kept:
    each.__enter__()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))  # as a traceback keeps it
if not os.fork():
    atexit._run_exitfuncs()  # a fork owns nothing
    os._exit(0)
os.wait()
print(len(os.listdir(sys.argv[1])))
"""


def test_nothing_stays_where_a_block_was_entered_and_a_signal_kept_it_from_being_left(tmp_path: Path) -> None:
    """As between the two steps of `ExitStack.enter_context`, the second of which sees to it that the block is left."""
    done = subprocess.run(
        [sys.executable, "-c", ENTERED, str(tmp_path)],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["2"]
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_is_left_while_the_interpreter_ends_says_nothing(tmp_path: Path) -> None:
    """Python has taken its signal handlers away by then."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom gdfq_export.support.files.staged import staged\n"
        "kept = staged(Path(sys.argv[1]) / 'net.onnx')\nkept.__enter__()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
