from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.emulation import debian_packages as module


class Commands:
    """Stands for apt and dpkg: records their command lines, and does what the packages would bring."""

    def __init__(self, folder: Path, *, fails: str = "", lists: str = "") -> None:
        self.lines: list[list[str]] = []
        self._folder, self._fails, self._lists = folder, fails, lists

    def run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        self.lines.append(command)
        if self._fails and self._fails in command:
            return subprocess.CompletedProcess(command, 100, "", "Reading...\nE: Failed to fetch the index\nE: more\n")
        if "download" in command:
            for name in ("qemu-user-static_7.2_amd64.deb", "libc6_2.36_arm64.deb"):
                (Path(str(options["cwd"])) / name).touch()
        if command[0] == "dpkg-deb" and command[-1].endswith("unpacked"):
            binaries = self._folder / "unpacked/usr/bin"
            binaries.mkdir(parents=True)
            for name in ("qemu-aarch64-static", "qemu-x86_64-static", "qemu-mips-static"):
                (binaries / name).touch()
        return subprocess.CompletedProcess(command, 0, self._lists, "")


def test_packages_of_both_architectures_come_from_lists_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(tmp_path)
    monkeypatch.setattr(module.subprocess, "run", commands.run)
    names = module.fetch_debian_packages(tmp_path, "http://mirror/debian")
    assert names == ["libc6_2.36_arm64.deb", "qemu-user-static_7.2_amd64.deb"]
    update, download, *unpacking = commands.lines
    assert update[-1] == "update"
    assert {"qemu-user-static:amd64", "libc6:arm64", "python3.11-minimal:arm64"} <= set(download)
    for line in (update, download):
        assert f"Dir::State={tmp_path / 'apt'}" in line
        assert f"Dir::Cache={tmp_path / 'apt' / 'cache'}" in line
    assert [line[-1] for line in unpacking] == [str(tmp_path / "root"), str(tmp_path / "unpacked")]
    assert {each.name for each in (tmp_path / "qemu").iterdir()} == {"qemu-aarch64", "qemu-x86_64"}
    assert not (tmp_path / "apt").exists()


@pytest.mark.parametrize("step", ["update", "download"])
def test_apt_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(module.subprocess, "run", Commands(tmp_path, fails=step).run)
    with pytest.raises(BackendUnavailable, match=r"Failed to fetch the index; check the network, or .* --mirror"):
        module.fetch_debian_packages(tmp_path, "http://mirror/debian")


def test_without_apt_the_message_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda tool: None)
    with pytest.raises(BackendUnavailable, match="apt-get and dpkg-deb are not on this machine"):
        module.require_debian_tools()


def test_without_debians_keys_the_message_names_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda tool: tool)
    with pytest.raises(BackendUnavailable, match="install the package debian-archive-keyring"):
        module.require_debian_tools(tmp_path / "keys.gpg")


def test_the_archive_is_the_one_that_apt_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "http://mirror/debian-security/\nhttp://mirror/debian/\nhttp://other/repository\n"
    monkeypatch.setattr(module.subprocess, "run", Commands(tmp_path, lists=listed).run)
    assert module.debian_archive() == "http://mirror/debian/"
    monkeypatch.setattr(module.subprocess, "run", Commands(tmp_path, lists="http://mirror/ubuntu\n").run)
    with pytest.raises(BackendUnavailable, match="no Debian archive here; give the address of one with --mirror"):
        module.debian_archive()
