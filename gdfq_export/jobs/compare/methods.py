"""What can be compared: methods from noise to real images, each at several bit widths.

Bit widths replace those of a method's recipe. All cells are scored on one set of images, so their recipes spend little
on measuring.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gdfq_export.errors import InputError
from gdfq_export.recipe import DEFAULT_RECIPE, Bits, MixedBits, Recipe, Verify, load_recipe
from gdfq_export.recipe.explain import hint
from gdfq_export.targets import find_target


class BudgetUse(Enum):
    """What a method does with a budget in seconds."""

    IGNORED = "runs as its recipe says"
    CUT = "its published steps, fewer where the budget ends before them"
    SPENT = "as many images and steps as fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMethod:
    """One method of the comparison.

    Attributes:
        title: name in tables and charts.
        images: what it calibrates and tunes on, short.
        recipe: its recipe; None takes ours for the bit widths.
        large_recipe: used instead for images of at least `LARGE` pixels a side.
        budget: what it does with a time budget.
        real: needs real images.
    """

    title: str
    images: str
    recipe: str | None = None
    large_recipe: str | None = None
    budget: BudgetUse
    real: bool = False


DEFAULT_METHODS = ("noise", "dfq", "zeroq", "gdfq", "ours", "real")
DEFAULT_BITS = ("w8a8", "w4a8", "w4a4")
METHODS = {
    "noise": ComparedMethod(title="noise", images="Gaussian noise", recipe="paper/noise", budget=BudgetUse.IGNORED),
    "dfq": ComparedMethod(title="DFQ", images="none", recipe="paper/dfq", budget=BudgetUse.IGNORED),
    "zeroq": ComparedMethod(title="ZeroQ", images="distilled", recipe="paper/zeroq", budget=BudgetUse.CUT),
    "gdfq": ComparedMethod(
        title="GDFQ",
        images="a generator trained beside the network",
        recipe="paper/gdfq",
        large_recipe="paper/gdfq-imagenet",
        budget=BudgetUse.CUT,
    ),
    "ours": ComparedMethod(title="ours", images="made from the network", budget=BudgetUse.SPENT),
    "real": ComparedMethod(title="real images", images="real, given", budget=BudgetUse.SPENT, real=True),
}
BIT_WIDTHS = {
    "w8a8": Bits(),
    "w6a6": Bits(weights=6, activations=6),
    "w6a6-first-last": Bits(weights=6, activations=6, first_last=6),
    "w5a5": Bits(weights=5, activations=5),
    "w4a8": Bits(weights=4),
    "w4a8-mixed": Bits(weights=4, first_last=4, mixed=MixedBits(growth=0.1, size_ratio=0.15)),
    "w4a4": Bits(weights=4, activations=4),
    "w4a4-first-last": Bits(weights=4, activations=4, first_last=4),
    "w4a4-everywhere": Bits(weights=4, activations=4, first_last=4, residual=4, input=4),
    "w3a3": Bits(weights=3, activations=3),
}
AS_PUBLISHED = "-first-last"  # first and last layer have the bits of all others, as in the papers
MIXED = "-mixed"  # the most sensitive layers have 8 bits, as in our recipe for these bit widths
LARGE = 64  # pixels a side from which GDFQ runs with its settings for ImageNet

_RUNTIME = DEFAULT_RECIPE.partition("-")[2]  # our recipes are named by bits and runtime
_VERIFY = Verify(agreement_images=8, parity_images=32, latency_seconds=0)


def require_known(methods: Iterable[str] = (), bits: Iterable[str] = ()) -> None:
    """Refuse unknown names of methods and bit widths.

    Raises:
        InputError: a name is unknown.
    """
    for kind, known, given in (("method", METHODS, methods), ("bits", BIT_WIDTHS, bits)):
        for name in given:
            if name not in known:
                raise InputError(f"there is no {kind} {name!r}{hint(name, known)}; give some of {', '.join(known)}")


def bits_title(bits: str) -> str:
    """Bit widths as a title.

    >>> bits_title("w4a4-everywhere")
    'W4A4 everywhere'
    """
    width, _, where = bits.partition("-")
    return f"{width.upper()} {where.replace('-', ' and ')}".rstrip()


def recipe_for(method: str, bits: str, shape: tuple[int, ...], *, target: str | None = None) -> Recipe:
    """The method's recipe at these bit widths, for images of `shape` (C, H, W); `target` replaces the recipe's.

    Raises:
        InputError: the method, the bit widths or the target are unknown.
    """
    require_known([method], [bits])
    row = METHODS[method]
    name = row.recipe or f"{bits.removesuffix(AS_PUBLISHED).removesuffix(MIXED)}-{_RUNTIME}"
    if row.large_recipe is not None and min(shape[1:], default=1) >= LARGE:
        name = row.large_recipe
    recipe = load_recipe(name).model_copy(update={"bits": BIT_WIDTHS[bits], "verify": _VERIFY})
    return recipe if target is None else recipe.model_copy(update={"target": find_target(target).name})
