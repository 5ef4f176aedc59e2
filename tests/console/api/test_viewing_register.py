"""The register of viewings, as a table."""

import csv
import io
import re
from pathlib import Path

import pytest
from openpyxl import load_workbook

from gateway import console
from gateway.console.viewing_register import _WORDS, VIEWINGS


def test_every_look_that_the_console_writes_down_is_in_the_register() -> None:
    """A new kind of look would otherwise be audited, and missing where Article 16 asks for it."""
    sources = Path(console.__file__).parent.rglob("*.py")
    written = {
        name for source in sources for name in re.findall(r'"(view_[a-z]+)"', source.read_text(encoding="utf-8"))
    }
    assert "view_evidence" in written and written <= set(VIEWINGS)
    assert set(VIEWINGS) == set(_WORDS)


@pytest.fixture
async def looked(house, http, log_in):
    """A picture and a live camera that the maintainer has looked at; the login."""
    alert = await house.raise_alert()
    await house.picture_ready(alert)
    headers = await log_in("maintainer")
    for path, reason in (
        (f"/alerts/{alert}/snapshots/s1", None),
        ("/cameras/cam-street/snapshot.jpg", '=HYPERLINK("http://evil")'),
    ):
        params = {} if reason is None else {"reason": reason}
        async with http.get(f"/api/v1{path}", headers=headers, params=params) as answer:
            assert answer.status == 200, await answer.text()
    return alert, headers


async def rows(http, headers, form, **params):
    async with http.get(f"/api/v1/audit/viewings.{form}", headers=headers, params=params) as answer:
        assert answer.status == 200, await answer.text()
        content = await answer.read()
    if form == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    return [[str(cell) if cell is not None else "" for cell in row] for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_it_says_who_saw_what_from_where_and_why(house, http, looked, form) -> None:
    alert, headers = looked
    header, *lines = await rows(http, headers, form)
    assert header[:5] == ["序号", "时间 (UTC)", "人员", "单位", "方式"]
    assert [(line[4], line[5], line[7]) for line in lines] == [
        ("查看图片", f"alerts/{alert}/snapshots/s1", "127.0.0.1"),
        ("实时查看", "cameras/cam-street", "127.0.0.1"),
    ]
    assert lines[0][2] == "maintainer" and lines[0][3] and lines[0][6]
    told = lines[1][8]
    assert told.lstrip("'") == '=HYPERLINK("http://evil")' and (form == "xlsx" or told.startswith("'"))
    found, _ = await house.ledger.read(lambda reader: reader.audit(None, 1))
    assert (found[0].action, found[0].actor) == ("export_viewings", "maintainer")


async def test_of_a_span(http, looked) -> None:
    _, headers = looked
    assert len(await rows(http, headers, "csv", until="2020-01-01T00:00:00Z")) == 1


async def test_other_forms_are_refused(http, looked) -> None:
    async with http.get("/api/v1/audit/viewings.pdf", headers=looked[1]) as answer:
        assert answer.status == 422
