"""Results in a folder and in S3 (a local server): complete or absent, and the same from both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import gdfq_export as gq
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.cluster.work import Cluster
from tests.jobs.batch.grids import write_grid

KEYS = {"key": "test", "secret": "test"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an S3 server with the bucket `results`."""
    moto = pytest.importorskip("moto.server")
    import s3fs

    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    s3fs.S3FileSystem(endpoint_url=address, **KEYS).mkdir("results")
    yield address
    running.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store(str(tmp_path))
    address = request.getfixturevalue("server")
    return Store(f"s3://results/{uuid.uuid4()}", options={"endpoint_url": address, **KEYS})


def test_complete_or_absent(store: Store) -> None:
    store.require_usable()
    assert store.complete() == set() and store.manifest("a") is None
    store.begin("a")
    store.write({"jobs/b/model.onnx": b"half"})
    store.commit("a", {"job.json": '{"seconds": 1}', "model.onnx": b"net"})
    assert store.complete() == {"a"} and store.holds("a") and not store.holds("b")
    assert store.read("a", "model.onnx") == b"net" and store.manifest("a") == {"seconds": 1}
    assert store.executions() == ["a"]
    with pytest.raises(InputError, match=r"cannot read .*jobs/b/report.json"):
        store.read("b", "report.json")


def test_a_batch_in_s3(server: str, tmp_path: Path) -> None:
    grid = write_grid(tmp_path, seeds=(0,))
    remote = Store("s3://results/batch", options={"endpoint_url": server, **KEYS})
    found = gq.batch(grid, remote, cluster=Cluster(workers=1))
    assert found.exit_code == 0 and remote.complete() == {found.rows[0].job}
    system = remote._file_system()
    assert b"<html" in system.cat_file("s3://results/batch/index.html")
    told: list[bool] = []
    gq.batch(grid, remote, cluster=Cluster(workers=1), listener=lambda row, ran: told.append(ran))
    assert told == [False] and len(remote.executions()) == 1


def test_addresses_that_cannot_be_used(server: str, tmp_path: Path) -> None:
    nowhere = Store("s3://no-such-bucket/x", options={"endpoint_url": server, **KEYS})
    with pytest.raises(InputError, match="s3://no-such-bucket/x"):
        nowhere.commit("a", {"job.json": "{}"})
    with pytest.raises(InputError, match="cannot be opened"):
        Store("nonsense://x").require_usable()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another --out"):
        Store(str(tmp_path / "file")).commit("a", {"job.json": "{}"})


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(protocol: str, **options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.filesystem", missing)
    with pytest.raises(BackendUnavailable, match=r"pip install 'gdfq-export\[fleet\]'"):
        Store("s3://bucket/x").require_usable()
