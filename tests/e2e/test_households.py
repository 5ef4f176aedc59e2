"""The register of households on a node that runs: taken from a table, changed over the API, tried, and known again."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

PASSWORD = "a long enough password"


class Household:
    """A terminal that subscribes to everything of its own. ``told``: (topic's last level, payload)."""

    def __init__(self, port: int, terminal: str) -> None:
        self.terminal = terminal
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.subscribed = False
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"stb-{terminal}")
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(f"tv/{terminal}/{t}", 1) for t in ("ack", "test")]
        )
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._hear
        self.client.connect("127.0.0.1", port, 30)
        self.client.loop_start()

    def _subscribed(self, *_: object) -> None:
        self.subscribed = True

    def _hear(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        self.told.append((message.topic.rpartition("/")[2], json.loads(message.payload)))

    def say(self, what: str, payload: Any, *, retain: bool = False) -> None:
        content = payload if isinstance(payload, str) else json.dumps(payload)
        self.client.publish(f"tv/{self.terminal}/{what}", content, qos=1, retain=retain)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def household(mosquitto: Any) -> Iterator[Callable[[str], Household]]:
    made: list[Household] = []

    def make(terminal: str) -> Household:
        made.append(Household(mosquitto.port, terminal))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def node(mosquitto: Any, new_node: Any, free_port: Callable[[], int]) -> Iterator[Any]:
    directory = Path(tempfile.mkdtemp(prefix="h-", dir="/tmp"))  # short: the workers' Unix sockets lie below it
    port = free_port()
    config = directory / "node.yaml"
    config.write_text(
        "node: {id: zhuyang, level: township, area_code: '511724001'}\n"
        "data_dir: ./var\n"
        f"http: {{listen: '127.0.0.1:{port}'}}\n"
        f"sources: [{{kind: mqtt, id: tv, url: '{mosquitto.url}'}}]\n"
        "terminals_file: terminals.csv\n",
        encoding="utf-8",
    )
    (directory / "terminals.csv").write_text("id\n", encoding="utf-8")
    made = new_node(config, port)
    made.token = made.new_token("look", "--role", "operator")
    made.command("user", "add", "m", "--role", "maintainer", "--password-stdin", text=f"{PASSWORD}\n")
    made.start()
    yield made
    if made.process.poll() is None:
        made.stop()
    shutil.rmtree(directory)


def test_a_register_is_taken_changed_tried_and_known_again(node, household, seen) -> None:  # type: ignore[no-untyped-def]
    table = node.config.parent / "户.csv"
    table.write_text(
        "终端编号,户主,电话,十户联防\ntv-1,张,110,tv-2\ntv-2,李,119,tv-1\ntv-3,王,坏,\n", encoding="gb18030"
    )
    done = node.command("terminals", "import", str(table))
    assert (done.returncode, "2 added" in done.stdout, "takes it over" in done.stdout) == (1, True, True), done
    assert f"{table}:4: tv-3: household.phone" in done.stderr
    seen("the register", lambda: ids(node) == ["tv-1", "tv-2"])

    cookie = node.log_in("m", PASSWORD)

    def change(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, said = node.request(f"/api/v1{path}", method=method, body=body, cookie=cookie)
        return status, json.loads(said) if said else None

    assert change("POST", "/terminals", {"id": "tv-9", "household": {"name": "赵"}, "neighbours": ["tv-1"]})[0] == 201
    assert change("PATCH", "/terminals/tv-9", {"household": {"phone": "138 0000 0000"}})[1]["household"]["name"] == "赵"
    assert change("POST", "/terminals/tv-1/replacement", {"id": "tv-101"})[1]["household"]["name"] == "张"
    assert change("PATCH", "/terminals/tv-9", {"cameras": ["nowhere"]})[0] == 409
    assert change("DELETE", "/terminals/tv-2")[0] == 204
    assert ids(node) == ["tv-101", "tv-9"]
    rows = (node.config.parent / "terminals.csv").read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["id", "tv-101", "tv-9"]
    assert "tv-101" in rows[2]  # its neighbour goes by the new id

    tv = household("tv-101")
    seen("subscribed", lambda: tv.subscribed)
    tv.say("status", "online", retain=True)
    seen("it is online", lambda: node.get("/terminals/tv-101")["state"] == "online")

    done = node.command("terminals", "test", "start", "三季度", "--for", "1h")
    assert done.returncode == 0, done
    seen("it is asked", lambda: [payload for what, payload in tv.told if what == "test"])
    tv.say("alarm", {"press_id": "t1", "kind": "sos", "test": True})
    seen("R1", lambda: [payload for what, payload in tv.told if what == "ack" and payload["stage"] == "received"])
    (alert,) = node.alerts()
    assert alert["status"] == "test"
    report = json.loads(node.command("terminals", "test", "report", "--json").stdout)
    assert report["counts"] == {"total": 2, "tested": 1, "heard": 0, "silent": 1}
    assert [each["terminal"] for each in report["unanswered"]] == ["tv-9"]
    assert "tv-9,赵" in node.command("terminals", "test", "report", "--csv").stdout

    before = node.get("/terminals/tv-101")
    tv.say("status", "", retain=True)  # nothing is left at the broker: what is known now is from our own disk
    assert node.stop() == 0
    node.start()
    after = node.get("/terminals/tv-101")
    assert (after["state"], after["last_press"]) == ("online", before["last_press"])
    report = json.loads(node.command("terminals", "test", "report", "--json").stdout)
    assert report["counts"]["tested"] == 1

    exported = node.config.parent / "out.xlsx"
    assert "2 terminals" in node.command("terminals", "export", str(exported)).stdout
    assert "2 as they were" in node.command("terminals", "import", str(exported), "--dry-run").stdout


def ids(node: Any) -> list[str]:
    return [each["id"] for each in node.get("/terminals")["items"]]


def test_without_a_node_that_runs_the_file_is_changed_and_a_test_run_refused(node) -> None:  # type: ignore[no-untyped-def]
    node.stop()
    done = node.command("terminals", "add", "tv-5", "--name", "赵", "--phone", "110", "--lon", "107.2", "--lat", "30.7")
    assert (done.returncode, done.stdout) == (0, "terminal tv-5 was added\n")
    assert node.command("terminals", "replace", "tv-5", "tv-6").returncode == 0
    assert node.command("terminals", "remove", "tv-5").returncode == 2
    assert node.command("terminals", "remove", "tv-6").returncode == 0
    done = node.command("terminals", "test", "start", "x")
    assert (done.returncode, "no node runs" in done.stderr) == (1, True)
