"""docs/accuracy.md: the text of accuracy_page.md and the tables of the cells that were run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from bench.accuracy_cells import LIMITS, METHODS, NETWORKS, TABLE_BITS, Cell, Limit, bits_title, reason_against
from bench.accuracy_entries import Entries, Entry

__all__ = ["build_page", "verdict"]

TEMPLATE = Path(__file__).with_suffix(".md")
NOT_MEASURED = "not measured"
NEVER_REAL = "none to spare"
RIVALS = ("gdfq", "zeroq", "dfq")
LATE = 1.05  # times the budget: a run stops at the end of a step


def build_page(entries: Entries, *, chart: str | None) -> str:
    """The page as Markdown; `chart` is the file of the picture beside it."""
    others = sorted({network for network, _, _ in entries} - set(NETWORKS))
    parts = {
        "machines": _machines(entries),
        "promised": _promised(entries),
        "chart": "" if chart is None else f"![Drop by method, over networks and over bits]({chart})",
        "real": _distance_to_real(entries),
        "diversity": _diversity(entries),
        "networks": "\n\n".join(_network(network, entries) for network in (*NETWORKS, *others)),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"<!-- {name} -->\n\n", f"{text}\n\n" if text else "")
    return page


def verdict(limit: Limit, entry: Entry, rivals: Sequence[Entry]) -> str:
    """How ours compares with the limits and with published methods: a better one inside our interval is level."""
    reached = "aim" if entry.drop <= limit.aim else "must" if entry.drop <= limit.must else "**not reached**"
    better = [rival for rival in rivals if rival.drop < entry.drop]
    below = [f"{'level with' if rival.drop >= entry.low else 'below'} {METHODS[rival.method]}" for rival in better]
    late = [] if entry.seconds <= LATE * 60 * limit.minutes else ["**late**"]
    return ", ".join([reached, *below, *late])


def _machines(entries: Entries) -> str:
    machines = sorted({entry.machine for entry in entries.values() if entry.failed is None})
    return f"Measured on {'; on '.join(machines)}." if machines else ""


def _promised(entries: Entries) -> str:
    rows = []
    for limit in LIMITS:
        entry = _measured(entries, limit.network, limit.bits, "ours")
        rivals = [rival for method in RIVALS if (rival := _measured(entries, limit.network, limit.bits, method))]
        best = min(rivals, key=lambda rival: rival.drop, default=None)
        rows.append(
            (
                limit.network,
                bits_title(limit.bits),
                f"{limit.minutes:g} min",
                f"{limit.must:.1f} / {limit.aim:.1f}",
                NOT_MEASURED if entry is None else _drop(entry) + _seeds(entry, before=", "),
                "" if entry is None else f"{entry.seconds:.0f} s",
                NOT_MEASURED if best is None else f"{METHODS[best.method]} {best.drop:+.2f}",
                "" if entry is None else verdict(limit, entry, rivals),
            )
        )
    return _table(("network", "bits", "budget", "must / aim", "drop", "took", "best published", "reached"), rows)


def _distance_to_real(entries: Entries) -> str:
    """One row a network that has both, one column for each bits that any of them has."""
    pairs = {
        (network, bits): (ours, real)
        for network, bits in product(NETWORKS, TABLE_BITS)
        if (ours := _measured(entries, network, bits, "ours")) and (real := _measured(entries, network, bits, "real"))
    }
    if not pairs:
        return f"{NOT_MEASURED.capitalize()}."
    columns = [bits for bits in TABLE_BITS if any(key[1] == bits for key in pairs)]
    rows = []
    for network in [network for network in NETWORKS if any(key[0] == network for key in pairs)]:
        cells = []
        for bits in columns:
            if (network, bits) not in pairs:
                cells.append(NOT_MEASURED)
                continue
            ours, real = pairs[network, bits]
            cells.append(f"**{ours.drop - real.drop:+.2f}** ({ours.drop:+.2f}, {real.drop:+.2f})")
        rows.append((network, *cells))
    return _table(("network", *map(bits_title, columns)), rows)


def _diversity(entries: Entries) -> str:
    rows = []
    for network, method in product(NETWORKS, ("ours", "real")):
        found = (_measured(entries, network, bits, method) for bits in ("w4a4", *reversed(TABLE_BITS)))
        entry = next((entry for entry in found if entry is not None and entry.statistics is not None), None)
        if entry is not None and entry.statistics is not None:
            values = entry.statistics
            distance, bns = values["within_class_distance"], values["bns_distance"]
            rows.append(
                (
                    network,
                    "synthesized" if method == "ours" else "real",
                    f"{values['images']:,}",
                    "" if distance is None else f"{distance:.0f}",
                    f"{values['entropy']:.3f}",
                    f"{100 * values['agreement']:.0f} %",
                    "" if bns is None else f"{bns:.3f}",
                )
            )
    head = ("network", "images", "number", "within-class distance", "entropy, nats", "recognised", "BNS distance")
    return _table(head, rows) if rows else f"{NOT_MEASURED.capitalize()}."


def _network(network: str, entries: Entries) -> str:
    ran = [entry for entry in entries.values() if entry.network == network]
    known = next((entry for entry in ran if entry.failed is None), None)
    if known is None:
        return f"### {network}\n\n{NOT_MEASURED.capitalize()}."
    title = f"### {network}\n\nFloat {known.float_top1:.2f} %, {known.images:,} images: {known.images_of}."
    extra = sorted({entry.bits for entry in ran} - set(TABLE_BITS))
    rows = [(bits_title(bits), *_row(network, bits, entries)) for bits in (*TABLE_BITS, *extra)]
    return f"{title}\n\n" + _table(("bits", *METHODS.values()), rows)


def _row(network: str, bits: str, entries: Entries) -> Iterable[str]:
    found = {method: _measured(entries, network, bits, method) for method in METHODS}
    without_data = [entry.drop for method, entry in found.items() if entry is not None and method != "real"]
    for method, entry in found.items():
        ran = entries.get((network, bits, method))
        if entry is not None:
            yield _cell(entry, best=method != "real" and entry.drop == min(without_data))
        elif ran is not None:
            yield "failed"
        elif reason_against(Cell(network=network, bits=bits, method=method, seed=0)) is not None:
            yield NEVER_REAL
        else:
            yield NOT_MEASURED


def _cell(entry: Entry, *, best: bool) -> str:
    drop = f"**{entry.drop:+.2f}**" if best else f"{entry.drop:+.2f}"
    lines = [
        f"{drop} [{entry.low:+.2f}, {entry.high:+.2f}]",
        f"{entry.top1:.2f} %",
        f"{entry.seconds:.0f} s, {entry.memory:.1f} GiB",
    ]
    if entry.steps is not None and entry.steps[0] < entry.steps[1]:
        lines.append(f"{entry.steps[0]:,} of {entry.steps[1]:,} steps")
    if entry.spread is not None:
        lines.append(_seeds(entry))
    return "<br>".join(lines)


def _measured(entries: Entries, network: str, bits: str, method: str) -> Entry | None:
    entry = entries.get((network, bits, method))
    return None if entry is None or entry.failed is not None else entry


def _drop(entry: Entry) -> str:
    return f"{entry.drop:+.2f} [{entry.low:+.2f}, {entry.high:+.2f}]"


def _seeds(entry: Entry, before: str = "") -> str:
    return "" if entry.spread is None else f"{before}{len(entry.seeds)} seeds, spread {entry.spread:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
