"""The page in a browser: nothing on its console, and no sideways scrolling on a phone, in either theme."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gdfq_export.views.html import render_page
from tests.report.reports import bare_report
from tests.views.html.gated import decided

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
LONG = "/very/long/" + "name" * 60
# A window cannot be as narrow as a phone, a frame can.
FRAME = """<!doctype html><iframe id="page" src="{page}" style="border:0;width:{width}px;height:2000px"></iframe>
<pre id="found"></pre>
<script>
document.getElementById("page").addEventListener("load", ({{ target }}) => {{
  const page = target.contentDocument, root = page.documentElement, found = [];
  for (const theme of ["light", "dark"]) {{
    while (!page.getElementById("theme").textContent.endsWith(theme)) page.getElementById("theme").click();
    for (const details of page.querySelectorAll("details")) details.open = true;
    const wide = [...page.querySelectorAll("main > *")].filter((part) => part.getBoundingClientRect().right > {width});
    const colour = target.contentWindow.getComputedStyle(page.body).backgroundColor;
    found.push({{ theme, colour, width: root.scrollWidth, wide: wide.map((part) => part.id) }});
  }}
  page.querySelector('[data-key="snr"]')?.click();
  const order = [...page.querySelectorAll(".layer")].map((layer) => Number(layer.dataset.snr));
  const hashes = [...page.querySelectorAll(".hash")].map((hash) => hash.getBoundingClientRect().height);
  document.getElementById("found").textContent = JSON.stringify({{ found, order, hashes }});
}});
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    return found


def look(browser: str, folder: Path, text: str, width: int) -> tuple[dict, list[str]]:
    """What the frame found, and every message on the console."""
    (folder / "page.html").write_text(text, encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(page="page.html", width=width), encoding="utf-8")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [*command, "--window-size=1400,2000", "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    shown = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    if shown is None:
        pytest.fail(f"the browser showed nothing: {done.stderr[-800:]}")
    return json.loads(shown[1]), console


def long_names():
    report = decided(max_size_ratio=0.1, min_agreement=0.99, require_parity=True)
    layers = tuple(dataclasses.replace(layer, node=LONG, tensor=LONG) for layer in report.layers.layers)
    layers = dataclasses.replace(report.layers, layers=layers, worst_tensor=LONG, unmatched_tensors=(LONG,))
    file = dataclasses.replace(report.files.quantized, name="cifar10_resnet20.onnx", sha256="8" * 64)
    files = dataclasses.replace(report.files, float_network=file, quantized=file)
    return dataclasses.replace(report, source=LONG, layers=layers, warnings=(LONG,), files=files)


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize(
    "make",
    [lambda: decided(max_size_ratio=0.1), bare_report, long_names],
    ids=["gated", "nothing", "long names"],
)
def test_the_page_fits_its_window_in_both_themes_and_says_nothing_on_the_console(
    browser: str, tmp_path: Path, make, width: int
) -> None:
    found, console = look(browser, tmp_path, render_page(make()), width)
    assert console == []
    light, dark = found["found"]
    assert (light["theme"], dark["theme"]) == ("light", "dark")
    assert light["colour"] != dark["colour"]
    for theme in (light, dark):
        assert (theme["width"], theme["wide"]) == (width, [])
    assert found["order"] == sorted(found["order"])
    assert len(found["hashes"]) > 1 and max(found["hashes"]) < 150  # not a letter a line


def test_what_is_wrong_with_a_page_would_be_seen(browser: str, tmp_path: Path) -> None:
    """The console is really read, and a page that is too wide really measured."""
    policy = re.compile(r"style-src '[^']*'")
    spoiler = "<style>main { min-width: 900px; }</style><script>1</script></head>"
    text = policy.sub("style-src 'unsafe-inline'", render_page(bare_report())).replace("</head>", spoiler)
    found, console = look(browser, tmp_path, text, 375)
    assert any("Content Security Policy" in line for line in console)
    assert found["found"][0]["width"] > 800
