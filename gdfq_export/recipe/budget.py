"""`budget:` upper limits of images and steps for a run with a time budget (`--budget`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gdfq_export.recipe.section import Count, Section


class Budget(Section):
    """Upper limits of a run with `--budget`; more would not improve the result. Unused without `--budget`."""

    images: Count = Field(1024, description="most images to refine")
    finetune_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="most fine-tuning steps, where the recipe itself has fewer"
    )
    finetune_batch: Annotated[int, Field(ge=2)] = Field(64, description="images per fine-tuning step")
