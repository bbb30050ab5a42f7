"""What quantizing a network leaves: the file in memory, its report, its simulation, and ways to save them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx
from torch import nn

from calib.set_statistics import SetStatistics
from calib.synthetic_set import SyntheticSet
from gdfq_export.artifacts.bundle import fill_bundle
from gdfq_export.artifacts.bundled_engine import build_bundled_engine
from gdfq_export.artifacts.manifest import MANIFEST
from gdfq_export.artifacts.signature import Signer, load_signer
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.synthesize import as_synthetic_set
from gdfq_export.jobs.tune_network import TunedNetwork
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Recipe
from gdfq_export.report.report import Report
from gdfq_export.support.files import write_together
from gdfq_export.targets import find_target
from gdfq_export.views.dataset_preview.picture import draw_set_picture
from gdfq_export.views.html import render_page


@dataclass(frozen=True, kw_only=True)
class Result:
    """A quantized network and everything that was measured of it.

    Attributes:
        report: figures, gates and warnings; `report.passed` says whether every gate holds.
        file: the ONNX file, not yet saved.
        model: the float network.
        recipe: as it was given; `report.recipe.used` is the recipe as it was run.
        tuned: plan, encodings and tuned parameters.
        run: how the job ran.
        method: what the calibration images are.
    """

    report: Report
    file: NetworkFile
    model: FloatModel
    recipe: Recipe
    tuned: TunedNetwork
    run: RunContext
    method: str

    @property
    def onnx(self) -> onnx.ModelProto:
        """The quantized network as an ONNX model."""
        assert self.file.proto is not None
        return self.file.proto

    @property
    def onnx_bytes(self) -> bytes:
        """The quantized network as the bytes of its file."""
        return self.file.data

    @property
    def plan(self) -> QuantPlan:
        """Which tensors carry Q/DQ, and which kernel computes each node."""
        return self.tuned.plan

    @property
    def simulated(self) -> nn.Module:
        """The tuned low-bit network in torch: images `[N, C, H, W]` in, outputs `[N, classes]` out, in eval mode.

        It computes in float what the file computes in integers: outputs agree within rounding of a sum of floats.
        """
        return self.tuned.simulator.eval()

    @cached_property
    def images(self) -> SyntheticSet | None:
        """The images it was tuned on; None where a generator made them while it was tuned."""
        if self.tuned.drawn is None:
            return None
        return as_synthetic_set(self.model, self.recipe, *self.tuned.drawn, method=self.method, run=self.run)

    def named(self, name: str) -> Result:
        """The same result, whose file is called `name` in the report."""
        file = dataclasses.replace(self.file, name=name)
        files = dataclasses.replace(self.report.files, quantized=file.facts)
        return dataclasses.replace(self, file=file, report=dataclasses.replace(self.report, files=files))

    def save(self, path: str | Path, *, report: str | Path | None = None) -> Path:
        """Write the ONNX file and, if asked for, the report as JSON: both or neither.

        Raises:
            InputError: a file cannot be written.
        """
        self.write(onnx=path, report=report)
        return Path(path)

    def html(self, path: str | Path) -> Path:
        """Write the report as one HTML page that loads nothing.

        Raises:
            InputError: the file cannot be written.
        """
        self.write(html=path)
        return Path(path)

    def bundle(self, folder: str | Path, *, sign: Signer | str | Path | None = None) -> tuple[str, ...]:
        """Write everything a pipeline keeps into `folder`, whole or not at all; warnings of the engine's build.

        Args:
            folder: a new folder, an empty one or an older bundle.
            sign: PEM file of the private key to sign all files with.

        Raises:
            InputError: `folder` cannot be written, or holds other things than an older bundle, or the key cannot sign.
            BackendUnavailable: a key was given, and model-signing is not installed.
        """
        return self.write(bundle=folder, sign=sign)

    def write(
        self,
        *,
        onnx: str | Path | None = None,
        report: str | Path | None = None,
        html: str | Path | None = None,
        bundle: str | Path | None = None,
        sign: Signer | str | Path | None = None,
    ) -> tuple[str, ...]:
        """Write the ONNX file, the report as JSON and as HTML, and the bundle, those that have a path: all or none.

        `sign` is the private key, or its PEM file, that the bundle is signed with.

        Returns:
            Warnings of the build of the bundle's engine.

        Raises:
            InputError: one of them cannot be written; then all are as they were before.
        """
        signer = load_signer(Path(sign)) if isinstance(sign, str | Path) else sign
        engine = None
        if bundle is not None:
            target = find_target(self.plan.target)
            engine = build_bundled_engine(self.file.data, target, batch=self.run.batch, progress=self.run.progress)
        with write_together() as outputs:
            if bundle is not None:
                part = outputs.folder(Path(bundle), marker=MANIFEST)
                fill_bundle(part, self, engine)
                if signer is not None:
                    signer.sign(part, Path(bundle).resolve().name)
            views: tuple[tuple[str | Path | None, Callable[[], bytes | str]], ...] = (
                (onnx, lambda: self.file.data),
                (report, self.report.to_json),
                (html, lambda: self.page),
            )
            outputs.write({Path(path): view() for path, view in views if path is not None})
        return () if engine is None else engine.warnings

    @cached_property
    def page(self) -> str:
        """The report as HTML, with a picture of the images it was tuned on."""
        return render_page(self.report, picture=self.picture)

    @cached_property
    def picture(self) -> bytes | None:
        """PNG of the images it was tuned on; None where they were not kept."""
        return picture_of(self.images, self.model)


def page_with_images(report: Report, images: SyntheticSet | None, model: FloatModel) -> str:
    """A report as HTML, with a picture of the images where they were kept."""
    return render_page(report, picture=picture_of(images, model))


def picture_of(images: SyntheticSet | None, model: FloatModel) -> bytes | None:
    """PNG of a set of images; None where they were not kept."""
    if images is None or "statistics" not in images.provenance:
        return None
    statistics = SetStatistics.from_json(images.provenance["statistics"])
    return draw_set_picture(images, statistics, model.input_spec, model.name)
