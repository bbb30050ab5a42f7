"""Checks the program of a .pt2 file, JSON that torch turns into a graph, for what would run code.

1. Shape expressions are evaluated by sympy, which evaluates any Python: only sums, products and named functions of
   symbols and numbers are accepted.
2. A node may name any function that is reachable from `torch`: only operators are accepted, and none that opens files.
3. Tree specifications may import modules: only tuples, lists and dicts are accepted.
4. Guards are Python source and metadata is not needed: both are dropped.

Format: torch/_export/serde/schema.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|torchvision)\.(?!save\b|from_file\b)(?!__)\w+\.[A-Za-z]\w*"
    r"|torch\.ops\.higher_order\.[a-z]\w*"
    r"|torch\.sym_\w+|math\.[a-z]\w*"
    r"|_operator\.(getitem|add|sub|mul|mod|floordiv|truediv|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
_FUNCTIONS = (  # of sympy and of torch.utils._sympy.functions
    r"Symbol|Integer|Float|Rational|Add|Mul|Pow|Max|Min|Mod|Abs|floor|ceiling|And|Or|Not|Where|Identity"
    r"|Eq|Ne|Lt|Le|Gt|Ge|(?:Une|E)quality|(?:Strict)?(?:Less|Greater)Than|PythonMod|ModularIndexing|[LR]Shift"
    r"|(?:Floor|Clean|Ceil|FloatTrue|IntTrue)Div|(?:Ceil|Floor|Trunc|Round)ToInt|(?:TruncTo|To)Float|RoundDecimal"
    r"|PowByNatural|FloatPow|IsNonOverlappingAndDenseIndicator"
)
_EXPRESSION = (
    re.compile(  # names only as symbols like s0, keywords of Symbol, and the functions above; no text, no dots
        rf"(?>Symbol\('[A-Za-z]+\d+'|(?:{_FUNCTIONS})\(|[a-z]+=(?:True|False)|[A-Za-z]+\d+(?!\s*[\w(.])|oo"
        r"|\d+(?:\.\d+)?|[-+*/%<>=!(), ])*+"
    )
)
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
    if not _EXPRESSION.fullmatch(text):
        raise Unsafe(f"the shape expression {text[:80]!r}")
