"""Addresses of the configuration that are refused before anything is dialled."""

from pathlib import Path

import pytest

from gateway.commands import read_config
from gateway.errors import ConfigError

NODE = "node: {id: v1}\ndata_dir: var\nhttp: {listen: '127.0.0.1:8080'}\n"


def read(path: Path, camera: str, allow: str = "") -> list[str]:
    file = path / "node.yaml"
    file.write_text(f"{NODE}{allow}cameras:\n  - {{id: c1, {camera}}}\n", "utf-8")
    try:
        read_config(file)
    except ConfigError as error:
        return list(error.faults)
    return []


@pytest.mark.parametrize(
    ("camera", "allow", "words"),
    [
        ("onvif: {host: 169.254.169.254}", "", "camera c1: 169.254.169.254 is where a cloud"),
        ("onvif: {host: '2852039166'}", "", "where a cloud"),
        ("rtsp: {main: 'rtsp://[::ffff:169.254.169.254]/1'}", "", "where a cloud"),
        ("rtsp: {main: 'rtsp://0.0.0.0/1'}", "", "no address of a device"),
        ("rtsp: {main: 'http://127.0.0.1:8080/x'}", "", "127.0.0.1:8080 is this gateway itself"),
        ("onvif: {host: '0x7f000001', port: 8080}", "", "is this gateway itself"),
        (
            "rtsp: {main: 'rtsp://10.1.0.5/1'}",
            "allow: {cameras: [10.2.0.0/16]}\n",
            "in none of the networks that allow.cameras",
        ),
        (
            "rtsp: {main: 'file:///etc/passwd'}",
            "allow: {schemes: [rtsp]}\n",
            "none of the schemes that allow.schemes names (rtsp)",
        ),
        ("onvif: {host: 10.0.0.5}", "allow: {cameras: [10.0.0.0/40]}\n", "10.0.0.0/40: no network"),
    ],
)
def test_what_is_refused(tmp_path: Path, camera: str, allow: str, words: str) -> None:
    [fault] = read(tmp_path, camera, allow)
    assert words in fault


@pytest.mark.parametrize(
    ("camera", "allow"),
    [
        ("rtsp: {main: 'rtsp://127.0.0.1:8554/1'}", ""),
        ("rtsp: {main: 'udp://239.1.1.1:5000'}", ""),
        ("rtsp: {main: 'file:///tmp/x.mp4'}", ""),
        ("onvif: {host: 10.2.0.5}", "allow: {cameras: [10.2.0.0/16]}\n"),
        ("onvif: {host: cam.local}", "allow: {cameras: [10.2.0.0/16]}\n"),
    ],
)
def test_what_is_not(tmp_path: Path, camera: str, allow: str) -> None:
    assert read(tmp_path, camera, allow) == []
