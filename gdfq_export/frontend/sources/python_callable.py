"""A float network from `package.module:callable`, a function or class without arguments that returns a torch module."""

from __future__ import annotations

import importlib
import os
import sys

from torch import nn

from gdfq_export.errors import InputError


def call(text: str) -> nn.Module:
    """Import and call what `text` names; modules in the current folder are found too.

    Raises:
        InputError: it cannot be imported, raises, needs arguments, or does not return a torch module.
    """
    module_name, _, attribute = text.partition(":")
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        target = _find(module_name, attribute, text)
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
    finally:
        if added:
            sys.path.remove(here)
    if not isinstance(result, nn.Module):
        raise InputError(f"{text} returned a {type(result).__name__}; it must return a torch.nn.Module")
    return result


def _find(module_name: str, attribute: str, text: str) -> object:
    try:
        target: object = importlib.import_module(module_name)
    except Exception as error:  # the user's own module may raise anything while it is imported
        raise InputError(
            f"cannot import {module_name} for {text} ({type(error).__name__}: {_one_line(error)}); "
            "check the name, and that it can be imported from the current folder"
        ) from error
    for part in attribute.split("."):
        if not hasattr(target, part):
            raise InputError(f"{module_name} has no {attribute}; name a callable of it that returns the network")
        target = getattr(target, part)
    return target


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
