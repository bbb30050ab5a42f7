"""A file is measured in its own runtime or, with the reason said, in that runtime's stand-in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.base import Backend, ExecutedGraph
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.runtimes.session import Session
from gdfq_export.targets import TARGETS

TARGET = dataclasses.replace(TARGETS["tensorrt"], backend="own", stand_in="other")


class Fake:
    """A runtime that is here, or is not for a reason."""

    def __init__(self, name: str, reason: str = "") -> None:
        self.name = name
        self.reason = reason

    def require(self) -> None:
        if self.reason:
            raise BackendUnavailable(self.reason)

    def examine(self, model: Path | bytes) -> ExecutedGraph:
        raise AssertionError("nothing is examined to choose")

    def load(self, model: Path | bytes, threads: int, *, taps: Sequence[str] = ()) -> Session:
        raise AssertionError("nothing is loaded to choose")


def backends(reason: str = "") -> dict[str, Backend]:
    return {"own": Fake("own", reason), "other": Fake("other")}


def test_the_targets_own_runtime_where_it_can_be_used() -> None:
    chosen = choose_backend(TARGET, backends())
    assert (chosen.target_backend.name, chosen.measured_on.name, chosen.fallback_reason) == ("own", "own", "")


def test_its_stand_in_where_it_cannot_with_the_reason() -> None:
    chosen = choose_backend(TARGET, backends("there is no GPU"))
    assert (chosen.target_backend.name, chosen.measured_on.name, chosen.fallback_reason) == (
        "own",
        "other",
        "there is no GPU",
    )


def test_nothing_where_nothing_stands_in() -> None:
    with pytest.raises(BackendUnavailable, match="there is no GPU"):
        choose_backend(dataclasses.replace(TARGET, stand_in=None), backends("there is no GPU"))
