"""Load time of a file and peak memory of a process that runs it.

Memory is the peak resident set (`VmHWM` on Linux) of a fresh process that loads the file and runs one batch, minus that
of a process that only imports the runtime.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gdfq_export.runtimes.base import Backend
from gdfq_export.support.files import scratch_folder
from gdfq_export.support.not_measured import NotMeasured

_LOADS = 3
_SECONDS = 300

_CHILD = """
import sys; from pathlib import Path; import numpy as np
from gdfq_export.runtimes import BACKENDS
name, file, *shape = sys.argv[1:]
backend = BACKENDS[name]
backend.require()
if file:
    backend.load(Path(file), 1).run(np.zeros([int(size) for size in shape], np.float32))
status = Path('/proc/self/status')
lines = status.read_text().splitlines() if status.exists() else []
print(next((1024 * int(line.split()[1]) for line in lines if line.startswith('VmHWM')), ''))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResources:
    """`load_seconds` is the median of several loads; `peak_memory_bytes` of loading it and running one batch."""

    load_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Both files in one runtime, `batch` images a run, one thread."""

    runtime: str
    batch: int
    float_network: FileResources
    quantized: FileResources


def measure_resources(
    backend: Backend, float_model: bytes, quantized: bytes, shape: tuple[int, ...], batch: int
) -> Resources | NotMeasured:
    """Load both files, `shape` being (C, H, W) of an image.

    Raises:
        InputError: a file does not load.
    """
    with scratch_folder() as folder:
        files = [folder / name for name in ("float.onnx", "quantized.onnx")]
        for file, data in zip(files, (float_model, quantized), strict=True):
            file.write_bytes(data)
        seconds = [_load_seconds(backend, file) for file in files]
        peaks = []
        for chosen in (None, *files):
            peak = peak_memory_bytes(backend.name, chosen, (batch, *shape))
            if isinstance(peak, NotMeasured):
                return peak
            peaks.append(peak)
    used = [
        FileResources(load_seconds=taken, peak_memory_bytes=max(0, peak - peaks[0]))
        for taken, peak in zip(seconds, peaks[1:], strict=True)
    ]
    return Resources(runtime=backend.name, batch=batch, float_network=used[0], quantized=used[1])


def peak_memory_bytes(backend: str, file: Path | None, shape: tuple[int, ...]) -> int | NotMeasured:
    """Peak resident bytes of a process that runs one batch of `shape`, or without `file` only loads the runtime."""
    command = [sys.executable, "-c", _CHILD, backend, str(file or ""), *map(str, shape)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return NotMeasured(reason=f"the process whose memory was to be measured took more than {_SECONDS} seconds")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return NotMeasured(reason=f"the process whose memory was to be measured failed: {last}")
    if not done.stdout.strip():
        return NotMeasured(reason="this system does not tell a process's peak memory (VmHWM)")
    return int(done.stdout)


def _load_seconds(backend: Backend, file: Path) -> float:
    taken = []
    for _ in range(_LOADS):
        started = time.perf_counter()
        backend.load(file, 1)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
