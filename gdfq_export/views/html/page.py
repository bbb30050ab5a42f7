"""A report as one self-contained HTML page.

The page loads nothing and says so to the browser: its Content-Security-Policy names the hashes of its own style and
script and forbids all else, so that a tensor's name, which comes from a user's file, can never run or restyle anything.
The same report gives the same bytes.
"""

from __future__ import annotations

import base64

from markupsafe import Markup

from gdfq_export.report.report import Report
from gdfq_export.report.summary_table import summary_figures
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import printable
from gdfq_export.views.html.gate_rows import gate_rows, tone_of
from gdfq_export.views.html.packaged import content_hash, environment, packaged
from gdfq_export.views.html.reproduce import reproduction
from gdfq_export.views.html.sections.accuracy import accuracy_view
from gdfq_export.views.html.sections.coverage import coverage_view
from gdfq_export.views.html.sections.cpus import cpu_rows
from gdfq_export.views.html.sections.curves import curves_by_phase
from gdfq_export.views.html.sections.latency import latency_view, resource_rows
from gdfq_export.views.html.sections.layers import layer_rows
from gdfq_export.views.html.sections.mixed_bits import mixed_bits_rows
from gdfq_export.views.html.sections.network import network_view
from gdfq_export.views.html.sections.outputs import outputs_view
from gdfq_export.views.html.sections.over_time import over_time_view
from gdfq_export.views.html.sections.precision import precision_view
from gdfq_export.views.html.sections.run import broken_rules, facts, phases, subtitle, targets


def render_page(
    report: Report, *, picture: bytes | None = None, picture_words: str | None = None, title: str | None = None
) -> str:
    """The page as text, to be written in UTF-8.

    Args:
        report: the report.
        picture: PNG of the generated images (`gdfq_export.views.dataset_preview`).
        picture_words: alternative text of the picture.
        title: title of the page; the default is the name of the quantized file.
    """
    style, script = packaged("style.css"), packaged("script.js")
    text: str = (
        environment()
        .get_template("page.html")
        .render(
            report=report,
            title=title or report.files.quantized.name,
            style=Markup(style),
            script=Markup(script),
            style_hash=content_hash(style),
            script_hash=content_hash(script),
            subtitle=subtitle(report),
            cards=[(figure, tone_of(report, *figure.gates)) for figure in summary_figures(report)],
            gates=gate_rows(report),
            accuracy=accuracy_view(report),
            outputs=outputs_view(report),
            latency=latency_view(report),
            resources=None if isinstance(report.resources, NotMeasured) else resource_rows(report.resources),
            targets=targets(report),
            network=network_view(report),
            layers=layer_rows(report),
            mixed_bits=mixed_bits_rows(report),
            precision=precision_view(report),
            coverage=coverage_view(report),
            cpus=cpu_rows(report),
            rules=broken_rules(report),
            picture=None if picture is None else base64.b64encode(picture).decode("ascii"),
            picture_words=picture_words or _picture_words(report),
            over_time=over_time_view(report),
            phases_of_training=curves_by_phase(report),
            phases=phases(report),
            facts=facts(report),
            again=reproduction(report),
        )
    )
    return printable(text, lines=True)


def _picture_words(report: Report) -> str:
    made = (
        "Images made from the network alone" if report.calibration is None else f"Images of {report.calibration.source}"
    )
    return f"{made}, the first ones of each class, beside their distance to the training images layer by layer"
