"""Check a bundle on the device that runs it: does it compute the same bits as where it was made, and how fast?

    python check.py [BUNDLE] [--max-p99-ms MS] [--inputs FILE.npy] [--threads N] [--seconds S]

A copy of this file, check.py, is in every bundle for ONNX Runtime. It needs Python 3.8 or newer, numpy and onnxruntime,
and of the bundle manifest.json, model.onnx and check.npz. Exit codes: 0 the same bits; 1 other bits, another
preprocessing, or runs slower than --max-p99-ms; 2 a file is missing, damaged, or not the one that the manifest was
written for; 3 numpy or onnxruntime is missing, or does not load the file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read while onnxruntime is imported
MISSING = ""
try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    MISSING = str(error)

NEEDED = ("model.onnx", "check.npz")
FLAGS = ("avx2", "avx_vnni", "avx512_vnni", "asimddp", "i8mm")
CLOSE = 0.01  # of the norm, for outputs of files with layers that the runtime computes in float


class Stop(Exception):
    """Ends the check; its arguments are the exit code and one sentence."""


class Row(NamedTuple):
    """One line of the table: what is compared, here and in the bundle; a failed one decides the exit code."""

    cells: tuple[str, str, str]
    verdict: str = ""
    failed: bool = False


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--max-p99-ms", type=float, help="exit with 1 where the 99th percentile of the runs is above")
    parser.add_argument("--inputs", type=Path, help="an .npy file: `input` of check.npz as your own code prepares it")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: 1)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long runs are timed (default: 2)")
    try:
        rows = check(parser.parse_args(arguments))
    except Stop as stop:
        print(f"Error: {stop.args[1]}", file=sys.stderr)
        return int(stop.args[0])
    except (AttributeError, KeyError, TypeError) as error:
        print(f"Error: manifest.json is not as it was written ({error!r}); copy the bundle again", file=sys.stderr)
        return 2
    width = [max(len(row.cells[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(row.cells[column].ljust(width[column]) for column in range(3)), row.verdict]).rstrip())
    failed = [f"{row.cells[0]}: {row.verdict}" for row in rows if row.failed]
    print("failed: " + "; ".join(failed) if failed else "passed")
    return int(bool(failed))


def check(options: argparse.Namespace) -> list[Row]:
    """Compare files, versions, input, outputs and time with the manifest."""
    manifest = read_manifest(options.bundle)
    facts, version = manifest["device_check"], manifest["versions"].get("onnxruntime", "unknown")
    hashed = compare_files(options.bundle, {**manifest["files"], **facts["files"]})
    if MISSING:
        raise Stop(3, f"{MISSING}; pip install numpy onnxruntime=={version}")
    stored, here = read_arrays(options.bundle / "check.npz"), onnxruntime.__version__
    inputs = prepare(stored["input"], {**facts["input"], **manifest["input"].get("preprocess", {})})
    same = hashlib.sha256(inputs.tobytes()).hexdigest() == facts["input"]["sha256"]
    if options.inputs is not None:
        same = same and np.array_equal(read_arrays(options.inputs), inputs)
    session = load(options.bundle / "model.onnx", options.threads, version)
    outputs, names = run(session, inputs, facts["batch"]), enumerate(facts["outputs"])
    p50, p99 = time_runs(session, inputs, facts["batch"], options.seconds)
    there = "not measured" if facts["p50_ms"] is None else f"{facts['p50_ms']:.3g} ms, p99 {facts['p99_ms']:.3g} ms"
    slow = options.max_p99_ms is not None and p99 > options.max_p99_ms
    verdict = f"slower than {options.max_p99_ms:g} ms" if slow else ""
    return [
        Row(("", "here", "in the bundle")),
        Row(("CPU", this_cpu(), facts["cpu"])),
        Row(("made for", "", facts["made_for"])),
        Row(("onnxruntime", here, version), "" if here == version else "another version may have other kernels"),
        Row(("files", f"{hashed} as hashed", ""), "ok"),
        Row(("input", f"{len(inputs)} preprocessed", ""), "ok" if same else "another preprocessing", not same),
        *(compare(name, outputs[name], stored[f"output_{index}"], facts["exact"]) for index, name in names),
        Row((f"run of {facts['batch']}", f"{p50:.3g} ms, p99 {p99:.3g} ms", there), verdict, slow),
    ]


def read_manifest(folder: Path) -> dict[str, Any]:
    """manifest.json, which has to have the section of this check."""
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Stop(2, f"cannot read {path} ({error}); give the folder of a bundle, or copy it again") from error
    if manifest["manifest_sha256"] != manifest_sha256(manifest):
        raise Stop(2, f"{path} was changed since it was written (manifest_sha256); copy the bundle again")
    made = f"gdfq-export {manifest['tool_version']} for {manifest['target']}"
    if "device_check" not in manifest:
        raise Stop(2, f"{path} of {made} has no device_check; write the bundle for ONNX Runtime, with a newer version")
    return manifest


def manifest_sha256(manifest: dict[str, Any]) -> str:
    """Hex SHA-256 of a manifest's entries but for this one, as JSON with sorted keys and no spaces."""
    body = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def compare_files(folder: Path, stated: dict[str, Any]) -> int:
    """Compare the files that are here with their hashes; how many there are."""
    present = [folder / name for name in sorted(stated) if name in NEEDED or (folder / name).is_file()]
    for path in present:
        if not path.is_file():
            raise Stop(2, f"{path} is missing; copy {', '.join(NEEDED)} and manifest.json of the bundle")
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
        if digest.hexdigest() != stated[path.name]["sha256"]:
            size = f"{path.stat().st_size:,} bytes where {stated[path.name]['bytes']:,} are stated"
            raise Stop(2, f"{path} is not the file that manifest.json was written for ({size}); copy the bundle again")
    return len(present)


def read_arrays(path: Path) -> Any:
    """Read an .npy or .npz file."""
    try:
        loaded = np.load(str(path), allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else dict(loaded)
    except Exception as error:  # numpy, zipfile and zlib raise their own
        raise Stop(2, f"cannot read {path} ({error}); give a file that numpy wrote") from error


def prepare(stored: np.ndarray, facts: dict[str, Any]) -> np.ndarray:
    """What the file takes: (pixel / scale - mean) / std of stored pixels [N, H, W, C]; stored floats as they are."""
    if stored.dtype != np.uint8:
        return stored
    mean, std = (np.asarray(facts[key], np.float32) for key in ("mean", "std"))
    images = (stored.astype(np.float32) / np.float32(facts["scale"]) - mean) / std
    images = images if facts["channels_last"] else np.moveaxis(images, -1, 1)
    images = np.clip(np.rint(images), 0, 255) if facts["dtype"] == "uint8" else images
    return np.ascontiguousarray(images, facts["dtype"])


def load(model: Path, threads: int, version: str) -> Any:
    """Load the file in ONNX Runtime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 4
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the binding raises a dozen types of its own
        reason = f"onnxruntime {onnxruntime.__version__} does not load {model} ({' '.join(str(error).split())[:300]})"
        raise Stop(3, f"{reason}; install version {version}") from error


def run(session: Any, inputs: np.ndarray, batch: int) -> dict[str, np.ndarray]:
    """Every output by name, as one list of numbers, of `batch` inputs at a time."""
    names, starts = [output.name for output in session.get_outputs()], range(0, len(inputs), batch)
    parts = [session.run(names, feed(session, inputs[start : start + batch])) for start in starts]
    return {each: np.concatenate([part[i].reshape(-1) for part in parts]) for i, each in enumerate(names)}


def feed(session: Any, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """What each input of the file is given, by name: several lie flattened side by side in `inputs` [N, F]."""
    given, fed, start = session.get_inputs(), {}, 0
    if len(given) == 1:
        return {given[0].name: inputs}
    for each in given:
        size = int(np.prod(each.shape[1:]))
        fed[each.name] = inputs[:, start : start + size].reshape((len(inputs), *each.shape[1:]))
        start += size
    return fed


def compare(name: str, here: np.ndarray, there: np.ndarray, exact: bool) -> Row:
    """Compare the bits of one output; where layers run in float, it may be `CLOSE`."""
    if here.shape != there.shape or here.dtype != there.dtype:
        return Row((name, f"{here.size:,} {here.dtype}", f"{there.size:,} {there.dtype}"), "another form", True)
    same = (here == there) | ((here != here) & (there != there))
    off, norm = np.subtract(here, there, dtype=np.float64), max(float(np.linalg.norm(there)), 1e-30)
    failed = not same.all() and (exact or not float(np.linalg.norm(off)) <= CLOSE * norm)
    far = f"{'' if failed else 'close, '}off by up to {float(np.abs(off).max(initial=0)):.3g}"
    return Row((name, f"{int(same.sum()):,} of {same.size:,} numbers equal", ""), "ok" if same.all() else far, failed)


def time_runs(session: Any, inputs: np.ndarray, batch: int, seconds: float) -> tuple[float, float]:
    """Median and 99th percentile of runs, in ms; the first tenth of them is warm-up."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 20 or time.perf_counter() < end:
        begun = time.perf_counter()
        run(session, inputs[:batch], batch)
        taken.append(1000.0 * (time.perf_counter() - begun))
    p50, p99 = np.percentile(taken[len(taken) // 10 :], [50, 99])
    return float(p50), float(p99)


def this_cpu() -> str:
    """Name the CPU and the instructions that decide how it multiplies integers."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name") or facts.get("CPU part") or platform.processor()
    present = (facts.get("flags") or facts.get("Features") or "").split()
    return " ".join([name, platform.machine(), *(flag for flag in FLAGS if flag in present)])


if __name__ == "__main__":
    sys.exit(main())
