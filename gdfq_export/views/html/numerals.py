"""Number formats of the page: units after a no-break space, a true minus sign, few significant digits."""

from __future__ import annotations

from math import floor, log10

from gdfq_export.support.confidence_interval import Proportion
from gdfq_export.support.text import counted

__all__ = ["count", "decibels", "kilobytes", "milliseconds", "percent", "points", "seconds", "share", "significant"]

MINUS = "\u2212"
GAP = "\u00a0"
EXACT_DB = 200.0  # the SNR of a tensor without error


def significant(value: float, digits: int = 3) -> str:
    """A number of that many significant digits, in plain notation from a ten-thousandth to ten million."""
    if value == 0:
        return "0"
    magnitude = floor(log10(abs(value)))
    if not -5 <= magnitude < 7:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}".replace("-", MINUS)


def count(number: int, one: str = "", many: str = "") -> str:
    """Thousands apart; with what is counted: `count(1, "image")`, `count(2, "class", "classes")`."""
    return counted(number, one, many).replace(" ", GAP, 1) if one else f"{number:,}"


def percent(value: float, digits: int = 2) -> str:
    """A share of 1 as per cent; one too small for the digits is shown as a bound, not as 0."""
    least = 10.0**-digits
    if 0 < 100 * value < least / 2:
        return f"<{least:.{digits}f}{GAP}%"
    return f"{100 * value:.{digits}f}{GAP}%".replace("-", MINUS)


def share(proportion: Proportion) -> str:
    """A proportion with its 95 % interval."""
    return f"{percent(proportion.value)} [{100 * proportion.low:.2f}, {100 * proportion.high:.2f}]"


def points(value: float) -> str:
    """Percentage points, always with a sign."""
    return f"{value:+.2f}{GAP}pp".replace("-", MINUS)


def decibels(value: float | None) -> str:
    """A signal-to-noise ratio; "no error" where there is none."""
    if value is None:
        return ""
    return "no error" if value >= EXACT_DB else f"{value:.1f}{GAP}dB".replace("-", MINUS)


def milliseconds(value: float) -> str:
    """Three significant digits."""
    return f"{significant(value)}{GAP}ms"


def seconds(value: float) -> str:
    """Tenths below a minute, then whole seconds."""
    if value < 60:
        return f"{value:.1f}{GAP}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{GAP}min {rest}{GAP}s"


def kilobytes(number: float) -> str:
    """Bytes in the unit that suits, powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(number) < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:.0f}{GAP}{unit}" if unit == "bytes" else f"{significant(number)}{GAP}{unit}"
