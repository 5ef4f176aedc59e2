import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kinds import SINKS, SOURCES
from gateway.config import Settings, load
from gateway.config.in_force import approve, new_key, read_record, take_approval, write_record
from gateway.config.plan import Difference, Plan, plan, record
from gateway.errors import UsageError

KEY = bytes(32)


def settings(directory: Path, cameras: str = "", rest: str = "", terminals: str = "") -> Settings:
    path = directory / "node.yaml"
    path.write_text(
        f"node: {{id: zhuyang}}\ndata_dir: var\n{rest}cameras:\n{cameras or '  []'}\nterminals:\n{terminals or '  []'}\n"
    )
    return load(path, sources=SOURCES, sinks=SINKS).settings


def camera(name: str, sub: str = "rtsp://10.0.0.1/s", password: str = "geheim") -> str:
    return f"  - {{id: {name}, rtsp: {{sub: '{sub}', username: u, password: {password}}}}}\n"


def planned(tmp_path: Path, before: str, after: str, *, rest: tuple[str, str] = ("", "")) -> Plan:
    old = record(settings(tmp_path, before, rest[0]), KEY)
    return plan(old, record(settings(tmp_path, after, rest[1]), KEY), 0.2)


def test_what_is_added_removed_changed_and_kept_is_named(tmp_path: Path) -> None:
    before = camera("a") + camera("b") + camera("c") + camera("d")
    after = camera("e") + camera("c", password="anders") + camera("d", sub="rtsp://10.0.0.2/s") + camera("a")
    found = planned(tmp_path, before, after)
    assert found.cameras == Difference(("e",), ("b",), {"c": ("rtsp.password",), "d": ("rtsp.sub",)}, 1)
    assert found.terminals == Difference() and found.restart == () and found.refusal() is None
    assert list(found.lines()) == [
        "+ camera e",
        "- camera b",
        "~ camera c (rtsp.password)",
        "~ camera d (rtsp.sub)",
        "= 1 cameras kept",
        "= 0 terminals kept",
        "cameras: 1 added, 1 removed, 2 changed, 1 kept; terminals: 0 added, 0 removed, 0 changed, 0 kept",
    ]


def test_the_same_configuration_changes_nothing(tmp_path: Path) -> None:
    found = planned(tmp_path, camera("a"), camera("a"))
    assert found.changes_nothing and found.cameras.kept == 1


def test_what_takes_effect_at_the_next_start_only_is_named_by_its_key(tmp_path: Path) -> None:
    sink = "sinks: [{kind: cascade, id: county, url: 'http://127.0.0.1:%d', token: t}]\nreload: {most_removed: %s}\n"
    found = planned(tmp_path, camera("a"), camera("a"), rest=(sink % (1, 0.1), sink % (2, 0.2)))
    assert found.restart == ("sinks.0.url",)
    assert not found.changes_nothing
    assert "! sinks.0.url: takes effect at the next start" in found.lines()


@pytest.mark.parametrize(
    ("known", "left", "refused"),
    [(100, 80, False), (100, 79, True), (20, 16, False), (5, 0, True), (4, 0, True), (4, 1, False), (1, 0, False)],
)
def test_a_plan_that_removes_too_much_is_refused(tmp_path: Path, known: int, left: int, refused: bool) -> None:
    before = "".join(camera(f"c{number}") for number in range(known))
    after = "".join(camera(f"c{number}") for number in range(left))
    sentence = planned(tmp_path, before, after).refusal()
    assert (sentence is not None) is refused
    if sentence is not None:
        assert f"removes {known - left} of {known} cameras" in sentence and "--yes" in sentence and "20%" in sentence


def test_terminals_are_guarded_too(tmp_path: Path) -> None:
    many = "".join(f"  - {{id: tv-{number}}}\n" for number in range(10))
    old, new = (record(settings(tmp_path, terminals=text), KEY) for text in (many, ""))
    assert "removes 10 of 10 terminals" in (plan(old, new, 0.2).refusal() or "")


def test_the_digest_names_this_very_plan(tmp_path: Path) -> None:
    one = planned(tmp_path, camera("a") + camera("b"), camera("a"))
    again = planned(tmp_path, camera("a") + camera("b"), camera("a"))
    other = planned(tmp_path, camera("a") + camera("b"), camera("b"))
    assert one.digest == again.digest != other.digest


def test_a_node_that_never_ran_has_all_to_add(tmp_path: Path) -> None:
    found = plan(None, record(settings(tmp_path, camera("a")), KEY), 0.2)
    assert found.cameras.added == ("a",) and found.restart == ()


def test_what_lies_on_disk_is_private_and_holds_no_secret(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    written = record(settings(tmp_path, camera("a", password="sehr-geheim")), new_key())
    write_record(tmp_path, written)
    path = tmp_path / "in-force.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    for value in ("sehr-geheim", "10.0.0.1", "zhuyang"):
        assert value not in text
    assert read_record(tmp_path) == written
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"form": 9}', '{"form": 1, "key": "xy"}', "\x00"])
def test_a_record_that_is_not_understood_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "in-force.json").write_text(text)
    assert read_record(tmp_path) is None


def test_a_record_that_may_not_be_read_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "in-force.json").mkdir()
    with pytest.raises(UsageError, match=r"in-force.json: cannot be read: .*the node's own user"):
        read_record(tmp_path)


def test_an_approval_serves_its_own_plan_once(tmp_path: Path) -> None:
    assert not take_approval(tmp_path, "abc")
    approve(tmp_path, "abc")
    assert not take_approval(tmp_path, "abd")
    assert take_approval(tmp_path, "abc")
    assert not take_approval(tmp_path, "abc")


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_every_camera_is_counted_once(before: set[int], after: set[int], altered: set[int]) -> None:
    def cameras(numbers: set[int], marks: set[int]) -> Settings:
        listed = [{"id": f"c{n}", "name": "new" if n in marks else "old"} for n in sorted(numbers)]
        return Settings.model_validate({"node": {"id": "z"}, "data_dir": "var", "cameras": listed})

    found = plan(record(cameras(before, set()), KEY), record(cameras(after, altered), KEY), 0.2).cameras
    assert {int(name[1:]) for name in found.added} == after - before
    assert {int(name[1:]) for name in found.removed} == before - after
    assert {int(name[1:]) for name in found.changed} == before & after & altered
    assert found.kept == len((before & after) - altered)
    assert found.before == len(before)
