"""The Python packages that a run used: gdfq-export and all that its requirements name, as they are installed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r";.*\bextra\b")
_ROOT = "gdfq-export"


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One installed package; `license` is its SPDX expression, empty where it states none; `requires` are names."""

    name: str
    version: str
    license: str
    requires: tuple[str, ...]

    @property
    def url(self) -> str:
        """Its package URL.

        >>> Package("torch", "2.13.0+cpu", "", ()).url
        'pkg:pypi/torch@2.13.0%2Bcpu'
        """
        return f"pkg:pypi/{self.name}@{self.version.replace('+', '%2B')}"


def installed_packages(*more: str) -> tuple[Package, ...]:
    """gdfq-export, packages called `more`, and what they require, by name; what is not installed is left out."""
    found: dict[str, Package] = {}
    waiting = [_ROOT, *more]
    while waiting:
        name = _normalized(waiting.pop())
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        needed = [_NAME.match(line) for line in distribution.requires or () if not _EXTRA.search(line)]
        requires = tuple(sorted({_normalized(match[0]) for match in needed if match is not None}))
        stated = str(distribution.metadata.json.get("license_expression", ""))
        found[name] = Package(name, distribution.version, stated, requires)
        waiting += requires
    return tuple(sorted(found.values()))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
