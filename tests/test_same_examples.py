"""Properties play the same examples in every run: what is red on one machine is red on all."""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def examples() -> list[list[int | str]]:
    seen: list[list[int | str]] = []

    @given(st.lists(st.integers() | st.text()))
    def play(drawn: list[int | str]) -> None:
        seen.append(drawn)

    play()
    return seen


def test_a_module_that_is_loaded_meanwhile_changes_no_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not settings.default.derandomize:
        pytest.skip("this run looks for other examples")
    before = examples()
    path = tmp_path / "late.py"
    path.write_text("".join(f"a{number} = {1000 + number}, 'word {number}'\n" for number in range(100)))
    spec = importlib.util.spec_from_file_location("late", path)
    assert spec is not None and spec.loader is not None
    late = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "late", late)
    spec.loader.exec_module(late)
    assert examples() == before
