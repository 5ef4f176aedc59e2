import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lab.report import machine, machine_line, print_json, print_table, quantile


def test_quantiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [quantile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert quantile([7.0], 0.5) == 7.0


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]))
def test_at_least_that_share_is_not_above_the_quantile(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= round(share * 1000) * len(values) / 1000


def test_the_machine_is_told() -> None:
    facts = machine()
    assert facts["cpu"] and facts["cores"] >= 1
    assert str(facts["kernel"]) in machine_line()


def test_tables_and_json_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("title", ("way", "CPU"), [("ours", "0.1 %")])
    assert "0.1 %" in capsys.readouterr().out
    print_json({"名": 1})
    assert json.loads(capsys.readouterr().out) == {"名": 1}
