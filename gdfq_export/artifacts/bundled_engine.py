"""The engine of a bundle: built of its ONNX file where the target runs engines and the package is installed."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.tensorrt import build_engine, find_package
from gdfq_export.support.files import scratch_folder
from gdfq_export.support.progress import Progress
from gdfq_export.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledEngine:
    """An engine for up to `batch` images a run, or `not_built`, why there is none.

    `built_with` is package and version; `timing_cache` is None where the package has none; `warnings` are for the user.
    """

    batch: int
    built_with: str = ""
    data: bytes | None = None
    timing_cache: bytes | None = None
    warnings: tuple[str, ...] = ()
    not_built: str = ""


def build_bundled_engine(file: bytes, target: Target, *, batch: int, progress: Progress) -> BundledEngine | None:
    """Build the engine of the ONNX file `file` for a bundle; None where the target's runtime runs no engines.

    Nothing is raised: a bundle is worth keeping without its engine, and its manifest says why there is none.
    """
    if not target.engine:
        return None
    with scratch_folder() as folder:
        cache = folder / "timing.cache"
        try:
            measures = find_package().has_timing_cache
            with progress.phase("build the engine"):
                built = build_engine(file, batches=(1, batch, batch), timing_cache=cache if measures else None)
        except (BackendUnavailable, InputError) as error:
            return BundledEngine(batch=batch, not_built=str(error), warnings=(f"the bundle has no engine: {error}",))
        return BundledEngine(
            batch=batch,
            built_with=built.runtime,
            data=built.data,
            timing_cache=cache.read_bytes() if cache.exists() else None,
            warnings=built.warnings,
        )
