"""`budget:` what a run with `--budget` may buy beyond the recipe's own numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gdfq_export.recipe.section import Count, Section

__all__ = ["Budget"]


class Budget(Section):
    """Limits beyond which time buys nothing; without `--budget` none of it is used."""

    images: Count = Field(1024, description="images refined at most")
    finetune_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="steps of fine-tuning at most, where the recipe itself has fewer"
    )
    finetune_batch: Annotated[int, Field(ge=2)] = Field(64, description="images of a step of it")
