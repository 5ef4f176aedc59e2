"""What a county keeps of what lower nodes tell: honest ones, other programs, and hostile ones."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import CameraState, Scene
from gateway.ports import Report
from gateway.reporting import subtree as limits
from gateway.reporting import wire
from gateway.reporting.attendance import NodeState
from gateway.reporting.subtree import Subtree

INVENTORY, HEALTH = "gateway.inventory.v1", "gateway.health.v1"


def report(node: str, kind: str, **data: Any) -> Report:
    return Report("r", kind, node, "0" * 64, len(json.dumps(data)), data)


def cameras(county: Subtree, node: str) -> dict[str, str]:
    holding = county.holding(node)
    assert holding is not None
    return {held.id: held.state for held in holding.cameras}


def test_what_the_contract_names_is_enough(county, clock) -> None:
    shown = {"id": "c1", "name": "东", "scene": "rural", "place": {"lon": 107.2, "lat": 30.7}, "state": "online"}
    county.take(
        report("zhuyang", INVENTORY, cameras=[shown], terminals=[{"id": "tv-1", "state": "offline"}]), "zhuyang"
    )
    held = county.camera("zhuyang", "c1")
    assert held is not None and held.health is not None
    assert (held.camera.name, held.camera.scene, held.health.state) == ("东", Scene.RURAL, CameraState.ONLINE)
    terminal = county.terminal("zhuyang", "tv-1")
    assert terminal is not None and terminal.state == "offline"
    county.take(report("zhuyang", HEALTH, cameras=[{"id": "c1", "state": "offline", "reason": "no route"}]), "zhuyang")
    held = county.camera("zhuyang", "c1")
    assert held is not None and held.health is not None
    assert (held.health.state, held.health.reason, held.health.since) == (CameraState.OFFLINE, "no route", clock.now())
    [view] = county.views()
    assert (view.state, view.card.parent, view.cameras) == (NodeState.ONLINE, "county", {"offline": 1})


def test_a_whole_picture_takes_away_what_is_not_in_it_and_a_change_does_not(county) -> None:
    county.take(report("z", INVENTORY, cameras=[{"id": "a"}, {"id": "b"}], terminals=[{"id": "t"}]), "z")
    county.take(report("z", INVENTORY, whole=False, cameras=[{"id": "c"}], gone={"cameras": ["a"]}), "z")
    assert set(cameras(county, "z")) == {"b", "c"}
    county.take(report("z", INVENTORY, cameras=[{"id": "c"}]), "z")
    assert set(cameras(county, "z")) == {"c"}
    assert county.terminal("z", "t") is not None, "terminals were not spoken of"


def test_a_camera_where_the_law_wants_none_is_told_of_and_not_dropped(county) -> None:
    told = [
        {"id": "a", "name": "女更衣室"},
        {"id": "b", "name": "更衣室", "place_type": "走廊"},  # its owner says where it is
        {"id": "c", "name": "东门", "place_type": "浴室"},
        {"id": "d", "name": "东门"},
    ]
    county.take(report("z", INVENTORY, cameras=told), "z")
    assert set(cameras(county, "z")) == {"a", "b", "c", "d"}
    assert [(node, held.id) for node, held, _ in county.forbidden()] == [("z", "a"), ("z", "c")]
    assert all("Article 8" in why for _, _, why in county.forbidden())
    county.take(report("z", HEALTH, cameras=[{"id": "a", "state": "offline"}]), "z")
    assert len(county.forbidden()) == 2
    county.take(report("z", INVENTORY, whole=False, cameras=[{"id": "a", "name": "更衣室门口"}]), "z")
    assert [held.id for _, held, _ in county.forbidden()] == ["c"]
    county.take(report("z", INVENTORY, whole=False, gone={"cameras": ["c"]}), "z")
    assert county.forbidden() == []


def test_a_picture_in_parts_is_whole_when_all_have_come_in_any_order(county) -> None:
    county.take(report("z", INVENTORY, cameras=[{"id": "old"}], terminals=[]), "z")
    for part in (3, 1, 1):
        told = report("z", INVENTORY, part=[part, 3], picture="p", cameras=[{"id": f"c{part}"}], terminals=[])
        county.take(told, "z")
        assert "old" in cameras(county, "z")
    county.take(report("z", INVENTORY, part=[2, 3], picture="p", cameras=[{"id": "c2"}], terminals=[]), "z")
    assert set(cameras(county, "z")) == {"c1", "c2", "c3"}


def test_a_picture_that_is_begun_anew_counts_from_its_beginning(county) -> None:
    county.take(report("z", INVENTORY, part=[1, 2], picture="p", cameras=[{"id": "a"}]), "z")
    county.take(report("z", INVENTORY, part=[1, 2], picture="q", cameras=[{"id": "b"}]), "z")
    county.take(report("z", INVENTORY, part=[2, 2], picture="q", cameras=[{"id": "c"}]), "z")
    assert set(cameras(county, "z")) == {"b", "c"}


def test_health_of_what_is_not_known_yet_waits_for_its_inventory(county) -> None:
    county.take(report("z", HEALTH, cameras=[{"id": "a", "state": "online"}], figures={"alerts_open": 2}), "z")
    assert cameras(county, "z") == {}
    assert county.views()[0].figures == {"alerts_open": 2.0}


def test_a_village_is_shown_under_its_township_and_as_that_tells_of_it(county) -> None:
    county.take(report("town", INVENTORY, name="镇", level="township", cameras=[]), "town")
    told = {"name": "村", "level": "village", "parent": "town", "node_state": "silent"}
    county.take(report("village", INVENTORY, **told, cameras=[{"id": "a", "state": "online"}]), "town")
    views = {view.card.id: view for view in county.views()}
    assert (views["village"].card.parent, views["village"].state) == ("town", NodeState.SILENT)
    county.attendance.look(0, None)
    for second in range(20):
        county.attendance.look(second, None)
    assert county.state("town") is NodeState.SILENT
    assert county.view("village").state is NodeState.UNKNOWN, "nobody can tell"


@pytest.mark.parametrize("parents", [{"a": "b", "b": "a"}, {"a": "a"}, {"a": "elsewhere"}, {"a": 7}])
def test_a_tree_has_no_rings_and_ends_at_this_node(county, parents) -> None:
    for node in ("town", "a", "b"):
        for _ in range(2):
            county.take(report(node, INVENTORY, parent=parents.get(node)), "town")
    tree = {view.card.id: view.card.parent for view in county.views()}
    for node in tree:
        steps = 0
        while node != "county":
            node, steps = tree[node], steps + 1
            assert steps < 10


def test_a_hostile_node_fills_no_memory(county, monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_DEVICES", 50)
    monkeypatch.setattr(limits, "MAX_NODES", 3)
    for node in ("bad", "v1", "v2", "v3", "v4"):
        if county.refusal(node, "bad") is None:
            county.take(report(node, INVENTORY, cameras=[{"id": f"c{n}"} for n in range(40)]), "bad")
    assert [view.card.id for view in county.views()] == ["bad", "v1", "v2"]
    assert sum(len(holding.cameras) for holding in county.holdings()) == 50
    county.take(report("good", INVENTORY, cameras=[{"id": f"c{n}"} for n in range(40)]), "good")
    assert len(cameras(county, "good")) == 40
    county.take(report("bad", INVENTORY, cameras=[{"id": "c1"}]), "bad")
    county.take(report("v2", INVENTORY, cameras=[{"id": f"c{n}"} for n in range(40)]), "bad")
    assert len(cameras(county, "v2")) == 39, "what was given back may be taken again"


def test_all_of_them_together_are_bounded_and_nobody_can_take_anothers_share(county, monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_NODES_IN_ALL", 6)
    monkeypatch.setattr(limits, "SHARE_OF_NODES", 2)
    monkeypatch.setattr(limits, "MAX_WEIGHT_IN_ALL", 50_000)
    monkeypatch.setattr(limits, "SHARE_OF_WEIGHT", 5_000)
    many = [{"id": f"c{n}"} for n in range(100)]
    for number in range(8):
        for node in (f"bad{number}", *(f"v{number}-{n}" for n in range(5))):
            if county.refusal(node, f"bad{number}") is None:
                county.take(report(node, INVENTORY, cameras=many), f"bad{number}")
    held = sum(wire.weight(camera) for holding in county.holdings() for camera in holding.cameras)
    assert held <= 50_000 + 9 * 5_000
    assert len(county.holdings()) <= 6 + 9 * 2
    assert county.refusal("good", "good") is None
    county.take(report("good", INVENTORY, cameras=many), "good")
    assert len(cameras(county, "good")) == 5_000 // wire.weight(county.camera("good", "c0"))
    for number in range(8):
        county.forget(f"bad{number}")
    county.take(report("good", INVENTORY, cameras=many), "good")
    assert len(cameras(county, "good")) > 50, "what was given back may be taken again"


def test_a_picture_of_endless_parts_keeps_no_more_names_than_there_are_devices(county, monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_DEVICES", 20)
    for part in range(1, 40):
        told = [{"id": f"c{part}-{n}"} for n in range(50)]
        county.take(report("bad", INVENTORY, part=[part, 100_000], picture="p", cameras=told), "bad")
        gone = [each["id"] for each in told]
        county.take(report("bad", INVENTORY, whole=False, gone={"cameras": gone}), "bad")
    county.take(report("bad", INVENTORY, part=[40, 100_000], picture="p", cameras=[]), "bad")
    assert len(county._pictures["bad"].cameras or ()) <= 20


def test_a_large_report_is_taken_in_bites_and_ends_where_its_node_is_let_go(county) -> None:
    many = [{"id": f"c{n:04}"} for n in range(1000)]
    bites = county.taking(report("bad", INVENTORY, cameras=many), "bad")
    next(bites)
    assert len(cameras(county, "bad")) == 100
    county.forget("bad")
    county.take(report("bad", INVENTORY, cameras=many[:5]), "bad")
    assert list(bites) == []
    assert len(cameras(county, "bad")) == 5


def test_long_texts_are_weighed(county, monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_WEIGHT", 20_000)
    long = [{"id": f"c{n}", "name": "长" * 10_000, "place": {"address": "长" * 10_000}} for n in range(40)]
    county.take(report("bad", INVENTORY, cameras=long), "bad")
    assert 0 < len(cameras(county, "bad")) < 15


def test_a_node_that_is_let_go_takes_all_behind_it_along(county) -> None:
    county.take(report("town", INVENTORY, cameras=[{"id": "a"}]), "town")
    county.take(report("village", INVENTORY, cameras=[{"id": "a"}]), "town")
    county.forget("town")
    assert county.views() == []


def test_who_may_connect_is_listed_before_it_was_heard(clock) -> None:
    county = Subtree("county", clock, nodes=lambda: ["zhuyang", "county"])
    [view] = county.views()
    assert (view.card.id, view.state) == ("zhuyang", NodeState.UNKNOWN)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [
        "node",
        "name",
        "level",
        "area_code",
        "version",
        "whole",
        "part",
        "picture",
        "cameras",
        "terminals",
        "gone",
        "figures",
        "parent",
        "node_state",
        "last_heard",
    ]
)
DEVICE = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b", "../x", ""]) | JSON},
    optional={
        key: JSON
        | st.sampled_from(["online", "offline", "disabled", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
        for key in [
            "state",
            "reason",
            "since",
            "last_keyframe_at",
            "faults",
            "name",
            "scene",
            "place",
            "codec",
            "width",
            "household",
            "last_seen",
        ]
    },
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["z", "v"]),
            st.sampled_from([INVENTORY, HEALTH]),
            st.dictionaries(KEYS, JSON | st.lists(DEVICE, max_size=3), max_size=8),
        ),
        max_size=6,
    )
)
def test_whatever_is_told_nothing_breaks_and_the_counts_stay_true(clock, told) -> None:
    county = Subtree("county", clock)
    for node, kind, data in told:
        county.take(report_of(node, kind, data), "z")
    for view in county.views():
        holding = county.holding(view.card.id)
        if holding is None:
            continue
        assert sum(view.cameras.values()) == len(holding.cameras) == len(holding.cameras.ids())
        assert sum(view.terminals.values()) == len(holding.terminals)
    budget = county._budgets.get("z")
    if budget is not None:
        assert budget.devices == sum(len(each.cameras) + len(each.terminals) for each in county.holdings())


def report_of(node: str, kind: str, data: dict[str, Any]) -> Report:
    return Report("r", kind, node, "0" * 64, 1, data)
