"""Contrast of every pair of ink and paper that the page uses, in both themes, by WCAG's formula."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

STYLE = files("gdfq_export.views.html").joinpath("templates", "style.css").read_text(encoding="utf-8")
TEXT = [
    *((ink, paper) for ink in ("ink", "muted", "link") for paper in ("page", "surface")),
    *((tone, f"{tone}-back") for tone in ("passed", "failed", "inconclusive", "none")),
    *(("ink", f"{tone}-back") for tone in ("passed", "failed", "inconclusive", "none", "warning")),
    *(("muted", f"{tone}-back") for tone in ("passed", "failed", "inconclusive", "none")),
    *((ink, "surface") for ink in ("float", "passed", "failed", "inconclusive")),
    *(("on-quantized", "quantized"), ("ink", "sunken"), ("muted", "sunken")),
]
GRAPHICS = [(ink, "surface") for ink in ("quantized", "float-fill", "passed", "failed", "inconclusive")]


def themes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r"color-scheme: (\w+);(.*?)}", STYLE, re.DOTALL)
    found = [(scheme, dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", body))) for scheme, body in blocks]
    assert [scheme for scheme, _ in found] == ["light", "dark", "dark"]
    return {"light": found[0][1], "dark": found[1][1], "toggled": found[2][1]}


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), TEXT, ids=["-on-".join(pair) for pair in TEXT])
def test_text_can_be_read(theme: str, ink: str, paper: str) -> None:
    colours = themes()[theme]
    assert contrast(colours[ink], colours[paper]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), GRAPHICS, ids=["-on-".join(pair) for pair in GRAPHICS])
def test_marks_can_be_seen(theme: str, ink: str, paper: str) -> None:
    colours = themes()[theme]
    assert contrast(colours[ink], colours[paper]) >= 3


def test_the_toggle_gives_the_colours_of_the_system() -> None:
    assert themes()["dark"] == themes()["toggled"]
