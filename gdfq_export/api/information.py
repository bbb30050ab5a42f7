"""What there is: in a file, among the recipes, on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gdfq_export.lint.inspect import InspectedFile, inspect_model
from gdfq_export.recipe import Recipe, list_recipes
from gdfq_export.targets import find_target

if TYPE_CHECKING:
    from gdfq_export.runtimes.environment.doctor import Diagnosis


def inspect(file: str | Path, targets: Iterable[str] = (), *, task: str | None = None) -> InspectedFile:
    """Read what is in an ONNX file, and which rules of a runtime it breaks; nothing is run.

    Args:
        file: an ONNX file of any tool.
        targets: whose rules to check; none: those of the target the file was made for, or of all.
        task: what the outputs of a float network mean; None: found from the graph.

    Raises:
        InputError: the file cannot be read or is no ONNX model, or there is no such target.

    Example:
        >>> import gdfq_export as gq
        >>> gq.inspect("net.int8.onnx").findings["ort-cpu"]  # doctest: +SKIP
        []
    """
    return inspect_model(Path(file), [find_target(name) for name in dict.fromkeys(targets)], task=task)


def recipes() -> tuple[Recipe, ...]:
    """Return the shipped recipes, the default first.

    Example:
        >>> import gdfq_export as gq
        >>> gq.recipes()[0].name
        'w8a8-ort-cpu'
    """
    return tuple(list_recipes())


def doctor() -> Diagnosis:
    """Return what this machine can run: runtimes, targets, devices, and whether its integer products are exact.

    Example:
        >>> import gdfq_export as gq
        >>> [runtime.name for runtime in gq.doctor().runtimes][0]
        'onnxruntime'
    """
    from gdfq_export.runtimes.environment.doctor import diagnose

    return diagnose()
