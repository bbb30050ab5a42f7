from __future__ import annotations

from gdfq_export.runtimes.session import where
from gdfq_export.support.named_bytes import NamedBytes


def test_bytes_with_a_name_are_those_bytes_and_messages_name_them() -> None:
    named = NamedBytes(b"data", "net.onnx")
    assert (named, where(named), where(b"data")) == (b"data", "net.onnx", "an unnamed network")
