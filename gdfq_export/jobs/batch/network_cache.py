"""Networks that this process has loaded: a worker runs many jobs of one network, and imports it once."""

from __future__ import annotations

from collections import OrderedDict

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.batch.network_source import NetworkSource

_MOST = 3  # networks
_loaded: OrderedDict[tuple[str, str], FloatModel] = OrderedDict()


def loaded(network: NetworkSource, sha256: str) -> FloatModel:
    """The float network with its teacher, loaded now or by earlier work with the same bytes and options.

    Raises:
        InputError: it cannot be loaded.
    """
    key = (sha256, network.preprocessing)
    if key not in _loaded:
        _loaded[key] = network.load()
        while len(_loaded) > _MOST:
            _loaded.popitem(last=False)
    _loaded.move_to_end(key)
    return _loaded[key]
