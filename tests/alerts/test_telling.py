from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts import telling
from gateway.alerts.lifecycle import fold
from gateway.alerts.routing import Wanted
from gateway.model import Alert, Entry, Kind, SourceRef, Status

ZONE = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_BASE = st.fixed_dictionaries(
    {},
    optional={
        **{name: _ANYTHING for name in ("kind", "severity", "status", "title", "raised_at", "source", "place")},
        "detail": st.fixed_dictionaries({}, optional={name: _ANYTHING for name in ("household", "late", "case")}),
    },
)


@given(_BASE, _ANYTHING, st.booleans(), st.text(min_size=1, max_size=12))
def test_whatever_another_node_says_a_message_comes_of_it(base: Any, to: Any, full: bool, node: str) -> None:
    entry = Entry("e", f"alert-{node}", node, 1, (), AT, "x", "raised", None, {"base": base})
    alert = fold([entry])
    assert alert is not None
    said = telling.message(alert, ZONE, full=full, escalated={"to": to})
    assert said.startswith(("【警情】", "【测试】", "【演练】")) and len(said) < 1500
    assert all(len(line) < 250 for line in said.split("\n")) and len(said.split("\n")) <= 11
    wanted = Wanted(grades=frozenset({1}), classes=("02",), areas=("51",))
    assert wanted.fits(alert) in (True, False)


def test_every_kind_says_what_to_do_and_a_drill_does_not() -> None:
    for kind in Kind:
        alert = Alert("a" * 10, "town", kind, 1, Status.ACTUAL, AT, SourceRef("camera", "c"), f"{kind} · 东")
        said = telling.message(alert, ZONE, full=True)
        assert said.splitlines()[0] == f"【警情】{kind} 1 级" and "请" in said.splitlines()[-2]


def test_how_to_answer_is_the_last_line() -> None:
    alert = Alert("alert-123456", "town", Kind.SOS, 1, Status.TEST, AT, SourceRef("terminal", "tv-1"), "求助 · 张")
    said = telling.message(alert, ZONE, full=False, answer="回电 0818")
    assert said.splitlines()[-1] == "回电 0818（town · 123456）" and "请立即联系" not in said
