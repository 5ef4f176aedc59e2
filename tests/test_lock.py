import errno
import os
import stat
from pathlib import Path

import pytest

from gateway.errors import AlreadyRunning, RunningError
from gateway.lock import hold


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_us_alone(tmp_path: Path) -> None:
    with hold(tmp_path / "a" / "data"):
        assert mode(tmp_path / "a" / "data") == 0o700


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with (
        hold(tmp_path / "data"),
        pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"),
        hold(tmp_path / "data"),
    ):
        pass
    with hold(tmp_path / "data"):
        pass


@pytest.mark.parametrize("content", [(), ("lost+found",), ("accounts.db",), ("ledger.db", "notes.txt")])
def test_a_directory_of_ours_is_closed_to_others(tmp_path: Path, content: tuple[str, ...]) -> None:
    for name in content:
        (tmp_path / name).touch()
    tmp_path.chmod(0o755)
    with hold(tmp_path):
        assert mode(tmp_path) == 0o700


def test_a_directory_that_others_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "dpkg").mkdir()
    tmp_path.chmod(0o755)
    with pytest.raises(RunningError, match="holds other files"), hold(tmp_path):
        pass
    assert mode(tmp_path) == 0o755
    assert os.listdir(tmp_path) == ["dpkg"]


def test_a_private_directory_may_hold_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    tmp_path.chmod(0o700)
    with hold(tmp_path):
        assert mode(tmp_path) == 0o700


def test_a_full_disk_does_not_keep_the_lock_from_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with hold(tmp_path / "data"), pytest.raises(AlreadyRunning, match="process unknown"), hold(tmp_path / "data"):
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sentence = r"data_dir .*/file/data cannot be used: Not a directory"
    with pytest.raises(RunningError, match=sentence), hold(tmp_path / "file" / "data"):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep", encoding="utf-8")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "lock").symlink_to(precious)
    with pytest.raises(RunningError, match="cannot be used"), hold(data):
        pass
    assert precious.read_text(encoding="utf-8") == "keep"
