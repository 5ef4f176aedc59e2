from datetime import UTC, datetime

from gateway.alerts.register import Register
from gateway.model import Camera, Terminal

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_a_sign_of_life_is_online_and_a_last_will_is_offline() -> None:
    register = Register([], [Terminal("tv-1")])
    assert register.presence("tv-1").online is None
    register.seen("tv-1", NOW)
    assert register.presence("tv-1").online is True
    register.seen("tv-1", NOW, online=False)
    assert (register.presence("tv-1").online, register.presence("tv-1").last_seen) == (False, NOW)
    assert register.changes == 2


def test_strangers_are_bounded_and_never_push_out_the_known() -> None:
    register = Register([], [Terminal("tv-1")])
    for number in range(10_100):
        register.seen(f"stranger-{number}", NOW)
    register.seen("tv-1", NOW)
    assert register.presence("tv-1").online is True
    assert register.presence("stranger-10099").online is None


def test_a_reload_keeps_presence() -> None:
    register = Register([], [Terminal("tv-1")])
    register.seen("tv-1", NOW)
    register.replace(Register([Camera("c", "c")], [Terminal("tv-1"), Terminal("tv-2")]))
    assert [one.id for one in register.terminals()] == ["tv-1", "tv-2"]
    assert register.camera("c") is not None
    assert register.presence("tv-1").online is True


def test_those_whose_presence_changed_are_named_and_strangers_are_not() -> None:
    register = Register([], [Terminal("tv-1"), Terminal("tv-2"), Terminal("tv-3")])
    register.seen("tv-1", NOW)
    register.seen("tv-2", NOW)
    seen = register.changes
    assert register.presence_changes(seen) == []
    register.seen("stranger", NOW)
    register.seen("tv-1", NOW, pressed=True)
    register.seen("tv-3", NOW)
    register.seen("tv-1", NOW, online=False)
    assert sorted(register.presence_changes(seen)) == ["tv-1", "tv-3"]
    assert sorted(register.presence_changes(0)) == ["tv-1", "tv-2", "tv-3"]
    before = register.replaced
    register.replace(Register([], [Terminal("tv-3")]))
    assert (register.replaced, register.presence_changes(0)) == (before + 1, ["tv-3"])
