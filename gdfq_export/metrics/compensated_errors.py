"""Errors of tensors that their readers make good: of rescaled channels, and of values that make no difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gdfq_export.metrics.tensor_error import TensorError

_SCALED_DB = 3.0  # least gain from rescaling channels
_GONE_DB = 6.0  # least rise of the SNR from a tensor to all of its readers: a quarter of the noise is left


def rescaled_tensors(sources: Mapping[str, Sequence[str]], found: Mapping[str, TensorError]) -> frozenset[str]:
    """Tensors whose channels were rescaled and whose readers compensate for it.

    Args:
        sources: names of the tensors that each is computed from, by its name.
        found: errors by name, in graph order.
    """
    readers = _readers(sources, found)
    snr: dict[str, float] = {}
    scaled = set()
    for name in reversed([*found]):
        plain, best = found[name].snr_db, found[name].rescaled_snr_db
        behind = min((snr[reader] for reader in readers[name]), default=plain)
        if best - plain >= _SCALED_DB and behind > (plain + best) / 2:
            scaled.add(name)
        snr[name] = best if name in scaled else plain
    return frozenset(scaled)


def gone_in_readers(sources: Mapping[str, Sequence[str]], snr: Mapping[str, float]) -> frozenset[str]:
    """Tensors whose error is gone in all that is computed from them.

    Args:
        sources: names of the tensors that each is computed from, by its name.
        snr: dB by name.

    Example:
        >>> gone_in_readers({"x": [], "y": ["x"], "z": ["y"]}, {"x": 8.0, "y": 31.0, "z": 30.0})
        frozenset({'x'})
    """
    readers = _readers(sources, snr)
    return frozenset(
        name for name in snr if readers[name] and min(snr[reader] for reader in readers[name]) >= snr[name] + _GONE_DB
    )


def _readers(sources: Mapping[str, Sequence[str]], names: Mapping[str, object]) -> dict[str, list[str]]:
    readers: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        for source in sources[name]:
            readers[source].append(name)
    return readers
