"""What all pages are made with: jinja2 with our filters, style and script, and their hashes for the page's policy."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from gdfq_export.runtimes import runtime_title
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html import numerals


def environment() -> Environment:
    """Templates of this package; a name that is not given is an error."""
    made = Environment(
        loader=PackageLoader("gdfq_export.views.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["runtime"] = runtime_title
    made.filters |= {name: getattr(numerals, name) for name in numerals.__all__}
    made.tests["missing"] = lambda section: isinstance(section, NotMeasured)
    return made


def packaged(name: str) -> str:
    """The text of a file beside the templates."""
    return importlib.resources.files("gdfq_export.views.html").joinpath("templates", name).read_text(encoding="utf-8")


def content_hash(text: str) -> str:
    """SHA-256 as a Content-Security-Policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
