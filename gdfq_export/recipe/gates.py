"""`gates:` limits on measured figures, in a recipe or in a file of their own; the keys are the flags in snake case.

Gates do not change the written file, so the hash of a recipe leaves them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gdfq_export.errors import InputError
from gdfq_export.gates import GATES, gate_help
from gdfq_export.recipe.explain import keys
from gdfq_export.recipe.section import Section
from gdfq_export.recipe.yaml_text import MOST_YAML, validated, yaml_mapping
from gdfq_export.support.files import read_text


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no limit")
    return value


_NO_FLAG = BeforeValidator(_number)
_Limit = Annotated[float, Field(allow_inf_nan=False), _NO_FLAG]
_UpTo = Annotated[float, Field(ge=0, allow_inf_nan=False), _NO_FLAG]
_Above = Annotated[float, Field(gt=0, allow_inf_nan=False), _NO_FLAG]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), _NO_FLAG]
_Cosine = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False), _NO_FLAG]


class Gates(Section):
    """Limits on measured figures; null and false set none."""

    require_rules: bool = Field(False, description=gate_help("require_rules"))
    require_parity: bool = Field(False, description=gate_help("require_parity"))
    require_in_domain: bool = Field(False, description=gate_help("require_in_domain"))
    max_top1_drop_pp: _UpTo | None = Field(None, description=gate_help("max_top1_drop_pp"))
    max_top5_drop_pp: _UpTo | None = Field(None, description=gate_help("max_top5_drop_pp"))
    min_agreement: _Share | None = Field(None, description=gate_help("min_agreement"))
    min_output_snr_db: _Limit | None = Field(None, description=gate_help("min_output_snr_db"))
    min_cosine: _Cosine | None = Field(None, description=gate_help("min_cosine"))
    min_self_map: _Share | None = Field(None, description=gate_help("min_self_map"))
    max_map_drop_pp: _UpTo | None = Field(None, description=gate_help("max_map_drop_pp"))
    min_mask_iou: _Share | None = Field(None, description=gate_help("min_mask_iou"))
    max_miou_drop_pp: _UpTo | None = Field(None, description=gate_help("max_miou_drop_pp"))
    min_rank1_agreement: _Share | None = Field(None, description=gate_help("min_rank1_agreement"))
    max_verification_drop_pp: _UpTo | None = Field(None, description=gate_help("max_verification_drop_pp"))
    min_layer_snr_db: _Limit | None = Field(None, description=gate_help("min_layer_snr_db"))
    min_integer_coverage: _Share | None = Field(None, description=gate_help("min_integer_coverage"))
    max_latency_ratio: _Above | None = Field(None, description=gate_help("max_latency_ratio"))
    max_p99_ms: _Above | None = Field(None, description=gate_help("max_p99_ms"))
    max_size_ratio: _Above | None = Field(None, description=gate_help("max_size_ratio"))

    @classmethod
    def of(cls, limits: Mapping[str, float | bool]) -> Gates:
        """The gates with these limits, by the names of gates."""
        values: dict[str, Any] = {gate.key: limits[gate.name] for gate in GATES if gate.name in limits}
        return cls(**values)

    def limits(self) -> dict[str, float | bool]:
        """The limits that are set, by the names of gates, in the order of their table."""
        held = {gate.name: getattr(self, gate.key) for gate in GATES}
        return {name: limit for name, limit in held.items() if limit is not None and limit is not False}


def load_gates(path: Path) -> Gates:
    """Read the section `gates:` of a YAML file, a recipe for instance, or a file that holds nothing but gates.

    Raises:
        InputError: the file cannot be read or is no YAML, holds no gates, or a key or value is not accepted.
    """
    what = f"gates {path}"
    text = read_text(path, f"the {what}", "give a YAML file with a section gates", most=MOST_YAML)
    content = yaml_mapping(text, what)
    if content and "gates" in content:
        beside = [key for key in content if key in Gates.model_fields]
        if beside:
            raise InputError(f"{what}: {beside[0]} stands beside the section gates; put it into the section")
        content = content["gates"] if isinstance(content["gates"], dict) else None
    if not content:
        raise InputError(f"{what}: holds no gates; give at least one of {keys(Gates)}")
    return validated(Gates, content, what)
