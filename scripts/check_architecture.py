"""Check the contracts that keep the package readable. Reads the source only; takes about a second.

    python scripts/check_architecture.py [ROOT]

Rooms import rooms below them, never above, and no module takes part in an import cycle. `calib` knows neither the
package nor ONNX. Folders, files, parameter lists and functions stay small. Each violation is one line of output with
its file and line; the exit code is 1 where there is one. CONTRIBUTING.md says what to do about each.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

PACKAGE = "gdfq_export"
ROOTS = (PACKAGE, "calib")

# From the highest room to the lowest. Rooms in one row do not import each other.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("__init__",),
    ("api",),
    ("jobs",),
    ("artifacts",),
    ("views",),
    ("report",),
    ("lint", "metrics"),
    ("runtimes",),
    ("synthesis",),
    ("baselines",),
    ("tuning",),
    ("qdq",),
    ("simulator",),
    ("planning",),
    ("recipe",),
    ("gates",),
    ("targets",),
    ("frontend",),
    ("tasks",),
    ("support",),
    ("errors",),
    ("calib",),
)
LEVELS = {room: len(LAYERS) - row for row, rooms in enumerate(LAYERS) for room in rooms}
FOREIGN_TO_CALIB = {PACKAGE, "onnx", "onnx_ir", "onnxruntime", "onnxscript", "onnxsim"}

MOST_TOP_MODULES = 6
MOST_FILES = 15
MOST_LINES = 300
MEDIAN_LINES = 110
MOST_PARAMETERS = 8
MOST_REQUIRED = 2
MOST_COMPLEXITY = 15

Function = ast.FunctionDef | ast.AsyncFunctionDef

BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.Assert, ast.match_case)


@dataclass(frozen=True)
class Import:
    """One import of one module of the repository."""

    target: str
    line: int
    typing_only: bool


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its path below the root, and its text."""

    name: str
    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def room(self) -> str:
        """The folder or module below the package that this file belongs to; `calib` is a room too."""
        return room_of(self.name)

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function and method with its qualified name."""
        yield from _functions(self.tree, "")


def room_of(module: str) -> str:
    """The room of a dotted module name."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return parts[0]
    return parts[1] if len(parts) > 1 else "__init__"


def read_modules(root: Path) -> dict[str, Module]:
    """The modules of the package, and of `calib`, by dotted name."""
    modules = {}
    for top in ROOTS:
        for file in sorted((root / top).rglob("*.py")):
            path = file.relative_to(root)
            parts = path.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules[name] = Module(name, path.as_posix(), file.read_text(encoding="utf-8"))
    return modules


def imports_of(module: Module, modules: dict[str, Module]) -> Iterator[Import]:
    """What a module imports of the repository, at any depth of its code."""
    typing_only = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        for name in _imported(node):
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and name != f"{PACKAGE}.__version__":
                yield Import(target, getattr(node, "lineno", 0), id(node) in typing_only)


def check_layers(modules: dict[str, Module]) -> Iterator[str]:
    """Imports into a room above, and rooms that LAYERS does not know."""
    for module in modules.values():
        if module.room not in LEVELS:
            yield f"{module.path}: room {module.room} has no place in LAYERS of scripts/check_architecture.py"
            continue
        for found in imports_of(module, modules):
            target = room_of(found.target)
            if target != module.room and LEVELS.get(target, 0) >= LEVELS[module.room]:
                yield f"{module.path}:{found.line}: {module.room} imports {target}, which is not below it"


def check_calib(modules: dict[str, Module]) -> Iterator[str]:
    """Imports of ONNX or of the package in `calib`."""
    for module in modules.values():
        if module.room == "calib":
            for node in ast.walk(module.tree):
                for top in sorted({name.split(".")[0] for name in _imported(node)} & FOREIGN_TO_CALIB):
                    yield f"{module.path}:{getattr(node, 'lineno', 0)}: calib imports {top}"


def check_cycles(modules: dict[str, Module]) -> Iterator[str]:
    """Modules that import each other, directly or by way of others; imports for type checkers aside."""
    targets = {
        module.name: {found.target for found in imports_of(module, modules) if not found.typing_only} - {module.name}
        for module in modules.values()
    }
    free = dict(targets)
    while leaves := {name for name, needed in free.items() if not needed & free.keys()}:
        free = {name: needed for name, needed in free.items() if name not in leaves}
    while roots := {name for name in free if not any(name in needed for needed in free.values())}:
        free = {name: needed for name, needed in free.items() if name not in roots}
    if free:
        yield f"{modules[min(free)].path}: import cycle among {', '.join(sorted(free))}"


def check_folders(modules: dict[str, Module]) -> Iterator[str]:
    """Folders with too many files, long files, and the median length."""
    folders: dict[str, int] = {}
    for module in modules.values():
        folder = module.path.rpartition("/")[0]
        folders[folder] = folders.get(folder, 0) + 1
        if (lines := module.text.count("\n")) > MOST_LINES:
            yield f"{module.path}: {lines} lines, more than {MOST_LINES}"
    for folder, count in folders.items():
        most = MOST_TOP_MODULES if folder == PACKAGE else MOST_FILES
        if count > most:
            yield f"{folder}: {count} modules, more than {most}"
    middle = median(module.text.count("\n") for module in modules.values())
    if middle >= MEDIAN_LINES:
        yield f"{PACKAGE}: the median file has {middle:g} lines, {MEDIAN_LINES} or more"


def check_functions(modules: dict[str, Module]) -> Iterator[str]:
    """Functions with too many parameters, click commands aside, or too many branches."""
    for module in modules.values():
        for name, function in module.functions():
            where = f"{module.path}:{function.lineno}: {name}"
            count = len(_parameters(function))
            if count > MOST_PARAMETERS and not _is_command(function):
                yield f"{where}: {count} parameters, more than {MOST_PARAMETERS}"
            if (found := complexity(function)) > MOST_COMPLEXITY:
                yield f"{where}: complexity {found}, more than {MOST_COMPLEXITY}"


def check_public(modules: dict[str, Module]) -> Iterator[str]:
    """Functions of the public API, and methods of its classes, with too many required arguments."""
    for exported in _exported(modules[PACKAGE]) if PACKAGE in modules else ():
        module, node = _definition(exported, modules[PACKAGE], modules)
        if isinstance(node, ast.ClassDef):
            members = [each for each in node.body if isinstance(each, Function) and not each.name.startswith("_")]
        else:
            members = [node] if isinstance(node, Function) else []
        for function in members:
            required = _required(function)
            if len(required) > MOST_REQUIRED:
                yield (
                    f"{module.path}:{function.lineno}: {exported}: {function.name} requires "
                    f"{', '.join(required)}: more than {MOST_REQUIRED} arguments"
                )


def complexity(function: Function) -> int:
    """McCabe's count of paths: 1, and 1 for each branch, loop, handler, comprehension, `and` and `or`."""
    total = 1
    for node in ast.walk(function):
        if isinstance(node, BRANCHES):
            total += 1
        elif isinstance(node, ast.comprehension):
            total += 1 + len(node.ifs)
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
    return total


CHECKS = (check_layers, check_calib, check_cycles, check_folders, check_functions, check_public)


def violations(root: Path) -> list[str]:
    """Every contract that the source below `root` breaks, one line each."""
    modules = read_modules(root)
    return [line for check in CHECKS for line in check(modules)]


def _imported(node: ast.AST) -> list[str]:
    """Dotted names that an import statement names; a name imported from a module is counted with it."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield prefix + node.name, node
        inner = f"{prefix}{node.name}." if isinstance(node, Function | ast.ClassDef) else prefix
        yield from _functions(node, inner)


def _parameters(function: Function) -> list[ast.arg]:
    """Parameters but for `self`, `cls`, `*args` and `**kwargs`."""
    named = [*function.args.posonlyargs, *function.args.args]
    if named and named[0].arg in ("self", "cls"):
        named = named[1:]
    return named + function.args.kwonlyargs


def _required(function: Function) -> list[str]:
    """Names of the parameters without a default."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    without = named[: len(named) - len(arguments.defaults)]
    without += [each for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not default]
    return [each.arg for each in without if each.arg not in ("self", "cls")]


def _is_command(function: Function) -> bool:
    return any("command(" in ast.unparse(decorator) for decorator in function.decorator_list)


def _exported(module: Module) -> list[str]:
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(each.value) for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
    return []


def _definition(name: str, module: Module, modules: dict[str, Module]) -> tuple[Module, ast.AST | None]:
    """Where a name of a module is defined, followed through imports."""
    for node in module.tree.body:
        if isinstance(node, Function | ast.ClassDef) and node.name == name:
            return module, node
    for inner in ast.walk(module.tree):
        if isinstance(inner, ast.ImportFrom) and inner.module in modules and inner.module != module.name:
            for alias in inner.names:
                if (alias.asname or alias.name) == name:
                    return _definition(alias.name, modules[inner.module], modules)
    return module, None


def main() -> int:
    """Print the violations; 1 where there are any."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    found = violations(root)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
