from __future__ import annotations

from pathlib import Path

import pytest

import gdfq_export
from gdfq_export.errors import InputError
from gdfq_export.runtimes.emulation.cpus import CPUS, find_cpu


def test_the_system_file_of_an_arm_core_names_its_part_and_its_features() -> None:
    lines = dict(line.split(":", 1) for line in find_cpu("cortex-a76").cpuinfo.strip().splitlines())
    facts = {key.strip(): value.strip() for key, value in lines.items()}
    assert (facts["CPU part"], facts["CPU implementer"]) == ("0xd0b", "0x41")
    assert "asimddp" in facts["Features"].split()
    assert "asimddp" not in find_cpu("cortex-a53").cpuinfo


def test_an_unknown_cpu_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no CPU cortex-m4; choose .*cortex-a53.*haswell"):
        find_cpu("cortex-m4")


def test_the_page_on_verification_lists_every_cpu() -> None:
    page = (Path(gdfq_export.__file__).parent.parent / "docs" / "verification.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [name for name in CPUS if not any(f"`{name}`" in row.split("|")[1] for row in rows)] == []


def test_names_are_keys() -> None:
    assert [cpu.name for cpu in CPUS.values()] == [*CPUS]
