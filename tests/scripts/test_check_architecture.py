from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_architecture

ROOT = Path(__file__).parents[2]

BRANCHY = "def f(a: int) -> int:\n" + "    if a:\n        return 1\n" * 15 + "    return 0\n"
EIGHT = ", ".join(f"p{n}: int" for n in range(8))


def made(root: Path, files: dict[str, str]) -> list[str]:
    """The violations of a small repository with these files."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return check_architecture.violations(root)


def test_this_repository_keeps_its_contracts() -> None:
    assert check_architecture.violations(ROOT) == []


def test_every_room_has_a_place() -> None:
    rooms = {module.room for module in check_architecture.read_modules(ROOT).values()}
    assert rooms <= check_architecture.LEVELS.keys()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"gdfq_export/recipe/a.py": "from gdfq_export.jobs.b import c\n", "gdfq_export/jobs/b.py": "c = 1\n"},
            "gdfq_export/recipe/a.py:1: recipe imports jobs, which is not below it",
        ),
        (
            {"gdfq_export/lint/a.py": "def f():\n    import gdfq_export.metrics.b\n", "gdfq_export/metrics/b.py": ""},
            "gdfq_export/lint/a.py:2: lint imports metrics, which is not below it",
        ),
        (
            {"gdfq_export/__init__.py": "load = 1\n", "gdfq_export/qdq/a.py": "from gdfq_export import load\n"},
            "gdfq_export/qdq/a.py:1: qdq imports __init__, which is not below it",
        ),
        ({"gdfq_export/attic/a.py": ""}, "gdfq_export/attic/a.py: room attic has no place in LAYERS"),
        ({"calib/a.py": "import onnx.helper\n"}, "calib/a.py:1: calib imports onnx"),
        (
            {"gdfq_export/support/a.py": "", "calib/a.py": "from gdfq_export.support import a\n"},
            "calib/a.py:1: calib imports gdfq_export",
        ),
        (
            {
                "gdfq_export/qdq/a.py": "import gdfq_export.qdq.b\n",
                "gdfq_export/qdq/b.py": "import gdfq_export.qdq.a\n",
            },
            "import cycle among gdfq_export.qdq.a, gdfq_export.qdq.b",
        ),
        ({f"gdfq_export/qdq/m{n}.py": "" for n in range(16)}, "gdfq_export/qdq: 16 modules, more than 15"),
        ({f"gdfq_export/{name}.py": "" for name in "abcdefg"}, "gdfq_export: 7 modules, more than 6"),
        ({"calib/a.py": "x = 1\n" * 301}, "calib/a.py: 301 lines, more than 300"),
        ({"calib/a.py": "x = 1\n" * 110}, "gdfq_export: the median file has 110 lines"),
        ({"calib/a.py": f"class A:\n    def f(self, {EIGHT}, *, b=1): ...\n"}, "calib/a.py:2: A.f: 9 parameters"),
        ({"calib/a.py": BRANCHY}, "calib/a.py:1: f: complexity 16, more than 15"),
        (
            {
                "gdfq_export/__init__.py": "from gdfq_export.api import load\n__all__ = ['load']\n",
                "gdfq_export/api.py": "def load(a, b, *, c, d=1): ...\n",
            },
            "gdfq_export/api.py:1: load: load requires a, b, c: more than 2 arguments",
        ),
        (
            {
                "gdfq_export/__init__.py": "from calib import A\n__all__ = ['A']\n",
                "calib/__init__.py": "class A:\n    def f(self, a, b, c, d=1): ...\n",
            },
            "calib/__init__.py:2: A: f requires a, b, c: more than 2 arguments",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_a_violation_is_named(tmp_path: Path, files: dict[str, str], said: str) -> None:
    assert any(said in line for line in made(tmp_path, files))


def test_what_is_allowed_passes(tmp_path: Path) -> None:
    files = {
        "gdfq_export/__init__.py": "__version__ = '1'\n",
        "gdfq_export/qdq/__init__.py": "",
        "gdfq_export/qdq/a.py": f"from gdfq_export import __version__\ndef f(self, {EIGHT}): ...\n",
        "gdfq_export/qdq/b.py": "if TYPE_CHECKING:\n    from gdfq_export.qdq.c import C\n",
        "gdfq_export/qdq/c.py": "import gdfq_export.qdq.b\n",
        "gdfq_export/cli/commands.py": f"import gdfq_export.qdq.a\n@click.command()\ndef f({EIGHT}, p8): ...\n",
    }
    assert made(tmp_path, files) == []


def test_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path, {"calib/a.py": "import onnx\n"})
    monkeypatch.setattr("sys.argv", ["check_architecture.py", str(tmp_path)])
    assert check_architecture.main() == 1
    assert capsys.readouterr().out == "calib/a.py:1: calib imports onnx\n"
