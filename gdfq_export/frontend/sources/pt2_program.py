"""Checks the program of a .pt2 file, JSON that torch turns into a graph, for what would run code.

1. Shape expressions are evaluated by sympy, which evaluates any Python: only sums, products and named functions of
   symbols and numbers are accepted.
2. A node may name any function that is reachable from `torch`: only operators are accepted, and none that opens files.
3. Tree specifications may import modules: only tuples, lists and dicts are accepted.
4. Guards are Python source and metadata is not needed: both are dropped.

Format: torch/_export/serde/schema.py.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

__all__ = ["Unsafe", "checked_program", "require_plain_expressions"]

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|torchvision)\.(?!save\b|from_file\b)(?!__)\w+\.[A-Za-z]\w*"
    r"|torch\.ops\.higher_order\.[a-z]\w*"
    r"|torch\.sym_\w+|math\.[a-z]\w*"
    r"|_operator\.(getitem|add|sub|mul|mod|floordiv|truediv|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
_SYMBOL = re.compile(r"[A-Za-z]+\d+")
_FUNCTION = re.compile(  # of sympy and of torch.utils._sympy.functions
    r"Symbol|Integer|Float|Rational|Add|Mul|Pow|Max|Min|Mod|Abs|floor|ceiling|And|Or|Not|Where|Identity"
    r"|Eq|Ne|Lt|Le|Gt|Ge|(Une|E)quality|(Strict)?(Less|Greater)Than|PythonMod|ModularIndexing|[LR]Shift"
    r"|(Floor|Clean|Ceil|FloatTrue|IntTrue)Div|(Ceil|Floor|Trunc|Round)ToInt|(TruncTo|To)Float|RoundDecimal"
    r"|PowByNatural|FloatPow|IsNonOverlappingAndDenseIndicator"
)
_ARITHMETIC = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop, ast.Load, ast.keyword,
)  # fmt: skip
_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")


class Unsafe(Exception):
    """A part of a file that could run code; the message is a noun phrase that names it."""


def checked_program(program: dict[str, Any]) -> dict[str, Any]:
    """Return `program` without guards and metadata; it is changed.

    Raises:
        Unsafe: an expression, operator or tree specification could run code.
    """
    program["guards_code"] = []
    module = program["graph_module"]
    module["metadata"], module["treespec_namedtuple_fields"] = {}, {}
    _check(program)
    return program


def _check(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _check(item)
    if not isinstance(value, dict):
        return
    if "target" in value and "inputs" in value:
        _require_operator(value["target"])
        metadata = value.get("metadata") or {}
        value["metadata"] = {key: metadata[key] for key in ("nn_module_stack",) if key in metadata}
    for key, item in value.items():
        if key == "as_operator":
            _require_operator(item)
        elif key in ("in_spec", "out_spec") and item:
            _require_containers(json.loads(item)[1])
        elif key == "expr_str":
            _require_plain_expression(item)
        else:
            _check(item)


def require_plain_expressions(value: Any) -> None:
    """Check every shape expression in a part of the archive's JSON.

    Raises:
        Unsafe: one is more than arithmetic.
    """
    _check(value)


def _require_operator(target: str) -> None:
    if not _OPERATOR.fullmatch(target):
        raise Unsafe(f"a node that calls {target[:80]!r}")


def _require_containers(spec: dict[str, Any]) -> None:
    context = spec["context"]
    keys = json.loads(context) if isinstance(context, str) else context
    plain = keys is None or (isinstance(keys, list) and all(isinstance(key, str) for key in keys))
    if spec["type"] not in _CONTAINERS or not plain:
        raise Unsafe(f"an argument of type {str(spec['type'])[:80]!r}")
    for child in spec["children_spec"]:
        _require_containers(child)


def _require_plain_expression(text: str) -> None:
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, MemoryError) as error:
        raise Unsafe(f"the shape expression {text[:80]!r}") from error
    names = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    symbols = {
        id(argument)
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Symbol"
        for argument in node.args[:1]
    }
    for node in nodes:
        match node:
            case ast.Call() if isinstance(node.func, ast.Name):
                plain = bool(_FUNCTION.fullmatch(node.func.id))
            case ast.Name():
                plain = id(node) in names or bool(_SYMBOL.fullmatch(node.id)) or node.id in ("oo", "zoo")
            case ast.Constant(value=str() as name):
                plain = id(node) in symbols and bool(_SYMBOL.fullmatch(name))
            case ast.Constant(value=value):
                plain = value is None or isinstance(value, int | float)
            case _:
                plain = isinstance(node, _ARITHMETIC)
        if not plain:
            raise Unsafe(f"the shape expression {text[:80]!r}")
