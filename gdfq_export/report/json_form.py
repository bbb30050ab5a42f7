"""Report dataclasses to JSON data and back.

A figure that was not measured is null, and `reasons` holds why under the figure's dotted name. Keys of schema versions
1 to 3 that were renamed in version 4 are read under their old names.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gdfq_export.errors import InputError, InternalError
from gdfq_export.support.files import parse_json, read_text
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import shown

SCHEMA_VERSION = 4

T = TypeVar("T")

_PLAIN: Mapping[Any, str] = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
_OLD_KEYS: Mapping[str, Mapping[str, str]] = {
    "BudgetFacts": {"seconds_spent": "spent"},
    "Coverage": {
        "operator_counts": "operators", "remaining_quantize": "quantize", "remaining_dequantize": "dequantize",
    },
    "Curve": {"metric": "figure", "total_steps": "total"},
    "LayerError": {
        "input_snr_db": "inputs_snr_db", "added_noise_ratio": "added", "float_min": "seen_low",
        "float_max": "seen_high",
        "range_min": "low", "range_max": "high", "out_of_range_fraction": "beyond", "levels_used": "codes_used",
        "levels": "codes", "channels_rescaled": "scaled",
    },
    "LayerErrors": {"unmatched_tensors": "unmatched", "worst_tensor": "worst"},
    "ParityResult": {
        "outputs_differing": "logits_differing", "outputs_changed_by_extra_outputs": "logits_changed_by_tapping",
    },
    "Timings": {"relative_iqr": "drift"},
    "WeightCodes": {
        "scale_count": "scales", "scale_min": "scale_low", "scale_max": "scale_high", "code_min": "code_low",
        "code_max": "code_high", "at_range_limits_fraction": "at_limits", "zero_channels": "unused_channels",
    },
}  # fmt: skip
"""Keys of schema versions 1 to 3 by their names in version 4, by dataclass."""

_OLD_VALUES = {"not decidable": "inconclusive"}


def to_json_data(value: object, key: str, reasons: dict[str, str]) -> Any:
    """JSON data of `value`, which stands at the dotted `key`; adds why figures are missing to `reasons`.

    Raises:
        InternalError: a number is NaN or infinite, or a type has no JSON form.
    """
    prefix = f"{key}." if key else ""
    if isinstance(value, NotMeasured):
        reasons[key] = value.reason
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_json_data(item, f"{prefix}{name}", reasons) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_data(item, f"{prefix}{index}", reasons) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InternalError(f"the report's {key} is {value}; a figure must be finite or say why it was not measured")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InternalError(f"the report's {key} is a {type(value).__name__}, which has no JSON form")


def read_report_json(path: Path, what: str, *, oldest: int = 1) -> Mapping[str, Any]:
    """The JSON data of a report from schema version `oldest` on; `what` names the file in messages.

    Raises:
        InputError: the file cannot be read or is not a report of a known version.
    """
    try:
        body = parse_json(read_text(path, what, "give a report that --json wrote"))
    except ValueError as error:
        raise InputError(f"{what} is not JSON or is cut short ({error}); give a whole report") from error
    version = body.get("schema_version") if isinstance(body, dict) else None
    if version is None:
        raise InputError(f"{what} is not a report of this tool; give one that --json or --report wrote")
    if isinstance(version, bool) or version not in range(oldest, SCHEMA_VERSION + 1):
        raise InputError(
            f"{what} has schema_version {shown(version)}; versions {oldest} to {SCHEMA_VERSION} can be read here"
        )
    return {"resources": None, **body} if version == 1 else body


def from_json(kind: type[T], body: Mapping[str, Any], what: str) -> T:
    """The dataclass `kind` from the JSON data of a whole report; `what` names the file in messages.

    Keys that `kind` does not have are ignored.

    Raises:
        InputError: a key is missing or its value has another type; names `what` and the dotted key.
    """
    reasons = _Decoder(what, {}).value(Mapping[str, str], body.get("reasons"), "reasons")
    decoded: T = _Decoder(what, reasons).value(kind, body, "")
    return decoded


@dataclasses.dataclass(frozen=True, slots=True)
class _Decoder:
    what: str
    reasons: Mapping[str, str]

    def value(self, kind: Any, value: Any, key: str) -> Any:
        """`value` at the dotted `key` as the annotated type `kind`."""
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Any:
            return value
        if kind in _PLAIN:
            return self._plain(kind, value, key)
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind, value, key)
        if origin in (Union, UnionType):
            return self._union(arguments, value, key)
        if origin is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
            return self._choice(arguments or tuple(kind), value, key)
        if issubclass(origin, Mapping):
            items = self._mapping(value, key).items()
            return {name: self.value(arguments[1], item, f"{key}.{name}") for name, item in items}
        assert issubclass(origin, Sequence), f"a report holds no {kind}"
        if not isinstance(value, list):
            raise self._wrong(value, key, "a list")
        return tuple(self.value(arguments[0], item, f"{key}.{index}") for index, item in enumerate(value))

    def _plain(self, kind: Any, value: Any, key: str) -> Any:
        fits = isinstance(value, (int, float) if kind is float else kind)
        if kind in (int, float):
            fits = fits and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        if not fits:
            raise self._wrong(value, key, _PLAIN[kind])
        return value

    def _choice(self, choices: Sequence[Any], value: Any, key: str) -> Any:
        known = _OLD_VALUES.get(value, value) if isinstance(value, str) else value
        if known not in choices:
            raise self._wrong(value, key, f"one of {', '.join(map(str, choices))}")
        return choices[choices.index(known)]

    def _union(self, kinds: Sequence[Any], value: Any, key: str) -> Any:
        if value is None and NotMeasured in kinds:
            return NotMeasured(reason=self.reasons.get(key, "the report does not say why"))
        if value is None and NoneType in kinds:
            return None
        inner = [kind for kind in kinds if kind not in (NotMeasured, NoneType)]
        return self.value(next((kind for kind in inner if kind is type(value)), inner[0]), value, key)

    def _dataclass(self, kind: Any, value: Any, key: str) -> Any:
        found, hints, old = self._mapping(value, key), get_type_hints(kind), _OLD_KEYS.get(kind.__name__, {})
        values = {}
        for field in dataclasses.fields(kind):
            name = field.name if field.name in found else old.get(field.name, field.name)
            dotted = f"{key}.{name}" if key else name
            if name in found:
                values[field.name] = self.value(hints[field.name], found[name], dotted)
            elif field.default is dataclasses.MISSING:
                raise InputError(f"{self.what} has no key {dotted}; measure it again with --json")
        return kind(**values)

    def _mapping(self, value: Any, key: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(value, key, "a mapping")
        return value

    def _wrong(self, value: Any, key: str, accepted: str) -> InputError:
        return InputError(f"{self.what} has {shown(value)} as {key}, which must be {accepted}; measure it again")
