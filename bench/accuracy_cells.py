"""The cells of the accuracy table: which network, at which bits, by which method, with which seed, in how much time.

Methods, bit widths and their recipes are those of `gdfq_export.jobs.compare.methods`. Nothing here needs torch, so that
listing and starting cells is quick and small.
"""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.jobs.compare.methods import AS_PUBLISHED, BIT_WIDTHS, bits_title, recipe_for
from gdfq_export.jobs.compare.methods import METHODS as COMPARED
from gdfq_export.recipe import Recipe

__all__ = [
    "BIT_WIDTHS",
    "LIMITS",
    "METHODS",
    "NETWORKS",
    "REAL_IMAGES",
    "SCORED_IMAGES",
    "TABLE_BITS",
    "Cell",
    "Limit",
    "bits_title",
    "budget_of",
    "reason_against",
    "recipe_of",
]

NETWORKS = (
    "demo",
    "cifar10_resnet20",
    "cifar10_resnet20_cy",
    "cifar10_resnet32",
    "cifar10_resnet8_mlperftiny",
    "cifar10_resnet18",
    "cifar10_resnet50",
    "cifar10_mobilenetv2",
    "cifar10_shufflenet",
    "cifar100_resnet20_cy",
    "imagenet_tinydarknet_224",
    "imagenet_mobilenetv1_025_224",
    "imagenet_mobilenetv2_224",
)
METHODS = {key: method.title for key, method in COMPARED.items()}
TABLE_BITS = tuple(name for name in BIT_WIDTHS if not name.endswith(AS_PUBLISHED))
SCORED_IMAGES = {
    "cifar10": "cifar10_test_dev.npz",
    "cifar100": "cifar100_mixed_dev.npz",
    "imagenet": "imagenet_val",
}
REAL_IMAGES = {"cifar10": "cifar10_train_5000.npz"}  # the demo has its training digits, others the half not scored

_MINUTES = {"w8a8": 2, "w6a6": 2, "w5a5": 5, "w4a8": 5, "w4a8-mixed": 5, "w4a4": 10, "w4a4-everywhere": 10, "w3a3": 20}
_MORE_FOR_LARGE = 3  # times the minutes, for networks that take 224 x 224


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run. `network` is a name of `NETWORKS`, or what `load_model` reads, for instance pytorchcv:resnet18."""

    network: str
    bits: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its file of results."""
        network = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in self.network)
        return f"{network}-{self.bits}-{self.method}-seed{self.seed}"

    @property
    def images_key(self) -> str:
        """The data set the network is for, as the first word of its name says."""
        return self.network.partition("_")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What was promised of ours: time in minutes, and the drop in points that must be, and is aimed to be, kept."""

    network: str
    bits: str
    minutes: float
    must: float
    aim: float


def _limits(network: str, bits: str, minutes: float, must: float, aim: float) -> Limit:
    return Limit(network=network, bits=bits, minutes=minutes, must=must, aim=aim)


def _of_the_paper(network: str, must_at_4: float, aim_at_4: float) -> tuple[Limit, ...]:
    return (
        _limits(network, "w8a8", 2, 0.3, 0.1),
        _limits(network, "w6a6", 5, 1.0, 0.5),
        _limits(network, "w4a4", 15, must_at_4, aim_at_4),
    )


LIMITS = (
    _limits("cifar10_resnet20", "w8a8", 2, 0.2, 0.1),
    _limits("cifar10_resnet20", "w6a6", 2, 0.4, 0.2),
    _limits("cifar10_resnet20", "w4a8", 5, 0.8, 0.4),
    _limits("cifar10_resnet20", "w4a4", 10, 1.3, 0.8),
    _limits("cifar10_resnet20", "w4a4-everywhere", 10, 5.0, 3.0),
    _limits("cifar10_resnet20", "w3a3", 20, 9.0, 5.0),
    _limits("cifar10_resnet20_cy", "w4a4", 10, 1.3, 0.8),
    _limits("cifar10_resnet32", "w4a4", 10, 1.3, 0.8),
    _limits("cifar10_resnet8_mlperftiny", "w4a4", 10, 1.3, 0.8),
    *_of_the_paper("cifar10_resnet18", 3.0, 1.5),
    *_of_the_paper("cifar10_resnet50", 1.5, 0.8),
    *_of_the_paper("cifar10_mobilenetv2", 1.5, 0.8),
    *_of_the_paper("cifar10_shufflenet", 3.0, 1.5),
    _limits("imagenet_tinydarknet_224", "w8a8", 5, 1.0, 0.5),
    _limits("imagenet_tinydarknet_224", "w4a8", 15, 3.0, 1.0),
    _limits("imagenet_tinydarknet_224", "w4a4", 60, 10.0, 5.0),
    _limits("imagenet_mobilenetv1_025_224", "w8a8", 5, 2.0, 1.0),
    _limits("imagenet_mobilenetv1_025_224", "w4a8", 30, 4.0, 2.0),
    _limits("imagenet_mobilenetv2_224", "w8a8", 5, 1.0, 0.5),
    _limits("imagenet_mobilenetv2_224", "w6a6", 15, 2.0, 1.0),
    _limits("imagenet_mobilenetv2_224", "w4a8", 30, 5.0, 2.5),
    _limits("imagenet_mobilenetv2_224", "w4a4", 60, 15.0, 6.0),
)


def budget_of(network: str, bits: str) -> float:
    """Seconds that a cell may take: what the limits say, the usual minutes for its bits elsewhere."""
    for limit in LIMITS:
        if (limit.network, limit.bits) == (network, bits):
            return 60 * limit.minutes
    small = network in NETWORKS and not network.startswith("imagenet")
    return 60.0 * _MINUTES[bits.removesuffix(AS_PUBLISHED)] * (1 if small else _MORE_FOR_LARGE)


def reason_against(cell: Cell) -> str | None:
    """Why a cell cannot be run with the images there are; None where it can."""
    if cell.method == "real" and cell.network != "demo" and cell.images_key not in SCORED_IMAGES:
        return "no real images beside those that are scored"
    return None


def recipe_of(cell: Cell, shape: tuple[int, int, int]) -> Recipe:
    """The method's recipe at the cell's bit widths, for images of `shape` (C, H, W).

    Raises:
        InputError: the method or the bit widths are unknown.
    """
    return recipe_for(cell.method, cell.bits, shape)
