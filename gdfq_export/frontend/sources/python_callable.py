"""What `package.module:callable` names: what returns a torch module, or a function of the user's."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from gdfq_export.errors import InputError


def call(text: str) -> nn.Module:
    """Import and call what `text` names; modules in the current folder are found too.

    Raises:
        InputError: it cannot be imported, raises, needs arguments, or does not return a torch module.
    """
    with _current_folder():
        target = _find(text)
        if isinstance(target, nn.Module):
            return target
        if not callable(target):
            raise InputError(f"{text} is a {type(target).__name__}, not a callable that returns a torch module")
        try:
            result = target()
        except Exception as error:  # the user's own code
            raise InputError(
                f"calling {text} without arguments failed ({type(error).__name__}: {_one_line(error)}); "
                "name a callable that needs no arguments and returns the trained network"
            ) from error
    if not isinstance(result, nn.Module):
        raise InputError(f"{text} returned a {type(result).__name__}; it must return a torch.nn.Module")
    return result


def find_function(text: str) -> Callable[..., Any]:
    """Import the function that `package.module:function` names; modules in the current folder are found too.

    Raises:
        InputError: it cannot be imported, or is no function.
    """
    if ":" not in text:
        raise InputError(f"{text} names no function; give package.module:function")
    with _current_folder():
        target = _find(text)
    if not callable(target):
        raise InputError(f"{text} is no function; give package.module:function")
    return target


@contextlib.contextmanager
def _current_folder() -> Iterator[None]:
    """Let modules of the current folder be imported."""
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def _find(text: str) -> object:
    module_name, _, attribute = text.partition(":")
    try:
        target: object = importlib.import_module(module_name)
    except Exception as error:  # the user's own module may raise anything while it is imported
        raise InputError(
            f"cannot import {module_name} for {text} ({type(error).__name__}: {_one_line(error)}); "
            "check the name, and that it can be imported from the current folder"
        ) from error
    for part in attribute.split("."):
        if not hasattr(target, part):
            raise InputError(f"{module_name} has no {attribute}; name something that it has")
        target = getattr(target, part)
    return target


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
