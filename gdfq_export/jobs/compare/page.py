"""A comparison as Markdown: what was compared, a table of bit widths by methods, and a row for every cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gdfq_export.jobs.compare.cells import Cell, Comparison, NetworkFacts
from gdfq_export.jobs.compare.figure_text import figures, float_text, lost_heading, lost_text, note, scored_text
from gdfq_export.jobs.compare.methods import BIT_WIDTHS, METHODS, bits_title
from gdfq_export.support.text import counted, printable

_WITH_LABELS = (
    "*Drop* is the Top-1 accuracy of the float network minus that of the quantized one; lower is better. Both see the "
    "same images: the brackets hold the paired 95 % interval, which covers the choice of images, not of the seed."
)
_WITHOUT_LABELS = (
    "No labelled images were given, so this is no accuracy: it counts the images on which the quantized network "
    "answers differently from the float one, with the 95 % Wilson interval. The images are made from the network, with "
    "a different seed from those that are tuned on; they are easier than real ones, and of the kind that *ours* is "
    "tuned on."
)


_OTHER_TASKS = (
    "The brackets hold the 95 % interval over images. Without real images (--data) the images are made from the "
    "network, with a different seed from those that are tuned on; they are of the kind that *ours* is tuned on."
)


def build_page(comparison: Comparison, *, chart: str) -> str:
    """The page; `chart` is the file of the picture beside it."""
    network = comparison.network
    shape = " x ".join(map(str, network.input_shape)) + (" values" if len(network.input_shape) == 1 else "")
    facts = [
        f"**Network**: {network.source}, {shape}, {_classes(network)}{network.bytes:,} bytes as float ONNX "
        f"(SHA-256 {network.sha256[:16]})",
        "**Scored on**: " + "; ".join(filter(None, (scored_text(comparison), float_text(comparison)))),
        f"**Target** {comparison.target}, **seed** {comparison.seed}, **budget** {comparison.budget_seconds:g} s a "
        "cell up to the written file, for the methods that take one",
        *(f"**Real images**: {real.images:,} of {real.source}" for real in [comparison.real] if real is not None),
        f"**CellResult with** gdfq-export {comparison.tool_version} on {'; on '.join(_machines(comparison))}",
    ]
    parts = [
        f"# {_plain(network.name)}: methods and bit widths compared",
        "\n".join(f"* {_plain(fact)}" for fact in facts),
        *(f"> **Warning**: {_plain(warning)}" for warning in comparison.warnings),
        f"![{lost_heading(comparison)}, by bits and method]({chart})",
        f"## {_capital(lost_heading(comparison))}",
        _method_text(comparison),
        "The lowest without real images is bold; methods inside its interval do not differ from it.",
        _overview(comparison),
        "## Every cell",
        _table(
            ("bits", "method", "lost", "Top-1", "agreement with float", "time", "file", "on what"),
            map(_row, comparison.cells),
        ),
        "Time is up to the written file, without measuring it. The networks are in `files/`; `comparison.json` has "
        "all hashes, and each recipe as it was run.",
    ]
    return "\n\n".join(parts) + "\n"


def _classes(network: NetworkFacts) -> str:
    return "" if network.classes is None else f"{counted(network.classes, 'class', 'classes')}, "


def _machines(comparison: Comparison) -> list[str]:
    return sorted({cell.measured.machine for cell in comparison.cells if cell.measured}) or [comparison.machine.cpu]


def _method_text(comparison: Comparison) -> str:
    if comparison.network.classes is None:
        return _OTHER_TASKS
    return _WITH_LABELS if comparison.scored.labels == "given" else _WITHOUT_LABELS


def _overview(comparison: Comparison) -> str:
    cells = {(cell.bits, cell.method): cell for cell in comparison.cells}
    methods = [name for name in METHODS if any(cell.method == name for cell in comparison.cells)]
    rows = []
    for bits in (name for name in BIT_WIDTHS if any(cell.bits == name for cell in comparison.cells)):
        row = {name: cells.get((bits, name)) for name in methods}
        rows.append((bits_title(bits), *_overview_row(row)))
    return _table(("bits", *(METHODS[name].title for name in methods)), rows)


def _overview_row(row: dict[str, Cell | None]) -> Iterator[str]:
    scores = {name: cell.measured.score for name, cell in row.items() if cell is not None and cell.measured is not None}
    least = min((score.lost_pp[0] for name, score in scores.items() if not METHODS[name].real), default=None)
    for name, cell in row.items():
        if name not in scores:
            yield "not run" if cell is None or METHODS[name].real else "failed"
            continue
        text = lost_text(scores[name])
        if not METHODS[name].real and scores[name].lost_pp[0] == least:
            lost, _, interval = text.partition(" ")
            text = f"**{lost}** {interval}"
        yield text


def _row(cell: Cell) -> tuple[str, ...]:
    head = (bits_title(cell.bits), METHODS[cell.method].title)
    if cell.measured is None:
        return (*head, "", "", "", "", "", note(cell))
    lost, top1, seconds, size = figures(cell.measured)
    same = cell.measured.score.agreement
    agreement = "" if same is None else f"{100 * same.value:.2f} %"
    return (*head, lost, top1, agreement, seconds, size, note(cell))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_plain, line)) + " |" for line in lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(text: str) -> str:
    """Text that breaks neither a table nor a line."""
    return printable(" ".join(text.split())).replace("|", "\\|")
