"""Hooks of mkdocs: pages outside docs/ belong to the site, and links between the folders lead to them.

Pages are written for a reader of the repository: `docs/recipes.md` links to `../recipes/README.md`. On the site, docs/
is the root, so each relative link is resolved in the repository and written anew.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = "docs/"
FROM_ELSEWHERE = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md", "examples/**/*", "recipes/**/*")
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the files of other folders under their path in the repository."""
    root = Path(config.docs_dir).parent
    for pattern in FROM_ELSEWHERE:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                files.append(File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write each relative link as it is on the site."""
    del files
    source = Path(page.file.abs_src_path or "").relative_to(Path(config.docs_dir).parent).as_posix()

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link.group()))
        return posixpath.relpath(target.removeprefix(DOCS), posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(on_site, markdown)
