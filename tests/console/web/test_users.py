"""Users and logins on the page."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)
NOW = "2026-05-01T08:00:00.000Z"
PASSWORD = "abcd-efgh-jkmn-pqrs"


@pytest.fixture
def office(desk: Any) -> Any:
    """An administrator, and an operator beside."""
    desk.role = "admin"
    base: dict[str, Any] = {"areas": [], "disabled": False, "created_at": NOW}
    desk.users = [{**base, "name": "wangfang", "role": "admin"}, {**base, "name": "zhou", "role": "operator"}]
    return desk


def to_users(page: Page) -> Page:
    page.get_by_test_id("more").get_by_role("button").click()
    page.get_by_role("link", name="用户", exact=True).click()
    return page


def test_an_administrator_adds_changes_and_disables_users(log_in: Callable[..., Page], office: Any) -> None:
    page = to_users(log_in())
    form = page.get_by_test_id("user-add")
    form.get_by_label("用户").fill("li")
    form.get_by_label("角色").select_option("viewer")
    form.get_by_label("管辖区域").fill("511724001 511724002")
    form.get_by_role("button").click()
    expect(page.get_by_test_id("password")).to_contain_text(PASSWORD)
    expect(page.locator("[data-user=li]")).to_contain_text("511724001、511724002")
    page.get_by_test_id("password").get_by_role("button").click()
    expect(page.get_by_text(PASSWORD)).to_have_count(0)
    zhou = page.locator("[data-user=zhou]")
    zhou.locator("[data-act=edit]").click()
    zhou.get_by_label("角色").select_option("maintainer")
    zhou.get_by_role("button", name="保存").click()
    expect(zhou).to_contain_text("运维")
    zhou.locator("[data-act=password]").click()
    expect(page.get_by_test_id("password")).to_contain_text("zhou")
    zhou.locator("[data-act=switch]").click()
    expect(zhou).to_contain_text("已停用")
    expect(page.locator("[data-user=wangfang] [data-act=switch]")).to_have_count(0)
    form.get_by_label("用户").fill("zhou")
    form.get_by_role("button").click()
    expect(page.get_by_role("alert").filter(has_text="已有用户 zhou")).to_be_visible()
    assert office.changed[:4] == [
        ("POST", "users", {"name": "li", "role": "viewer", "areas": ["511724001", "511724002"]}),
        ("PATCH", "users/zhou", {"role": "maintainer"}),
        ("PATCH", "users/zhou", {"new_password": True}),
        ("PATCH", "users/zhou", {"disabled": True}),
    ]


def test_nobody_else_is_shown_the_users(log_in: Callable[..., Page], office: Any) -> None:
    office.role = "maintainer"
    page = log_in()
    page.get_by_test_id("more").get_by_role("button").click()
    expect(page.get_by_role("link", name="大屏")).to_be_visible()
    expect(page.get_by_role("link", name="用户", exact=True)).to_have_count(0)


def test_a_login_at_another_computer_is_ended(log_in: Callable[..., Page], desk: Any) -> None:
    base = {"user": "wangfang", "role": "operator", "began_at": NOW, "seen_at": NOW, "expires_at": NOW}
    desk.logins = [{**base, "id": "here", "this": True}, {**base, "id": "there", "this": False}]
    page = log_in()
    page.get_by_test_id("user-menu").get_by_role("button").first.click()
    page.get_by_test_id("logins-open").click()
    panel = page.get_by_test_id("logins")
    expect(panel.locator("[data-login=here]")).to_contain_text("本机")
    expect(panel.locator("[data-login=here] button")).to_have_count(0)
    panel.locator("[data-login=there] button").click()
    expect(panel.locator("[data-login]")).to_have_count(1)
    assert [each["id"] for each in desk.logins] == ["here"]
