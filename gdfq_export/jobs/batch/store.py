"""Where the results of jobs are kept, addressed by the jobs' hashes: a folder, or any address that fsspec opens.

    jobs/HASH/model.onnx, report.json, report.html, images.png, job.json
    executions/HASH-TOKEN.json                one for each time that a worker began the job

A job is complete or absent: `job.json` is written last, and what has none does not count. In a folder all files of a
job are renamed together; object stores have no rename, but put each object whole.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.support.files import parse_json, write_files
from gdfq_export.support.text import to_utf8

MODEL, REPORT, PAGE, PICTURE, MANIFEST = "model.onnx", "report.json", "report.html", "images.png", "job.json"
JOBS, EXECUTIONS = "jobs", "executions"
_LOCAL = ("file", "local")


@dataclass(frozen=True, slots=True)
class Store:
    """Results by hash; it is sent to workers as its address.

    Args:
        address: a folder, or `s3://bucket/folder` and the like; what the address needs beside it (keys, an endpoint)
            is read from the environment and fsspec's configuration, on each machine.
        options: of the file system, for `fsspec`, for instance `{"endpoint_url": ...}`; sent to workers as well.
    """

    address: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path | None:
        """The folder, where it is one of this machine."""
        protocol, _, rest = self.address.rpartition("://")
        return Path(rest) if protocol in ("", *_LOCAL) else None

    def location(self, name: str) -> str:
        """Where a file of the store is, for messages and links.

        >>> Store("s3://bucket/batch/").location("index.html")
        's3://bucket/batch/index.html'
        """
        return f"{self.address.rstrip('/')}/{name}"

    def holds(self, job: str) -> bool:
        """Whether the job with this hash is complete."""
        return self._exists(f"{JOBS}/{job}/{MANIFEST}")

    def complete(self) -> set[str]:
        """The hashes of all jobs that are complete."""
        found = self._find(f"{JOBS}/*/{MANIFEST}")
        return {path.split("/")[-2] for path in found}

    def executions(self) -> list[str]:
        """The hashes of jobs, once for each time that a worker began one."""
        return sorted(path.rpartition("/")[2].partition("-")[0] for path in self._find(f"{EXECUTIONS}/*.json"))

    def begin(self, job: str) -> None:
        """Record that this process begins the job."""
        facts = {"job": job, "host": socket.gethostname(), "process": os.getpid(), "began": time.time()}
        self.write({f"{EXECUTIONS}/{job}-{secrets.token_hex(6)}.json": json.dumps(facts) + "\n"})

    def manifest(self, job: str) -> dict[str, Any] | None:
        """What `commit` wrote as the manifest of a job; None where it is not complete.

        Raises:
            InputError: it is damaged.
        """
        if not self.holds(job):
            return None
        try:
            manifest = parse_json(self.read(job, MANIFEST))
        except ValueError as error:
            where = self.location(f"{JOBS}/{job}")
            raise InputError(f"{where}/{MANIFEST} is no JSON; remove {where}, and the job is run again") from error
        return dict(manifest)

    def commit(self, job: str, files: Mapping[str, bytes | str]) -> None:
        """Write the files of a job, `job.json` among them and last: afterwards it is complete.

        Raises:
            InputError: the store cannot be written.
        """
        ordered = sorted(files, key=lambda name: name == MANIFEST)
        self.write({f"{JOBS}/{job}/{name}": files[name] for name in ordered})

    def read(self, job: str, name: str) -> bytes:
        """A file of a job.

        Raises:
            InputError: the job has no such file.
        """
        place = f"{JOBS}/{job}/{name}"
        try:
            return bytes(self._file_system().cat_file(self._path(place)))
        except OSError as error:
            raise InputError(f"cannot read {self.location(place)}: {_reason(error)}; run the batch again") from error

    def write(self, files: Mapping[str, bytes | str]) -> None:
        """Write files by their names below the address, in this order; in a folder all or none.

        Raises:
            InputError: they cannot be written.
        """
        if (folder := self.folder) is not None:
            paths = {folder / name: data for name, data in files.items()}
            try:
                for path in paths:
                    path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"cannot make a folder in {folder}: {_reason(error)}; choose another --out") from error
            write_files(paths)
            return
        try:
            for name, data in files.items():
                self._file_system().pipe_file(self._path(name), to_utf8(data) if isinstance(data, str) else data)
        except OSError as error:
            where = self.location(next(iter(files)))
            raise InputError(
                f"cannot write {where}: {_reason(error)}; check the address, and the keys in the environment"
            ) from error

    def require_usable(self) -> None:
        """Fail where the store cannot be opened or listed, before any work is done.

        Raises:
            InputError: there is no such address, or it cannot be read.
            BackendUnavailable: the package that opens such addresses is not installed.
        """
        try:
            self._find(f"{JOBS}/*/{MANIFEST}")
        except OSError as error:
            raise InputError(
                f"cannot open the store {self.address}: {_reason(error)}; check the address, and the keys in the "
                "environment"
            ) from error

    def _file_system(self) -> Any:
        protocol = self.address.rpartition("://")[0] or "file"
        try:
            return fsspec.filesystem(protocol, **self.options)
        except ImportError as error:
            raise BackendUnavailable(
                f"the store {self.address} needs a package that is not installed ({error}); pip install "
                "'gdfq-export[fleet]' brings that for s3://, fsspec's documentation names those for others"
            ) from error
        except ValueError as error:
            raise InputError(
                f"the store {self.address} cannot be opened: {error}; give a folder or s3://..."
            ) from error

    def _path(self, name: str) -> str:
        folder = self.folder
        return f"{folder.resolve() if folder is not None else self.address.rstrip('/')}/{name}"

    def _exists(self, name: str) -> bool:
        system = self._file_system()
        system.invalidate_cache()
        return bool(system.exists(self._path(name)))

    def _find(self, pattern: str) -> list[str]:
        system = self._file_system()
        system.invalidate_cache()
        return list(system.glob(self._path(pattern)))


def _reason(error: OSError) -> str:
    return " ".join(str(error.strerror or error or type(error).__name__).split())[:200]
