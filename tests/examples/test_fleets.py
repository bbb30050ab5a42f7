"""The files for fleets: jobs that can be read, job scripts that the queues take, a cluster for Kubernetes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from gdfq_export.jobs.batch.jobs_file import read_jobs

FOLDER = Path(__file__).parents[2] / "examples" / "fleets"


def test_the_jobs_can_be_read() -> None:
    jobs = read_jobs(FOLDER / "jobs.yaml")
    assert len(jobs) == 8 and {job.network_name for job in jobs} == {"net", "digits"}
    assert jobs[-1].gates == {"max-top1-drop-pp": 5.0, "require-parity": True}


@pytest.fixture(scope="module")
def jobqueue() -> ModuleType:
    pytest.importorskip("dask_jobqueue")
    spec = importlib.util.spec_from_file_location("jobqueue", FOLDER / "jobqueue.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("queue", "lines"),
    [
        ("slurm", ["#SBATCH -p cpu", "#SBATCH --cpus-per-task=8", "#SBATCH -t 04:00:00"]),
        ("pbs", ["#PBS -q cpu", "#PBS -l select=1:ncpus=8:mem=30GB", "#PBS -l walltime=04:00:00"]),
        ("lsf", ["#BSUB -q cpu", "#BSUB -n 8", "#BSUB -W 04:00"]),
    ],
)
def test_job_scripts(jobqueue: ModuleType, queue: str, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dask_jobqueue.lsf.lsf_detect_units", lambda: "kb")  # asks LSF itself
    with jobqueue.make_cluster(queue) as cluster:
        script = cluster.job_script()
    assert [line for line in lines if line not in script] == []
    assert "export OMP_NUM_THREADS=1" in script
    options = ("--nthreads 1 ", "--nworkers 8 ", "--resources 'memory=4000000000 cores=1'")
    assert [option for option in options if option not in script] == []


def test_the_cluster_for_kubernetes() -> None:
    cluster = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert (cluster["apiVersion"], cluster["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    (worker,) = cluster["spec"]["worker"]["spec"]["containers"]
    arguments = worker["args"]
    assert arguments[arguments.index("--nthreads") + 1] == "1"
    assert arguments[arguments.index("--resources") + 1] == "memory=8e9 cores=1"
    (scheduler,) = cluster["spec"]["scheduler"]["spec"]["containers"]
    ports = {port["name"] for port in scheduler["ports"]}
    service = cluster["spec"]["scheduler"]["service"]
    assert {port["targetPort"] for port in service["ports"]} == ports
    assert service["selector"]["dask.org/cluster-name"] == cluster["metadata"]["name"]
