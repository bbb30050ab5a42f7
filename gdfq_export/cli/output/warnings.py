"""Warnings a user should see, on stderr."""

from __future__ import annotations

from collections.abc import Iterable

import click


def print_warnings(warnings: Iterable[str]) -> None:
    """One line a warning."""
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)
