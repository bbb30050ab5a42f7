"""The grid of a search: recipes x targets x seeds, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gdfq_export.errors import BackendUnavailable
from gdfq_export.recipe import Bits, Recipe, load_recipe
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.base import Backend
from gdfq_export.targets import TARGETS, find_target

USUAL_RECIPES = (
    "w8a8-ort-cpu",
    "w8a8-finetuned-ort-cpu",
    "w6a6-ort-cpu",
    "w4a8-ort-cpu",
    "mixed-ort-cpu",
    "w4a4-ort-cpu",
)


@dataclass(frozen=True, kw_only=True)
class SearchCell:
    """One recipe for one target with one seed."""

    recipe: Recipe
    seed: int

    @property
    def target(self) -> str:
        """The runtime that the file is for."""
        return self.recipe.target

    @property
    def name(self) -> str:
        """The cell in one line."""
        return f"{self.recipe.name}, {self.target}, seed {self.seed}"

    @cached_property
    def structure(self) -> str:
        """What decides the graph of the file, and so its speed and size: bits and target."""
        return f"{self.target} {self.recipe.bits.model_dump_json(exclude_defaults=True)}"

    def follows(self, other: SearchCell) -> bool:
        """Whether it is the same recipe and target with another seed."""
        return self.recipe == other.recipe and self.seed != other.seed


def make_cells(recipes: Sequence[Recipe], targets: Sequence[str], seeds: Sequence[int]) -> tuple[SearchCell, ...]:
    """All cells, without repetitions, in the order of trial: first seeds first, most bits first, least tuning first.

    Example:
        >>> [cell.name for cell in make_cells([load_recipe("w4a4"), load_recipe("w8a8")], ["openvino"], [0])]
        ['w8a8-ort-cpu, openvino, seed 0', 'w4a4-ort-cpu, openvino, seed 0']
    """
    cells = [
        SearchCell(recipe=recipe.model_copy(update={"target": find_target(target).name}), seed=seed)
        for seed in dict.fromkeys(seeds)
        for recipe in recipes
        for target in targets
    ]
    unique = list({(cell.structure, cell.recipe.model_dump_json(), cell.seed): cell for cell in cells}.values())
    order = {seed: position for position, seed in enumerate(dict.fromkeys(seeds))}
    return tuple(sorted(unique, key=lambda cell: (order[cell.seed], -sum(least_bits(cell.recipe.bits)), _tuning(cell))))


def targets_here() -> tuple[str, ...]:
    """Targets whose own runtime works on this machine, so that the speed of their files can be measured."""
    return tuple(name for name, target in TARGETS.items() if _works(BACKENDS[target.backend]))


def _works(backend: Backend) -> bool:
    try:
        backend.require()
    except BackendUnavailable:
        return False
    return True


def usual_recipes() -> tuple[Recipe, ...]:
    """Recipes that a search tries unless others are named."""
    return tuple(load_recipe(name) for name in USUAL_RECIPES)


def least_bits(bits: Bits) -> tuple[int, ...]:
    """The fewest bits of each kind of tensor: weights, activations, first and last layer, residual, input, others."""
    return _kinds(bits, bits.weights, bits.activations)


def most_bits(bits: Bits) -> tuple[int, ...]:
    """The most bits of each kind, where mixed precision raises every layer."""
    mixed = bits.mixed
    if mixed is None:
        return least_bits(bits)
    return _kinds(bits, max(bits.weights, mixed.weights), max(bits.activations, mixed.activations or 0))


def _kinds(bits: Bits, weights: int, activations: int) -> tuple[int, ...]:
    others = bits.activations if bits.others is None else bits.others
    first_last = bits.first_last if bits.mixed is None else max(bits.first_last, weights)
    return weights, activations, first_last, bits.residual, bits.input, others


def fewer_bits(bits: Bits, other: Bits) -> bool:
    """Whether `bits` has no more bits than `other` for any kind of tensor, and fewer for one of some layer.

    False where one of them has exceptions by layer, for which the kinds do not say it all.

    Example:
        >>> fewer_bits(Bits(weights=4), Bits()), fewer_bits(Bits(), Bits())
        (True, False)
    """
    if any(_has_exceptions(each) for each in (bits, other)):
        return False
    theirs = least_bits(other)
    return least_bits(bits) != theirs and all(a <= b for a, b in zip(most_bits(bits), theirs, strict=True))


def _has_exceptions(bits: Bits) -> bool:
    return bool(bits.layers or bits.keep_float or bits.keep_int16 or bits.blocks or bits.precision == "auto")


def _tuning(cell: SearchCell) -> int:
    """Steps of distillation, and 1 for refined images: what makes a recipe slow."""
    recipe = cell.recipe
    steps = 0 if recipe.tuning.finetune is None else recipe.tuning.finetune.steps
    return steps + int(recipe.data.method == "gdfq-refined")


def structures(cells: Iterable[SearchCell]) -> dict[str, SearchCell]:
    """One cell of every structure."""
    found: dict[str, SearchCell] = {}
    for cell in cells:
        found.setdefault(cell.structure, cell)
    return found
