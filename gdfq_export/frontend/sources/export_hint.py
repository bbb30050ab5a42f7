"""The lines that export a torch network to ONNX with BatchNormalization kept, for messages.

Both exporters fold BatchNormalization into convolutions unless told otherwise; a test runs these lines.
"""

from __future__ import annotations

EXPORT_ARGUMENTS = "dynamo=True, optimize=False"
"""Of `torch.onnx.export` in torch 2.6 and later."""

OLD_EXPORT_ARGUMENTS = "dynamo=False, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False"
"""Of the exporter that traces TorchScript; leave `dynamo` out before torch 2.5."""

_NEW = f"""\
torch.onnx.export(network, (image,), "{{out}}", {EXPORT_ARGUMENTS}, external_data=False,
                  input_names=["image"], dynamic_shapes=({{{{0: torch.export.Dim("batch")}}}},))"""

_OLD = f"""\
torch.onnx.export(network, (image,), "{{out}}", {OLD_EXPORT_ARGUMENTS},
                  input_names=["image"], dynamic_axes={{{{"image": {{{{0: "batch"}}}}}}}})"""


def export_lines(load: str, out: str, *, scripted: bool = False) -> str:
    """Return Python that loads a network with the lines `load` and exports it to `out`.

    Args:
        load: lines that bind `network`.
        out: name of the .onnx file.
        scripted: the network is TorchScript, which only the old exporter takes.
    """
    old = _OLD.format(out=out)
    both = old if scripted else f"{_NEW.format(out=out)}\n# with torch before 2.6:\n# " + old.replace("\n", "\n# ")
    return (
        f"import torch\n{load}\nnetwork.eval()\nimage = torch.zeros(2, 3, 224, 224)  # the network's input size\n{both}"
    )
