"""A small clip for all tests of the lab, encoded once a session."""

import pytest

from gateway.lab.encoder import Clip, Coding, encode_clip
from gateway.model import Scene


@pytest.fixture(scope="session")
def small_clip() -> Clip:
    """Two seconds, 320×180, 25 pictures a second, GOP 25."""
    return encode_clip(Scene.STREET, Coding(320, 180, fps=25, gop=25, bitrate=600_000, preset="ultrafast"), 2.0)
