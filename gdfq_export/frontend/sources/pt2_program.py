"""Checks the program of a .pt2 file, JSON that torch turns into a graph and then into Python source, which it runs.

1. Names of values, arguments and sub-graphs stand in that source: only identifiers are accepted.
2. Shape expressions are evaluated by sympy, which evaluates any Python: only sums, products and named functions of
   symbols and integers are accepted, and small powers.
3. A node may name any function that is reachable from `torch`: only operators are accepted, and none that opens files.
4. Tree specifications may import modules: only tuples, lists and dicts are accepted.
5. Guards are Python source and metadata is not needed: both are dropped.
6. Every other text is refused unless it is made of letters, digits and `_ . : / -`.

Format: torch/_export/serde/schema.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|torchvision)\.(?!save\b|from_file\b)(?!__)\w+\.[A-Za-z]\w*"
    r"|torch\.ops\.higher_order\.(cond|while_loop|scan|map_impl|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.sym_(int|float|ite|max|min|not|sqrt)|torch\._sym_sqrt|math\.trunc"
    r"|_operator\.(getitem|add|sub|mul|mod|floordiv|truediv|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
_FUNCTIONS = (  # of sympy and of torch.utils._sympy.functions
    r"Symbol|Integer|Rational|Add|Mul|Pow|Max|Min|Mod|Abs|floor|ceiling|And|Or|Not|Where|Identity"
    r"|Eq|Ne|Lt|Le|Gt|Ge|(?:Une|E)quality|(?:Strict)?(?:Less|Greater)Than|PythonMod|ModularIndexing"
    r"|(?:Floor|Clean|Ceil|FloatTrue|IntTrue)Div|(?:Ceil|Floor|Trunc|Round)ToInt|(?:TruncTo|To)Float|RoundDecimal"
    r"|PowByNatural|FloatPow|IsNonOverlappingAndDenseIndicator"
)
_EXPRESSION = (
    re.compile(  # names only as symbols like s0, keywords of Symbol, and the functions above; no text, no dots
        rf"(?>Symbol\('[A-Za-z]+\d{{1,6}}'|(?:{_FUNCTIONS})\(|[a-z]+=(?:True|False)|[A-Za-z]+\d{{1,6}}(?!\s*[\w(.])"
        r"|oo|\d{1,19}(?!\d)|\*(?!\s*\*)|[-+/%<>=!(), ])*+"
    )
)
_POWER = re.compile(r"(?:Pow|PowByNatural|FloatPow)\(")
_EXPONENT = re.compile(r" *(?:-?[1-4]|Integer\(-?[1-4]\)|Rational\(-?1, 2\))")
_LONGEST_EXPRESSION, _MOST_POWERS = 10_000, 6
_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")
_IDENTIFIERS = frozenset({"name", "as_name", "user_input_name", "forward_arg_names"})
_PRINTED = frozenset({"as_string", "as_strings", "nn_module_stack", "torch_version"})
_PLAIN = re.compile(r"[\w.:/-]*")
_SYMBOL = re.compile(r"[A-Za-z]+\d{1,6}")


class Unsafe(Exception):
    """A part of a file that could run code; the message is a noun phrase that names it."""


def checked_program(program: dict[str, Any]) -> dict[str, Any]:
    """Return `program` without guards and metadata; it is changed.

    Raises:
        Unsafe: a name, expression, operator or tree specification could run code.
    """
    program["guards_code"] = []
    module = program["graph_module"]
    module["metadata"], module["treespec_namedtuple_fields"] = {}, {}
    for symbol in program["range_constraints"]:
        if not _SYMBOL.fullmatch(symbol):
            raise Unsafe(f"the shape expression {symbol[:80]!r}")
    require_plain(program)
    return program


def require_plain(value: Any, key: str = "") -> None:
    """Check every text in a part of the archive's JSON, which stands under `key`.

    Raises:
        Unsafe: one could run code.
    """
    if isinstance(value, list):
        for item in value:
            require_plain(item, key)
    elif isinstance(value, str):
        _require_text(key, value)
    elif isinstance(value, dict):
        if "target" in value and "inputs" in value:
            metadata = value.get("metadata") or {}
            value["metadata"] = {name: metadata[name] for name in ("nn_module_stack",) if name in metadata}
        for name, item in value.items():
            _require_text("", name)
            require_plain(item, name)


def _require_text(key: str, text: str) -> None:
    if key in ("target", "as_operator"):
        _require_operator(text)
    elif key in ("in_spec", "out_spec"):
        if text:
            _require_containers(json.loads(text)[1])
    elif key == "expr_str":
        _require_expression(text)
    elif key in _IDENTIFIERS:
        if text and not text.isidentifier():
            raise Unsafe(f"the name {text[:80]!r}")
    elif not (text.isprintable() if key in _PRINTED else _PLAIN.fullmatch(text)):
        raise Unsafe(f"the text {text[:80]!r}")


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


def _require_expression(text: str) -> None:
    powers = [*_POWER.finditer(text)]
    plain = len(text) <= _LONGEST_EXPRESSION and len(powers) <= _MOST_POWERS and _EXPRESSION.fullmatch(text)
    if not plain or not all(_EXPONENT.fullmatch(_last_argument(text[power.end() :])) for power in powers):
        raise Unsafe(f"the shape expression {text[:80]!r}")


def _last_argument(text: str) -> str:
    """Behind the last comma of the arguments that `text` begins with, up to their closing parenthesis."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        if character == "," and not depth:
            start = position + 1
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return text[start:position]
    return text
