from __future__ import annotations

import pytest

from gdfq_export.support.progress import SilentProgress


def test_a_phase_that_fails_has_its_seconds_counted() -> None:
    progress = SilentProgress()
    with pytest.raises(ValueError), progress.phase("train"):
        raise ValueError
    assert list(progress.seconds) == ["train"]
