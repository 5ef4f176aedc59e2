"""The audit over HTTP: filters, paging, a table, and whether the chain is whole."""

import csv
import io
from typing import Any

from gateway.console.api import schemas
from gateway.model import utc_now
from gateway.ports import AuditRecord


async def get(http: Any, headers: Any, query: str = "") -> tuple[int, Any]:
    async with http.get(f"/api/v1/audit{query}", headers=headers) as answer:
        return answer.status, await answer.json()


async def note(house: Any, actor: str, action: str, object_: str, reason: str | None = None) -> None:
    record = AuditRecord(utc_now(), actor, action, object_, reason)
    await house.ledger.write(lambda tx: tx.record(record))


async def test_who_looked_at_an_alert_is_found_by_it(house, http, log_in) -> None:
    alert = await house.raise_alert()
    await house.picture_ready(alert)
    async with http.get(f"/api/v1/alerts/{alert}/snapshots/s1", headers=house.bearer("operator")) as answer:
        assert answer.status == 200
    await note(house, "wang", "view_snapshot", "alerts/another/snapshots/s1")
    status, told = await get(http, await log_in("maintainer"), f"?object=alerts/{alert}")
    assert status == 200
    assert [line.actor for line in schemas.Page[schemas.AuditLine].model_validate(told).items] == ["t-operator"]


async def test_filters_go_together_and_pages_follow_each_other(house, http, log_in) -> None:
    headers = await log_in("maintainer")
    for number in range(5):
        await note(house, "li" if number % 2 else "wang", "view_camera", f"cameras/{number}", "a fire")
    query = "?actor=wang&action=view_camera,view_clip&q=FIRE&limit=2"
    _, first = await get(http, headers, query)
    assert [line["object"] for line in first["items"]] == ["cameras/4", "cameras/2"]
    _, second = await get(http, headers, f"{query}&cursor={first['next']}")
    assert ([line["object"] for line in second["items"]], second["next"]) == (["cameras/0"], None)
    for wrong in ("?since=2026-01-01", "?until=soon", "?cursor=x", "?action=" + ",".join(map(str, range(200)))):
        assert (await get(http, headers, wrong))[0] == 422, wrong
    assert (await get(http, headers, "?since=2999-01-01T00:00:00Z"))[1]["items"] == []


async def test_the_table_is_harmless_in_a_spreadsheet_and_its_export_is_audited(house, http, log_in) -> None:
    headers = await log_in("admin")
    await note(house, "li", "view_camera", "cameras/1", '=HYPERLINK("x")')
    async with http.get("/api/v1/audit?actor=li&format=csv", headers=headers) as answer:
        assert answer.content_type == "text/csv"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
        rows = list(csv.DictReader(io.StringIO(await answer.text(encoding="utf-8-sig"))))
    assert [(row["actor"], row["reason"]) for row in rows] == [("li", '\'=HYPERLINK("x")')]
    _, told = await get(http, headers, "?action=export_audit")
    assert [(line["actor"], line["detail"]) for line in told["items"]] == [("admin", {"detail": "actor li"})]


async def test_the_chain_is_verified_on_demand(house, http, log_in) -> None:
    headers = await log_in("maintainer")
    status, told = await get(http, headers, "/verify")
    assert status == 200
    whole = schemas.Verified.model_validate(told)
    assert (whole.ok, whole.first_broken) == (True, None)
    assert whole.checked >= 2  # the login, and that it was asked for
