"""The node, its audit, and what every answer has in common."""

import pytest

from gateway.console.api import schemas
from gateway.observability.metrics import REGISTRY


async def test_node_tells_its_state(house, http) -> None:
    async with http.get("/api/v1/nodes", headers=house.bearer("viewer")) as answer:
        page = await answer.json()
    schemas.Page[schemas.Node].model_validate(page)
    [node] = page["items"]
    assert (node["id"], node["level"], node["state"], node["reason"]) == ("zhuyang", "township", "online", None)
    house.faults.append("The ledger cannot write.")
    async with http.get("/api/v1/nodes", headers=house.bearer("viewer")) as answer:
        [node] = (await answer.json())["items"]
    assert (node["state"], node["reason"]) == ("degraded", "The ledger cannot write.")


async def test_audit_is_paged_newest_first(house, http, log_in) -> None:
    headers = [await log_in("maintainer") for _ in range(3)][-1]
    async with http.get("/api/v1/audit?limit=2", headers=headers) as answer:
        first = await answer.json()
    schemas.Page[schemas.AuditLine].model_validate(first)
    async with http.get(f"/api/v1/audit?limit=2&cursor={first['next']}", headers=headers) as answer:
        second = await answer.json()
    ids = [line["id"] for line in first["items"] + second["items"]]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), second["next"]) == (3, None)
    async with http.get("/api/v1/audit?cursor=rubbish", headers=headers) as answer:
        assert answer.status == 422


async def test_liveness_and_readiness_are_open_and_apart(house, http) -> None:
    house.faults.append("The ledger cannot write: the disk is full.")
    async with http.get("/livez") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})
    async with http.get("/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reasons": ["The ledger cannot write: the disk is full."]}
    house.faults.clear()
    async with http.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
    async with http.head("/livez") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v2/alerts", 404),
        ("GET", "/api", 404),
        ("PUT", "/api/v1/alerts", 405),
        ("POST", "/livez", 405),
        ("POST", "/nothing", 405),
    ],
)
async def test_what_is_not_there_is_a_problem(house, http, method, path, status) -> None:
    async with http.request(method, path, headers={"Accept": "text/html"}) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        problem = await answer.json()
        schemas.Problem.model_validate(problem)
        assert path in problem["detail"]
        if status == 405:
            assert answer.headers["Allow"]


async def test_head_is_answered_as_get_without_the_content(house, http) -> None:
    alert = await house.raise_alert()
    headers = house.bearer("operator")
    for path in ("/alerts", f"/alerts/{alert}", "/nodes", "/openapi.json", "/alerts/none", "/nothing"):
        async with http.get(f"/api/v1{path}", headers=headers) as answer:
            status, length, kind = answer.status, len(await answer.read()), answer.content_type
        async with http.head(f"/api/v1{path}", headers=headers) as answer:
            told = (answer.status, int(answer.headers["Content-Length"]), answer.content_type)
            assert (*told, await answer.read()) == (status, length, kind, b""), path
    async with http.head("/api/v1/alerts") as answer:
        assert answer.status == 401
    async with http.head("/api/v1/stream", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")


async def test_a_mistake_of_ours_is_a_problem_without_a_traceback(house, http, monkeypatch) -> None:
    def broken():
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(house.register, "cameras", broken)
    async with http.get("/api/v1/cameras", headers=house.bearer("viewer")) as answer:
        assert (answer.status, answer.content_type) == (500, "application/problem+json")
        text = await answer.text()
        assert "secret" not in text and "Traceback" not in text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_bodies_are_bounded(house, http) -> None:
    headers = {**house.bearer("operator"), "Content-Type": "application/json"}

    async def chunks():
        for _ in range(100):
            yield b" " * 1024

    for body in (b" " * 65_537, chunks()):
        async with http.post("/api/v1/alerts/x/actions", headers=headers, data=body) as answer:
            assert (answer.status, answer.content_type) == (413, "application/problem+json")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"", b"[" * 30_000, b'{"action": NaN}'])
async def test_bodies_that_are_no_json_are_problems(house, http, body) -> None:
    alert = await house.raise_alert()
    headers = {**house.bearer("operator"), "Content-Type": "application/json"}
    async with http.post(f"/api/v1/alerts/{alert}/actions", headers=headers, data=body) as answer:
        assert answer.content_type == "application/problem+json"
        assert answer.status in (400, 422)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/json", ""])
async def test_a_body_that_does_not_call_itself_json_is_told_so(house, http, kind) -> None:
    """What curl and others send where nobody says otherwise."""
    alert = await house.raise_alert()
    headers = {**house.bearer("operator"), "Content-Type": kind}
    said = b'{"action": "acknowledge"}'
    async with http.post(f"/api/v1/alerts/{alert}/actions", headers=headers, data=said) as answer:
        assert (answer.status, answer.content_type) == (415, "application/problem+json")
        assert "application/json" in (await answer.json())["detail"]


async def test_every_answer_has_the_security_headers(house, http) -> None:
    for path in ("/", "/livez", "/api/v1/alerts", "/nothing", "/api/v1/openapi.json"):
        async with http.get(path) as answer:
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "camera=()" in answer.headers["Permissions-Policy"]
            assert "Server" not in answer.headers
            if path.startswith("/api/"):
                assert answer.headers["Cache-Control"] == "no-store"


async def test_description_is_open_and_tells_errors_as_problems(house, http) -> None:
    async with http.get("/api/v1/openapi.json") as answer:
        described = await answer.json()
    assert described["openapi"].startswith("3.1")
    for path in described["paths"].values():
        for operation in path.values():
            assert "application/json" not in operation["responses"]["422"]["content"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert "HTTPValidationError" not in described["components"]["schemas"]


async def test_durations_are_counted_by_route_template(house, http) -> None:
    alert = await house.raise_alert()

    def count(method: str, route: str, status: str) -> float:
        labels = {"method": method, "route": route, "status": status}
        return REGISTRY.get_sample_value("gateway_http_server_request_duration_seconds_count", labels) or 0.0

    rows = [
        ("GET", "/api/v1/alerts/{alert_id}", "200"),
        ("GET", "/api/v1/alerts/{alert_id}", "404"),
        ("other", "/{path:path}", "405"),
    ]
    before = [count(*row) for row in rows]
    for each in (alert, "none"):
        async with http.get(f"/api/v1/alerts/{each}", headers=house.bearer("viewer")) as answer:
            await answer.read()
    async with http.request("BREW", "/coffee") as answer:
        assert answer.status == 405
    while [count(*row) for row in rows] != [counted + 1 for counted in before]:
        async with http.get("/livez"):  # the count is made after the answer
            continue
