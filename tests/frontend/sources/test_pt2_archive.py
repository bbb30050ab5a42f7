"""A .pt2 file is read without running anything in it."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.errors import InputError
from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.pt2_archive import safe_archive
from gdfq_export.frontend.sources.pt2_program import Unsafe, require_plain
from tests.frontend.sources import crafted_archives as crafted

Craft = Callable[[crafted.Entries, Path], None]


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "trace"


def _crafted(craft: Craft, trace: Path) -> Path:
    content = crafted.entries()
    craft(content, trace)
    return crafted.write(trace.parent / "net.pt2", content)


REFUSED = [
    (crafted.pickled_weight, "a pickled weight (conv1.weight)"),
    (crafted.pickled_constant, "a pickled constant (k)"),
    (crafted.opaque_constant, "a pickled constant (k)"),
    (crafted.expression, "the shape expression"),
    (crafted.function, "a node that calls 'torch.os.system'"),
    (crafted.imported_module, "an argument of type 'builtins.dict'"),
    (crafted.input_name, "the name"),
    (crafted.argument_name, "the name"),
    (crafted.module_name, "the text"),
    (crafted.older_format, "torch.export.save"),
]
DROPPED = [crafted.sample_inputs, crafted.guard, crafted.legacy_weights]


@pytest.mark.parametrize(("craft", "what"), REFUSED)
def test_what_could_run_code_is_refused(trace: Path, craft: Craft, what: str) -> None:
    path = _crafted(craft, trace)
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert str(path) in str(caught.value) and what in str(caught.value)
    assert caught.value.exit_code == 2
    assert not trace.exists()


@pytest.mark.parametrize("craft", DROPPED)
def test_what_is_not_needed_is_never_read(trace: Path, craft: Craft) -> None:
    assert load_model(_crafted(craft, trace)).num_classes == 5
    assert not trace.exists()


@pytest.mark.parametrize("craft", [craft for craft, _ in REFUSED] + DROPPED)
def test_torch_itself_would_run_most_of_them(trace: Path, craft: Craft) -> None:
    """The crafted files are what they claim; functions and guards run later than on loading."""
    path = _crafted(craft, trace)
    try:
        torch.export.load(path)
    except Exception:
        assert trace.exists() or craft in (crafted.older_format, crafted.function)
    else:
        later = (crafted.guard, crafted.function, crafted.argument_name, crafted.module_name)
        assert trace.exists() or craft in later
    finally:
        sys.modules.pop("imported_by_pt2", None)


@pytest.mark.parametrize(
    ("craft", "what"),
    [(crafted.unbacked_symbols, "'u999999999999'"), (crafted.huge_weight, "more values than the archive holds")],
)
def test_what_would_take_all_time_or_memory_is_refused(trace: Path, craft: Craft, what: str) -> None:
    with pytest.raises(InputError, match=what):
        load_model(_crafted(craft, trace))


@pytest.mark.parametrize(
    "command",
    [
        ["quantize", "NET", "--onnx-out", "OUT"],
        ["quantize", "NET", "--dry-run"],
        ["synthesize", "NET", "--out", "OUT"],
        ["compare", "NET", "--out", "OUT"],
        ["verify", "float.onnx", "--reference", "NET"],
        ["inspect", "NET"],
    ],
    ids=lambda command: command[0],
)
def test_no_command_runs_it(trace: Path, command: list[str]) -> None:
    given = {"NET": str(_crafted(crafted.input_name, trace)), "OUT": str(trace.parent / "out")}
    result = CliRunner().invoke(cli, [given.get(part, part) for part in command])
    assert result.exit_code == 2, result.output
    assert not trace.exists()


def test_the_copy_gives_the_same_program(tmp_path: Path) -> None:
    path = crafted.write(tmp_path / "net.pt2", crafted.entries())
    images = torch.randn(3, 3, 8, 8)
    expected = torch.export.load(path).module()(images)
    assert torch.equal(torch.export.load(safe_archive(path)).module()(images), expected)


def test_entries_of_one_name_and_compressed_ones_are_refused(tmp_path: Path) -> None:
    """Two readers of one archive must see the same entries."""
    content = crafted.entries()
    path = crafted.write(tmp_path / "net.pt2", content)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/byteorder", "little")
    with pytest.raises(InputError, match="cannot be read"):
        safe_archive(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(InputError, match="compressed"):
        safe_archive(path)


@pytest.mark.parametrize(
    "text",
    [
        "s0",
        "Symbol('s77', positive=True, integer=True)",
        "Max(Integer(1), Add(FloorDiv(Add(Symbol('s0', positive=True), Integer(-3)), Integer(2)), Integer(1)))",
        "2*s0 + 1",
        "s0 > 2",
        "Pow(FloorDiv(Symbol('s0', positive=True), Integer(2)), Integer(2))",
        "Pow(Symbol('s0'), Rational(1, 2))",
    ],
)
def test_arithmetic_is_accepted(text: str) -> None:
    require_plain([{"expr_str": text}])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "open('x')",
        "Symbol('__import__(1)')",
        "Symbol('s0').args",
        "(lambda: 1)()",
        "[1][0]",
        "s0 if s1 else s2",
        "Add('open(1)')",
        "eval('1')",
        "f'{s0}'",
        "s0 + x",
        "s0(1)",
        "s0 (1)",
        "s0.args",
        "1" * 10_000 + "'",
        "9**9**9**9",
        "Pow(Integer(9), Integer(999999999))",
        "Pow(Pow(Symbol('s0'), Integer(2)), Add(Integer(2), Integer(99)))",
        "Integer(" + "1" * 40 + ")",
        "LShift(1, 999999999999)",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Unsafe):
        require_plain([{"expr_str": text}])


@pytest.mark.skipif("GDFQ_EXPORT_DATA" not in os.environ, reason="needs the published networks")
def test_published_programs_load() -> None:
    files = sorted((Path(os.environ["GDFQ_EXPORT_DATA"]) / "models").glob("*.pt2"))
    assert files
    for path in files:
        assert torch.export.load(safe_archive(path)).state_dict
