"""Three thousand households from a table, and what becomes of a press beside R1: neighbours, cancel, silence, a late listener."""

import csv
import json
import zipfile
from typing import Any

import openpyxl
import paho.mqtt.client as mqtt
import pytest

PASSWORD = "a long enough password"
HEAD = ["id", "name", "phone", "address", "lon", "lat", "area_code", "neighbours"]
ROWS = 3000
BAD = {7: "phone", 1500: "lat", 2999: "id"}


@pytest.fixture
def node(node_of: Any, mosquitto: Any, seen: Any) -> Any:
    made = node_of(
        "zhuyang", "township", "511724001", sources=[{"kind": "mqtt", "id": "tv", "url": mosquitto.url}],
        files={"terminals.csv": "id\n"}, terminals_file="terminals.csv", terminal_models={"default": {"heartbeat": "24h", "grace": "1s"}},
    )  # fmt: skip
    made.command("user", "add", "m", "--role", "maintainer", "--password-stdin", text=f"{PASSWORD}\n")
    made.start()
    seen("the broker", lambda: made.hears("tv"))
    return made


def households() -> list[list[Any]]:
    rows = []
    for n in range(1, ROWS + 1):
        fault = BAD.get(n)
        rows.append([
            "no id!" if fault == "id" else f"tv-{n:04}", f"户{n}", "坏" if fault == "phone" else f"138{n:08}", f"{n} 号",
            "107.2", "900" if fault == "lat" else "30.7", f"511724001{n % 3 + 1:03}", "tv-0002,tv-0003" if n == 1 else "",
        ])  # fmt: skip
    return rows


def everybody(node: Any) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = node.get(f"/terminals?limit=500{cursor}")
        found += [each["id"] for each in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def test_three_thousand_households_come_from_tables_and_go_back(node, seen) -> None:  # type: ignore[no-untyped-def]
    table = node.config.parent / "households.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEAD, *households()])
    done = node.command("terminals", "import", str(table))
    assert done.returncode == 1 and f"{ROWS - len(BAD)} added" in done.stdout, done
    told = [line for line in done.stderr.splitlines() if line.startswith(f"{table}:")]
    assert [line.split(":")[1] for line in told] == [str(number + 1) for number in BAD], done.stderr
    wanted = [f"tv-{n:04}" for n in range(1, ROWS + 1) if n not in BAD]
    seen("all of them", lambda: everybody(node) == wanted)

    cookie = node.log_in("m", PASSWORD)

    def change(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, said = node.request(f"/api/v1/terminals{path}", method=method, body=body, cookie=cookie)
        return status, json.loads(said) if said else None

    assert change("PATCH", "/tv-0002", {"household": {"phone": "119"}})[0] == 200
    assert node.get("/terminals/tv-0002")["household"]["name"] == "户2"
    assert change("DELETE", "/tv-0005")[0] == 204
    assert change("GET", "/tv-0005")[0] == 404
    assert change("PATCH", "/tv-0005", {})[0] == 404
    assert change("POST", "", {"id": "tv-0002"})[0] == 409
    assert change("POST", "", {"id": "no id!"})[0] in (400, 422)

    workbook = node.config.parent / "out.xlsx"
    assert f"{ROWS - len(BAD) - 1} terminals" in node.command("terminals", "export", str(workbook)).stdout
    assert zipfile.is_zipfile(workbook)
    book = openpyxl.load_workbook(workbook)
    sheet = book.active
    names = [cell.value for cell in sheet[1]]
    row = next(number for number in range(2, 10) if sheet.cell(number, names.index("id") + 1).value == "tv-0003")
    sheet.cell(row, names.index("household.name") + 1).value = "新户主"
    sheet.append({names.index("id") + 1: "tv-9001", names.index("household.name") + 1: "赵"})
    book.save(workbook)
    done = node.command("terminals", "import", str(workbook), "--json")
    assert done.returncode == 0, done
    counts = json.loads(done.stdout)
    assert (len(counts["added"]), len(counts["changed"])) == (1, 1), counts
    seen("the workbook's", lambda: node.get("/terminals/tv-0003")["household"]["name"] == "新户主")
    assert everybody(node)[-1] == "tv-9001"


def test_neighbours_hear_of_a_press_a_cancel_closes_nothing_and_silence_is_an_alert(node, tv, seen) -> None:  # type: ignore[no-untyped-def]
    cookie = node.log_in("m", PASSWORD)
    for body in (
        {"id": "tv-1", "household": {"name": "张"}, "place": {"area_code": "511724001001"}},
        {"id": "tv-2", "household": {"name": "李", "phone": "119"}, "neighbours": ["tv-1"]},
        {"id": "tv-3", "household": {"name": "王"}, "neighbours": ["tv-1", "tv-2"]},
        *({"id": f"tv-{n}"} for n in range(4, 12)),
    ):
        status, said = node.request("/api/v1/terminals", method="POST", body=body, cookie=cookie)
        assert status == 201, said

    near, home = tv("tv-1"), tv("tv-2")
    others = [tv(f"tv-{n}") for n in range(3, 12)]
    for each in (near, home, *others):
        each.online()
    home.press("t", test=True)
    seen("R1 of the test", lambda: home.acks("t", "received"))
    home.press("p")
    alert_id = seen("R1", lambda: home.acks("p", "received"))[0]["alert_id"]
    told = seen("the neighbour", near.neighbours)[0]
    assert (told["terminal"], told["alert_id"], told["household"]["name"], told["state"]) == (
        "tv-2",
        alert_id,
        "李",
        "raised",
    )
    assert "119" not in json.dumps(told)

    home.say("cancel", {"press_id": "p"})
    seen("the mark", lambda: node.alert(alert_id)["detail"].get("withdrawn_at"))
    alert = node.alert(alert_id)
    assert (alert["workflow"], alert["condition"]) == ("new", "active")
    assert [entry["actor"] for entry in alert["entries"] if entry["action"] == "withdrawn"] == ["terminal/tv-2"]
    assert node.act(alert_id, "close", disposition="false_alarm")[0] == 200
    seen("its end for the neighbour", lambda: [each["state"] for each in near.neighbours()] == ["raised", "closed"])
    assert not home.neighbours()

    # a television that listens to nothing yet: the broker says so, and the answer waits for it
    deaf = tv("tv-99", version=mqtt.MQTTv5, listens=False)
    deaf.press("d")
    seen("its alert", lambda: [each for each in node.alerts() if each["source"]["id"] == "tv-99"])
    deaf.subscribe()
    deaf.online()
    seen("R1 at last", lambda: deaf.acks("d", "received"))

    seen("all online", lambda: all(node.get(f"/terminals/tv-{n}")["state"] == "online" for n in range(1, 12)))
    near.die()
    seen("it is offline", lambda: node.get("/terminals/tv-1")["state"] == "offline")

    def silences() -> list[tuple[str, str, str]]:
        found = [each for each in node.alerts() if each["kind"] == "device_offline"]
        return [(each["source"]["type"], each["source"]["id"], each["condition"]) for each in found]

    seen("its silence", lambda: silences() == [("terminal", "tv-1", "active")])
    tv("tv-1").online()
    seen("it is back", lambda: silences() == [("terminal", "tv-1", "cleared")])


def test_a_test_run_names_who_did_not_answer(node, tv, seen) -> None:  # type: ignore[no-untyped-def]
    table = node.config.parent / "few.csv"
    table.write_text(
        "id,name,area_code\ntv-1,张,511724001001\ntv-2,李,511724001001\ntv-3,王,511724002001\n", encoding="utf-8"
    )
    assert node.command("terminals", "import", str(table)).returncode == 0
    one = tv("tv-1")
    one.online()
    seen("the register", lambda: len(everybody(node)) == 3)
    body = {"name": "2026-Q4", "areas": ["511724001"], "until": "2099-01-01T00:00:00Z"}
    status, said = node.request("/api/v1/test-runs", method="POST", body=body)
    assert status == 201, said
    run = json.loads(said)["id"]
    assert node.request("/api/v1/test-runs", method="POST", body=body)[0] == 409
    seen("it is asked", lambda: [content for word, content in one.told if word == "test"])
    one.press("x", test=True)
    seen("R1", lambda: one.acks("x", "received"))
    seen("it counts", lambda: node.get(f"/test-runs/{run}")["counts"]["tested"] == 1)
    report = node.get(f"/test-runs/{run}")
    assert report["counts"]["total"] == 2
    assert [(each["terminal"], each["name"]) for each in report["unanswered"]] == [("tv-2", "李")]
    assert node.request(f"/api/v1/test-runs/{run}/end", method="POST")[0] == 200
    assert node.get(f"/test-runs/{run}")["state"] == "ended"
