"""A register taken in on the page: shown first, confirmed, handed back; and what it says on a camera's card."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

expect.set_options(timeout=90_000)
KEEP_FILES = """() => { const before = window.fetch; window.fetch = async (url, how) => {
  if (how?.body instanceof Blob) window.sentTable = await how.body.text();
  return before(url, how); }; }"""
SHOWN: dict[str, Any] = {
    "token": "preview-1",
    "expires_in": 900,
    "counts": {"added": 1, "changed": 1, "same": 7, "refused": 1, "warnings": 1},
    "added": [{"line": 3, "id": "51172400001310000002", "name": "村口", "at": "10.0.0.6"}],
    "changed": [
        {
            "line": 2,
            "id": "cam-a",
            "name": "十字口东",
            "fields": [{"key": "record.pole_code", "before": "", "after": "P-17"}],
        }
    ],
    "refused": [
        {
            "line": 4,
            "id": None,
            "reason": "digits 1–2 of the id, “99”, are no province of GB/T 2260 (51 is 四川); "
            "place: 999, 30.7 is nowhere: longitude is -180 to 180, latitude -90 to 90",
        }
    ],
    "warnings": [{"line": None, "id": None, "text": "column “平台备注” means nothing here; it is kept as it is"}],
    "kept_columns": ["平台备注"],
    "withheld": None,
}


class Office:
    """Answers what the peer does not: previews and their confirmation. ``sent``: paths with their queries."""

    def __init__(self, page: Page) -> None:
        self.sent: list[str] = []
        self.status = 200
        page.route("**/api/v1/*/import**", self._answer)
        page.route("**/api/v1/cameras/cam-a", self._card)

    def _answer(self, route: Route) -> None:
        path = route.request.url.partition("/api/v1/")[2]
        self.sent.append(path)
        body = {**SHOWN, "token": None} if path.endswith("preview-1") else SHOWN
        if self.status != 200:
            body = {
                "type": "about:blank",
                "title": "Conflict",
                "status": self.status,
                "detail": "What stands has changed.",
            }
        route.fulfill(status=self.status, content_type="application/json", body=json.dumps(body))

    def _card(self, route: Route) -> None:
        record = {"pole_code": "P-17", "平台备注": "甲"}
        route.fulfill(content_type="application/json", body=json.dumps({"id": "cam-a", "record": record}))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "一机一档.csv"
    path.write_text("国标编码,点位名称\n", "utf-8")
    return path


def opened(log_in: Callable[..., Page], what: str = "cameras") -> tuple[Page, Office]:
    page = log_in()
    office = Office(page)
    page.evaluate(f"location.hash = '#/{what}'")
    page.get_by_test_id("register").click()
    return page, office


def test_a_table_is_shown_then_confirmed(log_in: Callable[..., Page], desk: Any, table: Path) -> None:
    desk.role = "maintainer"
    page, office = opened(log_in)
    page.evaluate(KEEP_FILES)  # the browser tells no interceptor of a file's bytes
    page.get_by_test_id("register-file").set_input_files(table)
    page.get_by_label("表内未注明坐标系时").select_option("GCJ-02")
    page.get_by_test_id("register-look").click()
    expect(page.get_by_test_id("register-result").get_by_role("heading").first).to_have_text(
        "新增 1 · 修改 1 · 不变 7 · 拒绝 1 · 提示 1"
    )
    expect(page.get_by_test_id("register-refused")).to_contain_text("第 4 行")
    told = "第 1–2 位“99”不是省级代码（四川为 51）；坐标：999，30.7 不是有效坐标：经度 -180 至 180，纬度 -90 至 90"
    expect(page.get_by_test_id("register-refused")).to_contain_text(told)
    expect(page.get_by_test_id("register-changed")).to_contain_text("杆件编码")
    expect(page.get_by_test_id("register-changed")).to_contain_text("P-17")
    expect(page.get_by_test_id("register-added")).to_contain_text("10.0.0.6")
    expect(page.get_by_role("link", name=".csv", exact=True)).to_have_attribute(
        "href", "/api/v1/cameras/import/preview-1/refused.csv"
    )
    assert office.sent[0].endswith("coordinates=GCJ-02&whole=false")
    assert page.evaluate("window.sentTable") == "国标编码,点位名称\n", "the file itself"
    page.get_by_test_id("register-confirm").click()
    expect(page.get_by_test_id("register-done")).to_have_text("已写入：新增 1，修改 1。")
    assert office.sent[1] == "cameras/import/preview-1"
    expect(page.get_by_test_id("register-confirm")).to_have_count(0)


def test_what_was_overtaken_is_said_and_chosen_again(log_in: Callable[..., Page], desk: Any, table: Path) -> None:
    desk.role = "admin"
    page, office = opened(log_in, "terminals")
    page.get_by_test_id("register-file").set_input_files(table)
    page.get_by_test_id("register-look").click()
    expect(page.get_by_test_id("register-confirm")).to_be_visible()
    office.status = 409
    page.get_by_test_id("register-confirm").click()
    expect(page.get_by_role("alert").filter(has_text="What stands has changed.")).to_be_visible()
    expect(page.get_by_test_id("register-confirm")).to_have_count(0)
    assert [path.partition("?")[0] for path in office.sent] == ["terminals/import", "terminals/import/preview-1"]


def test_registers_and_templates_are_given_out(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "admin"
    page, _ = opened(log_in)
    page.get_by_label("表头").select_option("en")
    for name, path in (("导出 .xlsx", "export.xlsx"), ("空白模板 .csv", "template.csv")):
        expect(page.get_by_role("link", name=name)).to_have_attribute("href", f"/api/v1/cameras/{path}?headers=en")


def test_who_may_not_configure_is_offered_none(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "operator"
    page = log_in()
    page.evaluate("location.hash = '#/cameras'")
    expect(page.get_by_role("link", name="十字口东")).to_be_visible()
    expect(page.get_by_test_id("register")).to_have_count(0)


def test_a_cameras_card_shows_its_register(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    Office(page)
    page.evaluate("location.hash = '#/cameras'")
    page.get_by_role("link", name="十字口东").click()
    shown = page.get_by_test_id("record")
    expect(shown).to_contain_text("杆件编码")
    expect(shown).to_contain_text("平台备注")


def test_a_late_answer_to_the_former_choice_is_neither_shown_nor_confirmed(
    log_in: Callable[..., Page], desk: Any, table: Path, hold: Callable[..., Any]
) -> None:
    desk.role = "maintainer"
    page, office = opened(log_in)
    held = hold(page, "**/api/v1/cameras/import?*")
    page.get_by_test_id("register-file").set_input_files(table)
    page.get_by_test_id("register-look").click()
    former = held(1)
    page.get_by_label("表内未注明坐标系时").select_option("BD-09")
    page.get_by_test_id("register-look").click()
    second = {**SHOWN, "token": "preview-2", "counts": {**SHOWN["counts"], "same": 5}}
    held(2).fulfill(content_type="application/json", body=json.dumps(second))
    counts = page.get_by_test_id("register-result").get_by_role("heading").first
    expect(counts).to_contain_text("不变 5")
    with page.expect_event("requestfinished"):
        former.fulfill(content_type="application/json", body=json.dumps(SHOWN))
    expect(counts).to_contain_text("不变 5")
    page.get_by_test_id("register-confirm").click()
    expect(page.get_by_test_id("register-done")).to_be_visible()
    assert office.sent == ["cameras/import/preview-2"]


def test_what_is_being_written_cannot_be_chosen_anew(
    log_in: Callable[..., Page], desk: Any, table: Path, hold: Callable[..., Any]
) -> None:
    desk.role = "maintainer"
    page, _ = opened(log_in)
    page.get_by_test_id("register-file").set_input_files(table)
    page.get_by_test_id("register-look").click()
    held = hold(page, "**/api/v1/cameras/import/*")
    page.get_by_test_id("register-confirm").click()
    written = held(1)
    expect(page.get_by_test_id("register-file")).to_be_disabled()
    written.fulfill(content_type="application/json", body=json.dumps({**SHOWN, "token": None}))
    expect(page.get_by_test_id("register-done")).to_be_visible()
    expect(page.get_by_test_id("register-file")).to_be_enabled()


def test_a_refusal_without_a_sentence_is_told_in_words(log_in: Callable[..., Page], desk: Any, table: Path) -> None:
    desk.role = "maintainer"
    page, _ = opened(log_in)
    page.route("**/api/v1/cameras/import?*", lambda route: route.fulfill(status=502, body="Bad Gateway"))
    page.get_by_test_id("register-file").set_input_files(table)
    page.get_by_test_id("register-look").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("服务器暂时不能处理（502）")
