"""Fixtures of what is deployed."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def peers() -> Callable[[str], ModuleType]:
    """``peers("booted_machine")`` is tests/peers/booted_machine.py, for fixtures that outlive a test."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            f"peers.{name}", Path(__file__).parents[1] / "peers" / f"{name}.py"
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load
