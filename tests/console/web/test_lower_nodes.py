"""Lower nodes on the page: who is heard, and their cameras and terminals among one's own."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)


def node(id_: str, name: str, state: str = "online", **more: Any) -> dict[str, Any]:
    heard = {"last_heard": "2026-05-01T08:00:00.000Z", "reason": None, "reload": 0, "parent": "zhuyang"}
    counts = {"cameras": {"online": 1, "total": 2}, "terminals": {"online": 1, "total": 1}}
    return {"id": id_, "name": name, "level": "village", "own": False, "state": state, **heard, **counts, **more}


@pytest.fixture
def tree(desk: Any) -> Any:
    """Two villages, of which one is not heard."""
    desk.lower_nodes = [
        node("xinmin", "新民村"),
        node("longmen", "龙门村", "silent", reason="nothing is heard from it"),
    ]
    camera, terminal = desk.cameras[0], desk.terminals[0]
    desk.cameras += [
        {**camera, "id": "xinmin:c1", "name": "村口"},
        {**camera, "id": "xinmin:c2", "name": "桥头", "state": "offline"},
        {**camera, "id": "longmen:c1", "name": "水库", "state": "offline"},
    ]
    desk.terminals += [{**terminal, "id": "xinmin:tv-1"}]
    return desk


def test_lower_cameras_stand_in_the_list_with_their_node_s_name(log_in: Callable[..., Page], tree: Any) -> None:
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    row = page.locator("[data-device='xinmin:c1']")
    expect(row).to_contain_text("村口")
    expect(row).to_contain_text("新民村 · c1")
    expect(row.get_by_role("button")).to_have_count(0)  # there is no picture to open yet
    expect(page.locator("[data-node=xinmin]")).to_contain_text("1 / 2")
    silent = page.locator("[data-node=longmen]")
    expect(silent).to_contain_text("失联")
    expect(silent).to_have_attribute("title", "nothing is heard from it")
    expect(page.locator("[data-node]").first).to_have_attribute("data-node", "longmen")
    page.get_by_role("searchbox").fill("新民村")
    expect(page.locator("[data-device]")).to_have_count(2)
    page.get_by_test_id("language").click()
    expect(silent).to_contain_text("Not heard")


def test_a_click_shows_one_node_alone_and_another_all_again(log_in: Callable[..., Page], tree: Any) -> None:
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    expect(page.locator("[data-device]")).to_have_count(5)
    page.locator("[data-node=xinmin]").click()
    expect(page.locator("[data-device]")).to_have_count(2)
    expect(page.locator("[data-filter=offline]")).to_contain_text("1")
    page.locator("[data-node=xinmin]").click()
    expect(page.locator("[data-device]")).to_have_count(5)
    page.get_by_role("link", name="终端").click()
    expect(page.locator("[data-device='xinmin:tv-1']")).to_contain_text("新民村 · tv-1")


def test_a_node_that_falls_silent_shows_at_once_and_its_devices_are_asked_for_anew(
    log_in: Callable[..., Page], tree: Any
) -> None:
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    expect(page.locator("[data-device='xinmin:c1']")).to_have_attribute("data-state", "online")
    next(each for each in tree.cameras if each["id"] == "xinmin:c1")["state"] = "offline"
    tree.say("node", node("xinmin", "新民村", "silent"))
    expect(page.locator("[data-node=xinmin]")).to_have_attribute("data-state", "silent")
    expect(page.locator("[data-device='xinmin:c1']")).to_have_attribute("data-state", "offline")
    expect(page.locator("[data-device=cam-a]")).to_have_attribute("data-state", "online")


def test_a_village_without_lower_nodes_sees_no_bar(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    expect(page.locator("[data-device]")).to_have_count(2)
    expect(page.locator(".nodes")).to_have_count(0)


def test_fifty_nodes_leave_room_for_the_list(log_in: Callable[..., Page], tree: Any) -> None:
    tree.lower_nodes = [node(f"v{number}", f"第{number}村") for number in range(50)]
    page = log_in((1366, 768))
    page.get_by_role("link", name="摄像头").click()
    expect(page.locator("[data-node]")).to_have_count(50)
    box = page.locator(".nodes").bounding_box()
    assert box is not None and box["height"] <= 130
