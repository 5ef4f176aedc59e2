"""Searching, enrolling, changing and removing over the API."""

from typing import Any

import pytest

from gateway.console.api import schemas
from gateway.console.registrar import AlreadyEnrolled, ChannelsToChoose, Discovered, NotInForce, SearchUnderWay
from gateway.errors import AuthFailed, ConfigError, RunningError, Unreachable, UsageError

ONVIF = {"host": "10.0.0.5", "username": "admin", "password": "s3cret-word"}


async def ask(http: Any, method: str, path: str, headers: Any, body: Any = None) -> tuple[int, Any]:
    async with http.request(method, f"/api/v1{path}", headers=headers, json=body) as answer:
        text = await answer.text()
        assert "s3cret-word" not in text
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
        return answer.status, (await answer.json() if text else None)


async def audit(http: Any, headers: Any) -> list[tuple[str, str, str]]:
    async with http.get("/api/v1/audit", headers=headers) as answer:
        return [(line["actor"], line["action"], line["object"]) for line in (await answer.json())["items"]]


class TestSearching:
    async def test_what_is_found_says_as_what_it_is_enrolled(self, house, http, log_in) -> None:
        house.registrar.found = [
            Discovered("u-1", "10.0.0.5", 80, name="东", cameras=("cam-street",)),
            Discovered("", "h", 8000),
        ]
        headers = await log_in("maintainer")
        status, told = await ask(http, "POST", "/discovery", headers, {"timeout": 2, "ranges": ["10.0.0.0/24"]})
        assert status == 200
        found = schemas.Page[schemas.FoundDevice].model_validate(told).items
        assert [(each.identity, each.host, each.port, each.cameras) for each in found] == [
            ("u-1", "10.0.0.5", 80, ["cam-street"]),
            (None, "h", 8000, []),
        ]
        assert house.registrar.asked == [(2, ["10.0.0.0/24"])]
        assert ("maintainer", "discover", "nodes/zhuyang") in await audit(http, headers)

    @pytest.mark.parametrize(
        "body", [{"timeout": 60}, {"ranges": ["10.0.0.0/19"]}, {"ranges": ["x"]}, {"interfaces": []}]
    )
    async def test_what_would_take_too_long_is_refused(self, house, http, log_in, body) -> None:
        status, _ = await ask(http, "POST", "/discovery", await log_in("admin"), body)
        assert (status, house.registrar.asked) == (422, [])

    async def test_one_search_at_a_time(self, house, http, log_in) -> None:
        house.registrar.fault = SearchUnderWay("a search is under way")
        assert (await ask(http, "POST", "/discovery", await log_in("admin"), {}))[0] == 409


class TestEnrolling:
    async def test_the_camera_is_the_answer_and_the_password_is_not(self, house, http, log_in) -> None:
        headers = await log_in("maintainer")
        status, told = await ask(
            http, "POST", "/cameras", headers, {"onvif": ONVIF, "place": {"lon": 107.2, "lat": 30.7}}
        )
        assert status == 201
        assert schemas.Camera.model_validate(told).id == "cam-new"
        [wanted] = house.registrar.asked
        assert wanted.camera["onvif"] == ONVIF
        assert "s3cret-word" not in repr(wanted)
        assert ("maintainer", "add_camera", "cameras/cam-new") in await audit(http, headers)

    async def test_all_channels_of_a_recorder_are_a_list(self, house, http, log_in) -> None:
        status, told = await ask(http, "POST", "/cameras", await log_in("admin"), {"onvif": ONVIF, "channels": "all"})
        assert status == 201
        assert [each.id for each in schemas.Page[schemas.Camera].model_validate(told).items] == [
            "cam-new-1",
            "cam-new-2",
        ]

    @pytest.mark.parametrize(
        ("fault", "status", "told"),
        [
            (AuthFailed("10.0.0.5:80 refused the password"), 422, "10.0.0.5:80 refused the password."),
            (Unreachable("10.0.0.5:80 does not answer"), 422, "10.0.0.5:80 does not answer."),
            (UsageError("the law forbids cameras there"), 422, "The law forbids cameras there."),
            (AlreadyEnrolled("it is camera c1", ["c1"]), 409, "It is camera c1."),
            (NotInForce("written, but not in force"), 409, "Written, but not in force."),
            (RunningError("the disk is full"), 503, "The disk is full."),
            (ConfigError(["x.yaml:3: cameras: no"]), 409, "The configuration would have faults; nothing was written."),
        ],
    )
    async def test_every_failure_is_a_sentence(self, house, http, log_in, fault, status, told) -> None:
        house.registrar.fault = fault
        assert await ask(http, "POST", "/cameras", await log_in("admin"), {"onvif": ONVIF}) == (
            status,
            _with_detail(told, status, fault),
        )

    async def test_a_recorder_lists_its_channels(self, house, http, log_in) -> None:
        house.registrar.fault = ChannelsToChoose("a recorder of 2 channels", [("V1", "门口"), ("V2", "院内")])
        status, told = await ask(http, "POST", "/cameras", await log_in("admin"), {"onvif": ONVIF})
        assert status == 422
        assert told["channels"] == [{"source": "V1", "name": "门口"}, {"source": "V2", "name": "院内"}]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"onvif": ONVIF, "inspect": False},
            {"rtsp": {"username": "admin"}},
            {"rtsp": {"main": "file:///etc/shadow"}},
            {"rtsp": {"main": "rtsp://u:p@10.0.0.5/1"}},
            {"onvif": {"host": "http://10.0.0.5"}},
            {"onvif": {**ONVIF, "password": {"file": "/etc/shadow"}}},
            {"onvif": {**ONVIF, "password": {"env": "PATH"}}},
            {"onvif": ONVIF, "id": "a b"},
            {"onvif": ONVIF, "more": 1},
        ],
    )
    async def test_what_is_not_understood_asks_no_device(self, house, http, log_in, body) -> None:
        status, _ = await ask(http, "POST", "/cameras", await log_in("admin"), body)
        assert (status, house.registrar.asked) == (422, [])

    async def test_a_browsers_address_for_a_host_is_said_plainly(self, house, http, log_in) -> None:
        for host in ("http://10.0.0.5", "10.0.0.5/x", "a b", ""):
            body = {"onvif": {"host": host}}
            status, told = await ask(http, "POST", "/cameras", await log_in("admin"), body)
            assert status == 422
            assert "a name or an address alone, such as 10.0.0.5" in told["detail"]

    async def test_the_same_key_asks_the_device_once(self, house, http, log_in) -> None:
        headers = {**await log_in("admin"), "Idempotency-Key": "k1"}
        first = await ask(http, "POST", "/cameras", headers, {"onvif": ONVIF})
        assert await ask(http, "POST", "/cameras", headers, {"onvif": ONVIF}) == first
        assert len(house.registrar.asked) == 1
        assert (await ask(http, "POST", "/cameras", headers, {"onvif": {**ONVIF, "host": "10.0.0.6"}}))[0] == 422

    async def test_a_maintainer_of_an_area_enrols_there_alone(self, house, http) -> None:
        house.accounts.add_user("near-m", "maintainer", "a long enough password", areas=["511724001"])
        async with http.post(
            "/api/v1/session", json={"username": "near-m", "password": "a long enough password"}
        ) as answer:
            headers = {"Cookie": f"gateway_session={answer.cookies['gateway_session'].value}"}
        house.registrar.found = [Discovered("u-1", "10.0.0.5", 80, cameras=("cam-street", "cam-far"))]
        _, told = await ask(http, "POST", "/discovery", headers, {})
        assert told["items"][0]["cameras"] == ["cam-street"]
        house.registrar.asked.clear()
        for place in (None, {"area_code": "511725002"}):
            status, told = await ask(http, "POST", "/cameras", headers, {"onvif": ONVIF, "place": place})
            assert (status, house.registrar.asked) == (403, [])
            assert "511724001" in told["detail"]
        assert (await ask(http, "POST", "/cameras", headers, {"onvif": ONVIF, "place": {"area_code": "511724001003"}}))[
            0
        ] == 201
        assert (await ask(http, "PATCH", "/cameras/cam-far", headers, {"name": "x"}))[0] == 404
        assert (await ask(http, "DELETE", "/cameras/cam-far", headers))[0] == 404
        assert (await ask(http, "PATCH", "/cameras/cam-street", headers, {"place": {"area_code": "511725002"}}))[
            0
        ] == 403


class TestChanging:
    async def test_a_households_camera_is_called_none_of_the_street_by_a_maintainer(self, house, http, log_in) -> None:
        for role, status in (("maintainer", 403), ("admin", 200)):
            headers = await log_in(role)
            for scene in ("street", None):
                assert (await ask(http, "PATCH", "/cameras/cam-home", headers, {"scene": scene}))[0] == status
        assert house.registrar.asked == [{"scene": "street"}, {"scene": None}]

    async def test_consent_is_recorded_by_an_administrator_and_withdrawn_by_whoever_configures(
        self, house, http, log_in
    ) -> None:
        given = {"consent": {"given_by": "王大娘", "given_on": "2026-01-01"}}
        for role, status in (("maintainer", 403), ("admin", 200)):
            assert (await ask(http, "PATCH", "/cameras/cam-home", await log_in(role), given))[0] == status
        new = {"rtsp": {"main": "rtsp://10.0.0.5/1"}, "scene": "household", **given}
        assert (await ask(http, "POST", "/cameras", await log_in("maintainer"), new))[0] == 403
        assert (await ask(http, "PATCH", "/cameras/cam-home", await log_in("maintainer"), {"consent": None}))[0] == 200
        whole = {"consent": {"given_by": "王大娘", "given_on": "2026-01-01", "until": None}}
        assert house.registrar.asked == [whole, {"consent": None}]  # a former one's end does not stay

    async def test_masks_are_polygons_within_the_picture(self, house, http, log_in) -> None:
        headers = await log_in("maintainer")
        masks = [[[0, 0], [0.5, 0], [0.5, 1]]]
        assert (await ask(http, "PATCH", "/cameras/cam-street", headers, {"masks": masks}))[0] == 200
        for wrong in ([[[0, 0], [1, 1]]], [[[0, 0], [2, 0], [1, 1]]], masks * 17, "all"):
            assert (await ask(http, "PATCH", "/cameras/cam-street", headers, {"masks": wrong}))[0] == 422
        assert house.registrar.asked == [{"masks": masks}]

    async def test_its_own_scene_said_again_is_no_change(self, house, http, log_in) -> None:
        body = {"scene": "household", "name": "院子"}
        assert (await ask(http, "PATCH", "/cameras/cam-home", await log_in("maintainer"), body))[0] == 200

    async def test_only_what_was_said(self, house, http, log_in) -> None:
        body = {"name": "东口", "clip": None, "credential": {"username": "a", "password": "s3cret-word"}}
        status, told = await ask(http, "PATCH", "/cameras/cam-street", await log_in("maintainer"), body)
        assert (status, told["name"]) == (200, "东口")
        assert house.registrar.asked == [body]

    async def test_one_that_is_not_there(self, house, http, log_in) -> None:
        headers = await log_in("admin")
        assert (await ask(http, "PATCH", "/cameras/none", headers, {}))[0] == 404
        assert (await ask(http, "DELETE", "/cameras/none", headers))[0] == 404
        house.registrar.fault = KeyError("cam-street")
        assert (await ask(http, "DELETE", "/cameras/cam-street", headers))[0] == 404

    async def test_removing(self, house, http, log_in) -> None:
        headers = await log_in("admin")
        assert await ask(http, "DELETE", "/cameras/cam-street", headers) == (204, None)
        assert (await ask(http, "GET", "/cameras/cam-street", headers))[0] == 404


def _with_detail(detail: str, status: int, fault: Exception) -> dict[str, Any]:
    titles = {409: "Conflict", 422: "Unprocessable Entity", 503: "Service Unavailable"}
    made: dict[str, Any] = {"type": "about:blank", "title": titles[status], "status": status, "detail": detail}
    if isinstance(fault, AlreadyEnrolled):
        made["cameras"] = list(fault.cameras)
    if isinstance(fault, ConfigError):
        made["faults"] = list(fault.faults)
    return made
