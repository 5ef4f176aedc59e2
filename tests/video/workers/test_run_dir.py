import os
import socket
from pathlib import Path

import pytest

from gateway.errors import RunningError
from gateway.video.workers.run_dir import make_private, private_directory, socket_paths


def test_sockets_live_in_the_data_dir() -> None:
    # pytest's own directories are long; a short one shows the usual case
    home = Path("/tmp") / f"gw-test-{os.getpid()}"
    home.mkdir()
    try:
        paths = socket_paths(home, 2)
        assert [path.name for path in paths] == ["video-0.sock", "video-1.sock"]
        assert paths[0].parent == home / "run"
        assert (home / "run").stat().st_mode & 0o777 == 0o700
    finally:
        (home / "run").rmdir()
        home.rmdir()


def test_a_long_data_dir_gets_a_short_private_place(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    found = private_directory(long)
    try:
        assert found == private_directory(long)
        assert found != private_directory(tmp_path / ("y" * 120))
        assert found.stat().st_mode & 0o777 == 0o700
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(found / "video-0.sock"))
        (found / "video-0.sock").unlink()
    finally:
        found.rmdir()
        private_directory(tmp_path / ("y" * 120)).rmdir()


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    with pytest.raises(RunningError, match="somebody else"):
        make_private(tmp_path / "link")
    with pytest.raises(RunningError):
        make_private(tmp_path / "file")


def test_a_directory_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert make_private(tmp_path / "open").stat().st_mode & 0o777 == 0o700
