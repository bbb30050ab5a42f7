from __future__ import annotations

import ast
import json
import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.support.text import counted, printable, to_utf8

ROOT = Path(__file__).parents[2]
MANY = re.compile(r" (?:more |real |labelled |quantized |published |interleaved )?(\w+)(?!/)\b")
THINGS = {"nodes", "images", "layers", "tensors", "gates", "rounds", "cells", "threads", "cores", "findings"}
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
NEVER_ONE = {"BATCHES[0]", "model.source"}


@pytest.mark.parametrize(
    ("number", "names", "words"),
    [
        (0, ("node",), "0 nodes"),
        (1, ("node",), "1 node"),
        (2, ("node",), "2 nodes"),
        (1, ("class", "classes"), "1 class"),
        (2000, ("class", "classes"), "2,000 classes"),
    ],
)
def test_words(number: int, names: tuple[str, ...], words: str) -> None:
    assert counted(number, *names) == words


def test_no_message_counts_things_without_it() -> None:
    """A number in an f-string is not followed by a plural that holds whatever the number is."""
    found = []
    for path in sorted((ROOT / "gdfq_export").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            for number, text in zip(node.values, node.values[1:], strict=False):
                if isinstance(number, ast.FormattedValue) and isinstance(text, ast.Constant):
                    word = MANY.match(str(text.value))
                    if word and word[1] in THINGS and ast.unparse(number.value) not in NEVER_ONE:
                        found.append(
                            f"{path.relative_to(ROOT)}:{node.lineno}: {{{ast.unparse(number.value)}}}{word[0]}"
                        )
    assert "\n".join(found) == ""


@given(text=st.text(st.characters()))
def test_what_is_printed_steers_nothing(text: str) -> None:
    for lines in (False, True):
        shown = printable(text, lines=lines)
        kinds = {unicodedata.category(each) for each in shown if not lines or each not in "\n\t"}
        assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
        assert not {unicodedata.bidirectional(each) for each in shown} & DIRECTIONS
    assert printable(shown, lines=True) == shown


def test_text_that_can_be_read_stays() -> None:
    text = "conv1 \u00b5s \u2014 \u65e5\u672c\u8a9e \u0645\u0631\u062d\u0628\u0627 \U0001f600"
    assert printable(text) == text


def test_names_that_are_not_utf8_are_read_again_from_json() -> None:
    name = os.fsdecode(b"net\xff.onnx")
    assert json.loads(to_utf8(json.dumps({"name": name}, ensure_ascii=False))) == {"name": name}
