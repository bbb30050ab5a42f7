"""Kills runs at random moments, and checks after each that no output is lost, half written or of two runs.

    python -m bench.kills --kills 300 --seed 0        # some 15 s a kill on one core
    python -m bench.kills --kills 12 --seed 4711 --case "bundle, W4A4" --signal SIGINT

Each round begins with the outputs of an older run. The command is killed a few times, a third each by SIGKILL, SIGTERM
and SIGINT, at a random moment or just when it stages its outputs; then it runs to its end. Checked:

* after each kill, the outputs are all of the older run or all of the new one, and can be read;
* SIGTERM and SIGINT end with 143 and 130 and one line, and leave no temporary file;
* in the end, the outputs have the bytes of a run that was never killed, and no temporary file is left.

The table of all kills is printed and kept in bench/results/kills.json. The same seed draws the same kills.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.results_file import write_results
from gdfq_export.artifacts.manifest import open_bundle
from gdfq_export.errors import GdfqExportError
from gdfq_export.recipe import load_recipe, recipe_to_yaml

SIGNALS = {each.name: each for each in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)}
KILLS_A_ROUND = 3
QUICK = {"data": {"images": 64, "generator": {"steps": 20}}, "calibration": {"images": 64}}
VERIFY = {"agreement_images": 32, "parity_images": 32, "latency_seconds": 0}
TORCH = "torchinductor_"  # the folder of its own that torch makes
TEMPORARY = (".gdfq-part", ".gdfq-old", ".gdfq-commit", ".tmp", ".part")


@dataclass(frozen=True)
class Case:
    """A command, and which of its outputs have the same bytes in every run."""

    name: str
    recipe: str
    arguments: tuple[str, ...]
    same: tuple[str, ...]


CASES = (
    Case(
        "quantize, W8A8",
        "w8a8-ort-cpu",
        ("quantize", "-o", "net.onnx", "--report", "net.json", "--html", "net.html"),
        ("net.onnx",),
    ),
    Case(
        "bundle, W4A4",
        "w4a4-ort-cpu",
        ("quantize", "-o", "net.onnx", "--bundle", "bundle"),
        ("net.onnx", "bundle/model.onnx", "bundle/float.onnx", "bundle/calibration.npz"),
    ),
    Case("synthesize", "w8a8-ort-cpu", ("synthesize", "--out", "set.npz"), ("set.npz",)),
    Case(
        "compare",
        "",
        ("compare", "--out", ".", "--methods", "noise,dfq", "--bits", "w8a8", "--budget", "1h", "--images", "64"),
        ("images.npz", "files/w8a8-noise.onnx", "files/w8a8-dfq.onnx"),
    ),
)


@dataclass
class Kill:
    """One kill and what was wrong behind it."""

    case: str
    signal: str
    seconds: float
    staging: bool
    ended: bool
    faults: list[str] = field(default_factory=list)


class Round:
    """One folder of outputs: older ones first, then kills, then a whole run."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        self.outputs, self.temporary = folder / "outputs", folder / "temporary"
        for path in (self.outputs, self.temporary):
            path.mkdir(parents=True)
        if case.recipe:
            body = load_recipe(case.recipe).model_dump()
            for section, values in {**QUICK, "verify": VERIFY}.items():
                body[section] = _merged(body[section], values)
            recipe = type(load_recipe(case.recipe)).model_validate(body)
            (folder / "recipe.yaml").write_text(recipe_to_yaml(recipe), encoding="utf-8")

    def start(self, seed: int = 0) -> subprocess.Popen[str]:
        recipe = ["--recipe", str(self.folder / "recipe.yaml")] if self.case.recipe else []
        return subprocess.Popen(
            [sys.executable, "-m", "gdfq_export", *self.case.arguments, "--seed", str(seed), *recipe],
            cwd=self.outputs,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def whole_run(self, seed: int = 0) -> float:
        """Run to the end; its seconds.

        Raises:
            RuntimeError: it fails.
        """
        begun = time.monotonic()
        process = self.start(seed)
        said = process.communicate()[1]
        if process.returncode:
            raise RuntimeError(f"{self.case.name} ends with {process.returncode}: {said[-500:]}")
        return time.monotonic() - begun

    def hashes(self) -> dict[str, str]:
        """Of those outputs that have the same bytes in every run."""
        files = {name: self.outputs / name for name in self.case.same}
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path.is_file()}

    def left(self) -> list[str]:
        """Temporary files and folders, in the outputs and in the system's folder."""
        there = [path for path in self.outputs.rglob("*") if path.name.endswith(TEMPORARY)]
        others = [path for path in self.temporary.iterdir() if not path.name.startswith(TORCH)]
        return [str(path.relative_to(self.folder)) for path in [*there, *others]]

    def faults(self, generations: list[dict[str, str]]) -> Iterator[str]:
        """What is wrong with the outputs, which are to be of one of `generations`."""
        found = self.hashes()
        together = self.case.arguments[0] != "compare"  # whose cells are written one after the other
        if together and found not in generations:
            yield f"lost, half or mixed: {found}"
        if not together and any(all(each.get(name) != value for each in generations) for name, value in found.items()):
            yield f"half: {found}"
        yield from self._unreadable()

    def _unreadable(self) -> Iterator[str]:
        for path in sorted(self.outputs.iterdir()):
            try:
                if path.suffix == ".json":
                    body = json.loads(path.read_text(encoding="utf-8"))
                    stated = body.get("files", {}).get("quantized", {}).get("sha256")
                    for cell in body.get("cells", ()):
                        network = self.outputs / "files" / f"{cell['bits']}-{cell['method']}.onnx"
                        if cell["measured"]["file"]["sha256"] != hashlib.sha256(network.read_bytes()).hexdigest():
                            yield f"{path.name} lists another {network.name}"
                    if stated and stated != self.hashes().get("net.onnx"):
                        yield f"{path.name} is of another file than net.onnx"
                elif path.suffix == ".npz":
                    zipfile.ZipFile(path).testzip()
                elif path.name == "bundle":
                    open_bundle(path)
            except (ValueError, OSError, zipfile.BadZipFile, GdfqExportError) as error:
                yield f"{path.name} cannot be read: {error}"


def run_round(
    case: Case, folder: Path, signals: Sequence[signal.Signals], draw: random.Random, known: dict[str, Any]
) -> Iterator[Kill]:
    """A kill by each signal, then a whole run of the command; `known` keeps the runs never killed, by case."""
    one = Round(case, folder)
    if case.name not in known:
        older, newer = Round(case, folder / "older"), Round(case, folder / "newer")
        older.whole_run(seed=1)
        seconds = newer.whole_run()
        known[case.name] = (
            older.hashes(),
            newer.hashes(),
            seconds,
            shutil.move(older.outputs, folder.parent / case.name),
        )
    before, after, seconds, kept = known[case.name]
    shutil.copytree(kept, one.outputs, dirs_exist_ok=True)
    done: list[Kill] = []
    for number in signals:
        left = set(one.left())
        kill = _kill(one, number, draw.uniform(0, seconds), staging=draw.random() < 0.5)
        kill.faults += one.faults([before, after])
        if kill.signal != "SIGKILL" and not kill.ended and (new := set(one.left()) - left):
            kill.faults.append(f"temporary files are left: {', '.join(sorted(new))}")
        done.append(kill)
    one.whole_run()
    done[-1].faults += one.faults([after])
    if remaining := one.left():
        done[-1].faults.append(f"temporary files are left by a whole run: {', '.join(remaining)}")
    yield from done
    shutil.rmtree(folder, ignore_errors=True)


def _kill(one: Round, number: signal.Signals, seconds: float, *, staging: bool) -> Kill:
    """Start the command and kill it after `seconds`, or just after that as soon as it stages outputs."""
    process = one.start()
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < seconds:
        time.sleep(0.005)
    while (
        staging and process.poll() is None and not any(name.endswith(".gdfq-part") for name in os.listdir(one.outputs))
    ):
        time.sleep(0.0005)
    ended = process.poll() is not None
    if not ended:
        process.send_signal(number)
    said = process.communicate()[1]
    kill = Kill(one.case.name, number.name, round(time.monotonic() - begun, 2), staging, ended)
    if number == signal.SIGKILL or ended or process.returncode == 0:
        kill.ended = ended or process.returncode == 0
        return kill
    lines = [line for line in said.splitlines() if line.startswith(("Error: ", "Traceback"))]
    if process.returncode not in (128 + number, -number):  # the latter while the interpreter starts or ends
        kill.faults.append(f"{number.name} ends with {process.returncode}: {said[-300:]}")
    if process.returncode == 128 + number and (len(lines) != 1 or not lines[0].startswith("Error: interrupted; ")):
        kill.faults.append(f"{number.name} says {said[-300:]}")
    return kill


def _merged(before: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    return {**before, **{k: _merged(before[k], v) if isinstance(v, dict) else v for k, v in values.items()}}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no other round after so many")
    parser.add_argument("--signal", choices=SIGNALS, help="send no other")
    parser.add_argument("--case", choices=[case.name for case in CASES])
    options = parser.parse_args()
    draw, known, kills = random.Random(options.seed), {}, []  # type: ignore[var-annotated]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would runs
    cases = [case for case in CASES if options.case in (None, case.name)]
    sent = [*SIGNALS.values()] if options.signal is None else [SIGNALS[options.signal]]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while len(kills) < options.kills and time.monotonic() - begun < 60 * options.minutes:
            number = len(kills) // KILLS_A_ROUND
            count = min(KILLS_A_ROUND, options.kills - len(kills))
            signals = draw.choices(sent, k=count)
            for kill in run_round(cases[number % len(cases)], Path(folder) / str(number), signals, draw, known):
                kills.append(kill)
                print(*vars(kill).values(), flush=True)
    table = {
        case.name: {
            name: {
                "kills": len(those := [k for k in kills if (k.case, k.signal) == (case.name, name)]),
                "while staging": sum(kill.staging for kill in those),
                "ended before": sum(kill.ended for kill in those),
                "faults": [fault for kill in those for fault in kill.faults],
            }
            for name in SIGNALS
        }
        for case in cases
    }
    print(json.dumps(table, indent=2))
    if options.case is None and options.signal is None:
        write_results("kills", {"seed": options.seed, "kills": len(kills), "cases": table})
    return int(any(kill.faults for kill in kills))


if __name__ == "__main__":
    sys.exit(main())
