"""How long a run usually takes, said before it starts: from measured runs (docs/cost.md), without importing torch."""

from __future__ import annotations

from pathlib import Path

from gdfq_export.recipe import Recipe

_LARGE = 128 * 128  # pixels from which images come from priors, and are refined below 8 bits
_USUAL = {
    (False, False): "15 s to 2 minutes",
    (False, True): "2 to 8 minutes",
    (True, False): "20 s to 4 minutes",
    (True, True): "5 to 30 minutes",
}
"""Measured on one core, by large images and by fewer than 8 bits."""


def time_estimate(model: str | None, recipe: Recipe, budget: float | None) -> str:
    """How long quantizing the network called `model` will take, as text; `budget` is in seconds."""
    if budget is not None:
        return f"at most about {budget:g} s, measurements included"
    pixels = 64 if model is None else _pixels(Path(model))
    if pixels is None:
        return "how long depends on the image size; progress shows it"
    low_bits = min(recipe.bits.weights, recipe.bits.activations) < 8
    return f"such a run usually takes {_USUAL[pixels >= _LARGE, low_bits]} on one core"


def _pixels(path: Path) -> int | None:
    """Height x width of the images of an ONNX file, None where it does not say."""
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return None
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError):
        return None  # loading the network says what is wrong with the file
    sizes = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] if graph.input else []
    return sizes[2] * sizes[3] if len(sizes) == 4 and min(sizes[2:]) > 0 else None
