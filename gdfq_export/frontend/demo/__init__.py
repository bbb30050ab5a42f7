"""The embedded demo: a small trained network and held-out digits, so that a first run needs no model and no data."""

from __future__ import annotations

from gdfq_export.frontend.demo.digits import held_out_digits
from gdfq_export.frontend.demo.labelled import held_out_set
from gdfq_export.frontend.demo.network import DemoNetwork, load_demo
