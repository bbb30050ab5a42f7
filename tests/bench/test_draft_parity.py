"""The table of drafts on several CPUs is what was measured."""

from __future__ import annotations

from bench.draft_parity import END, PAGE, START, TARGETS, results, table


def test_the_page_holds_the_table_of_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(START) == text.count(END) == 1
    assert text.split(START)[1].split(END)[0] == table(results())


def test_every_draft_is_exact_on_the_cpus_of_its_target() -> None:
    for each in results():
        assert {*each["cpus"]} <= {*TARGETS[each["target"]]}
        assert all(cpu["exact"] and cpu["integers"] for cpu in each["cpus"].values()), each["network"]


def test_a_cell_has_the_integers_that_differ_on_all_cpus() -> None:
    cpus = {cpu: {"exact": True, "integers": 1000, "differing": 0} for cpu in TARGETS["ort-cpu"]}
    cpus["cortex-a76"] = {"exact": False, "integers": 1000, "differing": 1234}
    line = table([{"network": "demo", "bits": "w8a8", "target": "ort-cpu", "cpus": cpus}]).splitlines()[2]
    assert line == "| demo | 1,000 | 1,234; 3 CPUs |  |  |  |  |  |"
