"""What is logged to stderr: our own lines from the level asked for, those of the libraries below us only at debug."""

from __future__ import annotations

import logging
import warnings

from gdfq_export.support.text import printable

LEVELS = ("debug", "info", "warning", "error")
OURS = ("gdfq_export", "calib")
LIBRARIES = ("onnxscript", "onnx_ir", "onnxruntime", "torch", "torch.onnx")


class _Printable(logging.Formatter):
    """Lines in which no name steers the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and the traceback behind it."""
        return printable(super().format(record), lines=True)


def set_up_logging(level: str) -> None:
    """Log to stderr from `level`, one of LEVELS; below debug, warnings and logs of other libraries are silenced."""
    logging.basicConfig(force=True)
    form = _Printable("%(levelname)s %(name)s: %(message)s" if level == "debug" else "%(message)s")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(form)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    if level != "debug":
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            logging.getLogger(name).setLevel(logging.CRITICAL)
