"""What goes wrong gives a plain sentence: on the command line, in the camera list, on the alert."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

CAMERA = "51172400001310000001"
ROOT = Path(__file__).parents[2]


def test_a_wrong_camera_password_is_tried_once_and_said(town, seen) -> None:  # type: ignore[no-untyped-def]
    def wrong(document: Any) -> None:
        document["cameras"][0]["rtsp"]["password"] = "not-the-password"

    town.edit(wrong)
    town.start()
    town.wait_for_camera(CAMERA, "auth_failed")
    camera = town.township.get(f"/cameras/{CAMERA}")
    assert camera["reason"]
    assert "not-the-password" not in str(camera) + town.township.logged()


def test_a_camera_that_never_answers_delays_nothing(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts by its backlog, and says nothing

        def mute(document: Any) -> None:
            document["cameras"][0]["rtsp"] = {"main": f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"}

        town.edit(mute)
        town.start()
        tv = television("tv-0001")
        tv.press({"press_id": "p1"})
        seen("R1", lambda: tv.heard("p1", "received"))
        seen("R2", lambda: tv.heard("p1", "forwarded"))

        def failed() -> list[str]:
            (alert,) = town.county.alerts()
            return [s["reason"] for c in alert["cameras"] for s in c["snapshots"] if s["state"] == "failed"]

        reasons = seen("a reason at the county", failed)
        assert all(reasons)


def test_a_port_in_use_is_said_and_ends_with_1(town) -> None:  # type: ignore[no-untyped-def]
    port = int(town.county.base.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        done = town.county.command("run")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr


def test_a_second_gateway_on_one_data_dir_is_refused(town) -> None:  # type: ignore[no-untyped-def]
    town.county.start()
    done = town.county.command("run")
    assert done.returncode == 1
    assert "another gateway" in done.stderr


def test_a_data_dir_that_cannot_be_made_is_said(town) -> None:  # type: ignore[no-untyped-def]
    town.edit(lambda document: document.update(data_dir="/proc/none/here"))
    done = town.township.command("run")
    assert done.returncode == 1
    assert "/proc/none/here" in done.stderr


def test_a_typo_in_the_configuration_names_line_key_and_the_nearest(town) -> None:  # type: ignore[no-untyped-def]
    text = town.county.config.read_text(encoding="utf-8").replace("listen:", "lisen:", 1)
    town.county.config.write_text(text, encoding="utf-8")
    for words in (("check",), ("run",)):
        done = town.county.command(*words)
        assert done.returncode == 2
        assert "http.lisen: unknown key; the nearest known key is listen" in done.stderr


def test_a_missing_configuration_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "-c", "/nowhere/node.yaml"],
        capture_output=True, text=True, timeout=120, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "/nowhere/node.yaml: there is no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_belongs_to_one_node_id(town) -> None:  # type: ignore[no-untyped-def]
    town.county.start()
    assert town.county.stop() == 0
    text = town.county.config.read_text(encoding="utf-8").replace("id: dazhu", "id: other")
    town.county.config.write_text(text, encoding="utf-8")
    done = town.county.command("run")
    assert done.returncode == 2
    assert "holds the ledger of node dazhu" in done.stderr
