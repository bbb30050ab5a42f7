"""Runs a function in several processes that share a gloo group, and gives what each returned.

A server process imports what they need once, and they are forked from it: starting them costs a tenth of a second.
"""

from __future__ import annotations

import multiprocessing
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PATIENCE = 600  # seconds, after which a process that died is noticed
_PRELOADED = ["torch", "torch.distributed", "gdfq_export", "gdfq_export.jobs.quantize", __name__]


def run_in(size: int, function: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """What `function(processes, *arguments)` returns in each of `size` processes; one process is this one.

    Args:
        size: how many processes; 1 calls the function here, with `ALONE`.
        function: of a module that can be imported; what it returns must be picklable.
        folder: an empty one, for the group's meeting point.
        arguments: picklable.
    """
    if size == 1:
        from calib.parallel.processes import ALONE

        return [function(ALONE, *arguments)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    answers = context.Queue()
    meeting = folder / f"meeting{size}{len(list(folder.iterdir()))}"
    started = [
        context.Process(target=_run, args=(rank, size, meeting, answers, function, arguments)) for rank in range(size)
    ]
    for process in started:
        process.start()
    found = dict(answers.get(timeout=_PATIENCE) for _ in started)
    for process in started:
        process.join()
    failures = [answer for answer in found.values() if isinstance(answer, _Failure)]
    assert not failures, failures[0].text
    return [pickle.loads(found[rank]) for rank in range(size)]


class _Failure:
    def __init__(self, text: str) -> None:
        self.text = text


def _run(
    rank: int, size: int, meeting: Path, answers: Any, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    import torch
    import torch.distributed

    torch.set_num_threads(1)
    from calib.parallel.launched import LaunchedProcesses

    store = torch.distributed.FileStore(str(meeting), size)
    try:
        answers.put((rank, pickle.dumps(function(LaunchedProcesses(store, rank, size), *arguments))))
    except BaseException:
        answers.put((rank, _Failure(traceback.format_exc())))
    finally:
        torch.distributed.destroy_process_group()
