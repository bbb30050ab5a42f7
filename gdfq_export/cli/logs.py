"""What is logged to stderr: our own lines from the level asked for, those of the libraries below us only at debug."""

from __future__ import annotations

import logging
import warnings

LEVELS = ("debug", "info", "warning", "error")
OURS = ("gdfq_export", "calib")
LIBRARIES = ("onnxscript", "onnx_ir", "onnxruntime", "torch", "torch.onnx")


def set_up_logging(level: str) -> None:
    """Log to stderr from `level`, one of LEVELS; below debug, warnings and logs of other libraries are silenced."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s" if level == "debug" else "%(message)s", force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    if level != "debug":
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            logging.getLogger(name).setLevel(logging.CRITICAL)
