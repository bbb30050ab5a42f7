"""Why nodes stay float for which the target's table has a kernel, as plans and reports say it."""

from __future__ import annotations

TAIL = "in the tail, behind the values that are compared with the float network's"
"""Why a node stays float that turns those values into the outputs: a detector's heads into boxes and scores."""

KEPT = "kept float by bits.keep_float"
"""Why a node stays float that the recipe names."""

WIDE = "has 16-bit activations by bits.keep_int16: CPUs compute it in float between its pairs"
"""Why a node has no integer kernel whose activations the recipe gives 16 bits."""
