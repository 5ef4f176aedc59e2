"""Who is silent, when, and whose fault it is not."""

from datetime import UTC, datetime

from gateway.reporting.attendance import Attendance, NodeState

AT = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def looked(attendance: Attendance, start: float, seconds: int, *steps: float) -> list[tuple[float, str]]:
    """Look each second (or at ``steps``); when a node's state changed."""
    found = []
    for now in steps or [start + second for second in range(seconds + 1)]:
        found += [(now - start, node) for node in attendance.look(now, AT)]
    return found


def test_silence_is_noticed_within_twenty_seconds_and_once() -> None:
    attendance = Attendance()
    attendance.look(0, AT)
    attendance.reported("zhuyang", AT, stopping=False)
    [(when, node)] = looked(attendance, 0, 60)
    assert (node, attendance.state("zhuyang"), attendance.records["zhuyang"].missed) == (
        "zhuyang",
        NodeState.SILENT,
        True,
    )
    assert 14 <= when <= 17


def test_any_sign_of_life_keeps_it_and_brings_it_back() -> None:
    attendance = Attendance()
    attendance.reported("zhuyang", AT, stopping=False)
    for second in range(60):
        attendance.look(second, AT)
        if second % 10 == 0:
            assert not attendance.heard("zhuyang", AT)
    assert attendance.state("zhuyang") is NodeState.ONLINE
    looked(attendance, 60, 30)
    assert attendance.state("zhuyang") is NodeState.SILENT
    assert attendance.heard("zhuyang", AT)
    assert attendance.state("zhuyang") is NodeState.ONLINE and not attendance.records["zhuyang"].missed


def test_our_own_standstill_is_nobodys_silence() -> None:
    attendance = Attendance()
    attendance.reported("zhuyang", AT, stopping=False)
    assert looked(attendance, 0, 0, 0, 1, 2, 3, 63, 64, 65, 66) == []
    assert attendance.state("zhuyang") is NodeState.ONLINE


def test_a_loop_that_is_always_late_still_notices() -> None:
    attendance = Attendance()
    attendance.reported("zhuyang", AT, stopping=False)
    assert looked(attendance, 0, 0, *(4.0 * step for step in range(20))) != []


def test_who_never_told_of_itself_is_not_missed() -> None:
    attendance = Attendance()
    attendance.heard("zhuyang", AT)
    assert looked(attendance, 0, 60)
    assert attendance.state("zhuyang") is NodeState.SILENT
    assert not attendance.records["zhuyang"].missed


def test_who_says_goodbye_is_missed_after_five_minutes_only() -> None:
    attendance = Attendance()
    attendance.look(0, AT)
    attendance.reported("zhuyang", AT, stopping=True)
    assert not attendance.heard("zhuyang", AT), "what was on the way comes later"
    assert looked(attendance, 0, 295) == []
    assert attendance.state("zhuyang") is NodeState.STOPPED
    [(when, _)] = looked(attendance, 296, 60)
    assert when <= 10
    assert attendance.state("zhuyang") is NodeState.STOPPED and attendance.records["zhuyang"].missed
    assert attendance.reported("zhuyang", AT, stopping=False)
    assert not attendance.records["zhuyang"].missed


def test_after_our_restart_it_has_the_full_time_to_be_heard() -> None:
    attendance = Attendance()
    attendance.restore("zhuyang", "online", AT, AT)
    assert attendance.state("zhuyang") is NodeState.UNKNOWN
    [(when, _)] = looked(attendance, 0, 60)
    assert 14 <= when <= 17
    assert attendance.records["zhuyang"].missed
