"""``gateway report figures``: what is wrong is said in a sentence before any node is asked."""

from datetime import date
from pathlib import Path

import pytest

from gateway.errors import RunningError, UsageError
from gateway.report_commands import _month, figures


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text('node: {id: low, name: low, level: township, area_code: "511724001"}\ndata_dir: ./var\n')
    return path


def test_without_a_running_node_it_says_how_to_start_it(config: Path) -> None:
    with pytest.raises(RunningError, match="no node runs with"):
        figures(config, config.with_name("out.xlsx"), "2026-11")
    assert not config.with_name("out.xlsx").exists()


def test_only_tables_are_written(config: Path) -> None:
    with pytest.raises(UsageError, match=r"a \.xlsx or \.csv file is accepted"):
        figures(config, config.with_name("out.pdf"), "2026-11")


@pytest.mark.parametrize("text", ["2026-13", "2026", "26-11", "2026-11-01", "november"])
def test_a_month_is_a_year_and_a_month(text: str) -> None:
    with pytest.raises(UsageError, match="such as 2026-11"):
        _month(text)


def test_months_have_their_first_and_last_day() -> None:
    assert _month("2026-02") == (date(2026, 2, 1), date(2026, 2, 28))
    assert _month("2026-12") == (date(2026, 12, 1), date(2026, 12, 31))
    first, last = _month(None)
    assert first.day == 1 and (first.year, first.month) == (last.year, last.month)
    assert last < date.today()
