"""Speed over float of every file: a panel a batch, a group of bars a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["draw_latency"]

COLOURS = {  # Okabe and Ito's, which colour-blind readers tell apart
    "ours W8A8, ort-cpu": "#0072B2",
    "ours W4A8, ort-cpu": "#56B4E9",
    "ours W4A4, ort-cpu": "#A6D8F5",
    "quantize_static, recommended": "#E69F00",
    "quantize_static, default": "#F5D08A",
    "ours W8A8, openvino": "#009E73",
    "NNCF, OpenVINO": "#CC79A7",
}


def draw_latency(bodies: list[dict[str, Any]], titles: dict[str, str], path: Path) -> bool:
    """Write the picture; says whether there was anything to draw."""
    from matplotlib.figure import Figure

    batches = sorted({body["batch"] for body in bodies})
    if not batches:
        return False
    figure = Figure(figsize=(12, 1 + 3.2 * len(batches)), layout="constrained")
    panels = figure.subplots(len(batches), 1, squeeze=False)[:, 0]
    width = 0.8 / len(COLOURS)
    for axes, batch in zip(panels, batches, strict=True):
        rows = [body for body in bodies if body["batch"] == batch]
        for position, (title, colour) in enumerate(COLOURS.items()):
            found = [(index, body["rows"][title]["speed"]) for index, body in enumerate(rows) if title in body["rows"]]
            places = [index + (position - (len(COLOURS) - 1) / 2) * width for index, _ in found]
            heights = [ratio["value"] for _, ratio in found]
            errors = [
                [max(0.0, ratio["value"] - ratio["low"]) for _, ratio in found],
                [max(0.0, ratio["high"] - ratio["value"]) for _, ratio in found],
            ]
            axes.bar(places, heights, width * 0.92, color=colour, label=title)
            axes.errorbar(places, heights, yerr=errors if found else None, fmt="none", ecolor="#444444", elinewidth=0.8)
        axes.axhline(1, color="#767676", linewidth=0.8)
        axes.set_xticks(range(len(rows)), [titles.get(body["network"], body["network"]) for body in rows])
        axes.set_ylabel("times float's speed")
        axes.set_title(f"batch {batch}", loc="left")
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="both", length=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return True
