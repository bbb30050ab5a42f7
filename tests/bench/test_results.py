"""Results that are kept say where their images come from by the name of the file, not by a path of one machine."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "bench" / "results"
PATH = re.compile(r'"(?:source|file|data|images)": "/[^"]*"')


def test_no_result_names_a_path_of_one_machine() -> None:
    results = sorted(FOLDER.rglob("*.json"))
    assert results
    found = {each.name: PATH.findall(each.read_text(encoding="utf-8")) for each in results}
    assert {name: paths[:1] for name, paths in found.items() if paths} == {}
