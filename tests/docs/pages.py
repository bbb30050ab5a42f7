"""The pages of the project as tests see them: their links, their anchors and their blocks of code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "recipes" / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; `language` is what stands behind its fence."""

    page: Path
    language: str
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[Block]:
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(page, kind, text) for kind, text in found if kind == language]


def links(page: Path) -> list[str]:
    return _LINK.findall(re.sub(r"`[^`]*`", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """The ids that GitHub gives to headings."""
    found: dict[str, int] = {}
    ids = set()
    for title in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = found.get(plain, 0)
        ids.add(f"{plain}-{count}" if count else plain)
        found[plain] = count + 1
    return ids


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `gdfq-export ...` in blocks of commands: fenced as sh, or indented as older pages do."""
    lines = [line for block in blocks(page, "sh") for line in _joined(block.text)]
    lines += [line[4:] for line in prose(page).splitlines() if line.startswith("    gdfq-export ")]
    for line in lines:
        words = shlex.split(line, comments=True)
        if "gdfq-export" in words and (words[0] == "gdfq-export" or words[:2] == ["docker", "run"]):
            yield words[words.index("gdfq-export") + 1 :]


def mentions(page: Path) -> list[list[str]]:
    """The words behind every `gdfq-export ...` in running text."""
    return [text.split() for text in re.findall(r"`gdfq-export ([^`]+)`", prose(page).replace("\n", " "))]


def _joined(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()
