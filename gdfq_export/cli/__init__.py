"""The command line: commands parse, call one function and print."""

from __future__ import annotations

from gdfq_export.cli.main import main
