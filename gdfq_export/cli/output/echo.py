"""Text on stdout and stderr, in which no name of a stranger's tensor or file steers the terminal."""

from __future__ import annotations

import click

from gdfq_export.support.text import printable


def echo(text: str, *, err: bool = False, lines: bool = False) -> None:
    """Print one line on stdout, or on stderr; `lines` keeps the line feeds of a text of our own."""
    click.echo(printable(text, lines=lines), err=err)
