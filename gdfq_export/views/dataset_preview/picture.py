"""A picture of a set of images with its statistics.

The images are on the left (`grid.py`); on the right are the BNS distance by layer, confidence, class balance, and the
main statistics as text.

The same set gives the same bytes: matplotlib's own defaults and fonts, no date and no version in the file. The colours
are Okabe and Ito's colour-blind safe palette.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calib.input_spec import InputSpec
from calib.set_statistics import ClassBalance, SetStatistics
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.joined_inputs import split_inputs
from gdfq_export.support.text import counted, printable
from gdfq_export.views.dataset_preview.grid import lay_grid
from gdfq_export.views.dataset_preview.headline import NOISE_BNS, REAL_BNS, headline_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
WIDTH, HEIGHT = 1600, 1000  # pixels, as is every position below, counted from the top left corner
MARGIN = 40
GRID = (70, 160, 740, 810)  # left, top, width, height
LAYERS = (920, 160, 520, 250)
CONFIDENCE = (920, 530, 260, 185)
BALANCE = (1280, 530, 280, 185)
HEADLINE = (855, 830)
HEADLINE_COLUMNS, HEADLINE_PITCH = (0, 190, 310), 27
HEADING_ABOVE, HEADING_BEFORE = 28, 65  # from the corner of what it is the heading of

BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#767676", "#222222"
SMALL, TEXT, HEADING, TITLE = 10.0, 11.0, 12.5, 20.0
STYLE = {
    "font.size": TEXT,
    "axes.labelsize": SMALL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

BNS_SHOWN = (0.003, 3.0)  # the least range, so that pictures can be compared
LONGEST_NAME = 44
CLASSES_WITH_BARS = 20  # with more classes, sorted counts are drawn


def draw_set_picture(images: SyntheticSet, statistics: SetStatistics, input_spec: InputSpec, network: str) -> bytes:
    """Draw a set as a PNG of 1600 x 1000 pixels.

    Args:
        images: the set with the teacher's logits and its provenance.
        statistics: of the set.
        input_spec: the preprocessing, to undo it.
        network: name of the network for the title.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    balance = ClassBalance.count(images.labels, images.logits)
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
        _title(figure, images, network)
        _grid(figure, images, input_spec, len(balance.asked))
        mean = "none" if statistics.bns_distance is None else f"mean {statistics.bns_distance:.3f} (dashed)"
        _layers(_panel(figure, LAYERS, f"BNS distance by layer: {mean}"), statistics)
        if statistics.confidence is not None:
            heading = f"Confidence: mean {statistics.confidence:.3f}"
            _confidence(_panel(figure, CONFIDENCE, heading), statistics, statistics.confidence)
            _balance(_panel(figure, BALANCE, "Class balance"), balance)
        _headline(figure, statistics, balance)
        stream = io.BytesIO()
        FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()


def _title(figure: Figure, images: SyntheticSet, network: str) -> None:
    made = images.provenance
    told = (f"{name}: {made[name]}" for name in ("method", "recipe", "seed") if name in made)
    _write(figure, MARGIN, 45, f"{_short(network)}: {counted(len(images.labels), 'image')}", size=TITLE, weight="bold")
    _write(figure, MARGIN, 86, "      ".join(told))


def _grid(figure: Figure, images: SyntheticSet, input_spec: InputSpec, classes: int) -> None:
    left, top, width, height = GRID
    name, spec, shown = _shown_input(images, input_spec)
    grid = lay_grid(shown, images.labels, spec, classes, width, height)
    heading = f"{grid.heading}: input {_short(name)}" if name else grid.heading
    _write(figure, MARGIN, top - HEADING_ABOVE, heading, size=HEADING, weight="bold")
    figure.figimage(grid.pixels, left, HEIGHT - top - len(grid.pixels), origin="upper")
    for label in grid.labels:
        _write(figure, left + label.x, top + label.y, label.text, size=SMALL, ha=label.align)


def _shown_input(images: SyntheticSet, input_spec: InputSpec) -> tuple[str, InputSpec, NDArray[np.float32]]:
    """What is drawn: the input, or of several the largest, images before all others; with its name then."""
    specs = input_spec.by_name
    if not specs:
        return "", input_spec, images.images
    parts = split_inputs(images.images, [spec.shape for spec in specs.values()])
    shown = next(index for index, spec in enumerate(specs.values()) if spec.shape == input_spec.image_shape)
    name = [*specs][shown]
    return name, specs[name], parts[shown]


def _layers(axes: Axes, statistics: SetStatistics) -> None:
    """One bar per BatchNorm layer, on a log scale, with the ranges of real images and of noise."""
    from matplotlib.ticker import MaxNLocator

    mean = statistics.bns_distance
    if mean is None:
        axes.set_axis_off()
        axes.text(0.0, 0.9, "The network has no BatchNorm statistics.")
        return
    distances = np.array([layer.distance for layer in statistics.layers])
    low = min(BNS_SHOWN[0], 0.8 * distances[distances > 0].min(initial=1.0))
    high = max(BNS_SHOWN[1], 1.25 * distances.max())
    for (start, end), colour, name in ((REAL_BNS, GREEN, "real images"), (NOISE_BNS, ORANGE, "noise")):
        axes.axhspan(start, end, color=colour, alpha=0.22, linewidth=0)
        middle, side = (start * end) ** 0.5, axes.get_yaxis_transform()
        axes.text(1.02, middle, f"{name}\n{start} to {end}", transform=side, va="center", fontsize=SMALL)
    axes.bar(np.arange(len(distances)) + 1, np.maximum(distances, low) - low, 0.72, bottom=low, color=BLUE)
    axes.axhline(mean, color=INK, linewidth=1.4, linestyle="--")
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_yticks([0.01, 0.1, 1.0], ["0.01", "0.1", "1"])
    axes.set_xlim(0.3, len(distances) + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    farthest = int(distances.argmax())
    axes.set_ylabel("distance (0: as in training)")
    name = _short(statistics.layers[farthest].layer)
    axes.set_xlabel(f"BatchNorm layer, from input to output\nfarthest: {farthest + 1}, {name}", loc="left")


def _confidence(axes: Axes, statistics: SetStatistics, mean: float) -> None:
    counts = np.array(statistics.confidence_counts)
    edges = np.linspace(0, 1, len(counts) + 1)
    axes.bar(edges[:-1], 100 * counts / counts.sum(), np.diff(edges), align="edge", color=BLUE, edgecolor="white")
    axes.axvline(mean, color=INK, linewidth=1.4, linestyle="--")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 100)
    axes.set_xlabel("probability of the predicted class")
    axes.set_ylabel("% of images")


def _balance(axes: Axes, balance: ClassBalance) -> None:
    """Few classes: a pair of bars each. Many: both counts in descending order, level where balanced."""
    from matplotlib.ticker import MaxNLocator

    labels, predicted = np.array(balance.asked), np.array(balance.answered)
    classes = len(labels)
    if classes <= CLASSES_WITH_BARS:
        for counts, colour, side, name in ((labels, GREY, -0.2, "labels"), (predicted, BLUE, 0.2, "predicted")):
            axes.bar(np.arange(classes) + side, counts, 0.4, color=colour, label=name)
        axes.set_xlabel("class")
        axes.set_xticks(range(0, classes, 1 if classes <= CLASSES_WITH_BARS // 2 else 2))
    else:
        seen = int(max(np.count_nonzero(labels), np.count_nonzero(predicted)))
        for counts, colour, line, name in ((labels, GREY, 5, "labels"), (predicted, BLUE, 2, "predicted")):
            axes.stairs(np.sort(counts)[::-1][:seen], np.arange(seen + 1), color=colour, linewidth=line, label=name)
        axes.set_xlabel(f"classes, most frequent first ({classes:,} in all)")
        axes.set_xlim(0, seen)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_ylim(0, 1.3 * max(labels.max(), predicted.max()))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("images")
    axes.legend(loc="upper right", ncols=2, borderaxespad=0, handlelength=1.2)


def _headline(figure: Figure, statistics: SetStatistics, balance: ClassBalance) -> None:
    left, top = HEADLINE
    _write(figure, left, top - HEADING_ABOVE, "Statistics", size=HEADING, weight="bold")
    for number, row in enumerate(headline_rows(statistics, balance)):
        for column, text in zip(HEADLINE_COLUMNS, row, strict=True):
            weight = "bold" if column == HEADLINE_COLUMNS[1] else "normal"
            _write(figure, left + column, top + number * HEADLINE_PITCH, text, weight=weight)


def _panel(figure: Figure, place: tuple[int, int, int, int], heading: str) -> Axes:
    left, top, width, height = place
    _write(figure, left - HEADING_BEFORE, top - HEADING_ABOVE, heading, size=HEADING, weight="bold")
    return figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT))


def _write(
    figure: Figure, x: float, y: float, text: str, *, size: float = TEXT, weight: str = "normal", ha: str = "left"
) -> None:
    """Write with the middle of the line at y; text between $ signs is not mathematics."""
    figure.text(
        x / WIDTH, 1 - y / HEIGHT, text, fontsize=size, weight=weight, ha=ha, va="center_baseline", parse_math=False
    )


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 :]}"
