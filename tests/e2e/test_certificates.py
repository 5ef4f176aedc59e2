"""A real Mosquitto with deploy/mosquitto and certificates of `gateway pki`: who may press, and what the others are told."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from gateway.pki.authority import Authority
from gateway.pki.making import Kind

ROOT = Path(__file__).parents[2]


class Broker:
    """``directory``: pki/ (the authority that it trusts), other/ (one that it does not know)."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        self.own = Authority(directory / "pki", datetime.now(UTC))
        self.own.create("own")
        self.own.issue(Kind.SERVER, ["broker"], ["127.0.0.1"], None)
        self.own.issue(Kind.NODE, ["gateway"], (), None)
        self.own.issue(Kind.TERMINAL, ["tv-1", "tv-2", "lost"], (), None)
        Authority(directory / "pki", datetime.now(UTC) - timedelta(days=100)).issue(Kind.TERMINAL, ["old"], (), 30)
        self.own.revoke("lost")
        strange = Authority(directory / "other", datetime.now(UTC))
        strange.create("other")
        strange.issue(Kind.NODE, ["gateway"], (), None)
        strange.issue(Kind.TERMINAL, ["tv-1"], (), None)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.directory / "mosquitto.log").read_text(errors="replace")

    def certificate(self, name: str, authority: str = "pki") -> Path:
        return self.directory / authority / "issued" / f"{name}.crt"

    def tls(self, name: str, authority: str = "pki", ca: str = "pki") -> dict[str, str]:
        """As the configuration of a source has it."""
        path = self.certificate(name, authority)
        return {
            "ca": str(self.directory / ca / "ca.crt"),
            "certificate": str(path),
            "key": str(path.with_suffix(".key")),
        }

    def start(self) -> None:
        pki = self.directory / "pki"
        text = (ROOT / "deploy/mosquitto/gateway.conf").read_text(encoding="utf-8")
        for theirs, ours in {
            "listener 8883": f"listener {self.port} 127.0.0.1",
            "/etc/mosquitto/tls/broker": f"{pki}/issued/broker",
            "/etc/mosquitto/tls/": f"{pki}/",
            "/etc/mosquitto/gateway.acl": str(ROOT / "deploy/mosquitto/gateway.acl"),
            "/var/lib/mosquitto/": f"{self.directory}/",
        }.items():
            assert theirs in text
            text = text.replace(theirs, ours)
        if os.geteuid() == 0:
            text += "user root\n"  # else it becomes `mosquitto`, who may not read here
        (self.directory / "mosquitto.conf").write_text(text, encoding="utf-8")
        with (self.directory / "mosquitto.log").open("ab") as log:
            words = ["/usr/sbin/mosquitto", "-v", "-c", str(self.directory / "mosquitto.conf")]
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    def publish(self, tls: dict[str, str], topic: str, payload: str) -> subprocess.CompletedProcess[str]:
        """A terminal of another make: mosquitto_pub over MQTT 5, which is told when it may not."""
        return subprocess.run(
            ["mosquitto_pub", "-V", "5", "-h", "127.0.0.1", "-p", str(self.port), "--cafile", tls["ca"], "--cert", tls["certificate"],
             "--key", tls["key"], "-q", "1", "-t", topic, "-m", payload],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


class Hearer:
    """Somebody with a certificate who listens to a terminal's answers."""

    def __init__(self, port: int, tls: dict[str, str], topic: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self.granted: list[int] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.tls_set(tls["ca"], tls["certificate"], tls["key"])
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.granted.extend(one.value for one in reasons)
        self._client.on_message = lambda _c, _u, message: self.heard.append(json.loads(message.payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def hearer_of(broker: "Broker", seen: Callable[..., Any]) -> Iterator[Callable[..., Hearer]]:
    made: list[Hearer] = []

    def make(name: str, topic: str) -> Hearer:
        made.append(Hearer(broker.port, broker.tls(name), topic))
        seen("SUBACK", lambda: made[-1].granted)
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def broker(free_port: Callable[[], int]) -> Iterator[Broker]:
    directory = Path(tempfile.mkdtemp(prefix="c-", dir="/tmp"))
    made = Broker(directory, free_port())
    made.start()
    yield made
    made.stop()
    shutil.rmtree(directory)


def source(broker: Broker, tls: dict[str, str], host: str = "127.0.0.1") -> list[dict[str, Any]]:
    return [{"kind": "mqtt", "id": "tv", "url": f"mqtts://{host}:{broker.port}", "tls": tls}]


def test_the_right_certificate_is_answered_and_a_forged_terminal_is_not_heard(
    broker: Broker, node_of: Callable[..., Any], hearer_of: Callable[..., Hearer], seen: Callable[..., Any]
) -> None:
    rows = [{"id": name, "household": {"name": name}} for name in ("tv-1", "tv-2")]
    node = node_of("zhuyang", "township", "511724001", sources=source(broker, broker.tls("gateway")), terminals=rows)
    node.start()
    seen("the broker", lambda: node.hears("tv"))
    hearer, eavesdropper = hearer_of("tv-1", "tv/tv-1/ack"), hearer_of("tv-2", "tv/tv-1/ack")
    # one that presses for another, one that takes another's alarm back, one that plays the gateway
    for topic in ("tv/tv-1/alarm", "tv/tv-1/cancel", "tv/tv-1/status", "tv/tv-1/ack", "tv/heartbeat/alarm", "siren"):
        refused = broker.publish(broker.tls("tv-2"), topic, '{"press_id":"forged"}')
        assert "Not authorized" in refused.stdout + refused.stderr, topic
    assert broker.publish(broker.tls("tv-1"), "tv/tv-1/alarm", '{"press_id":"p1"}').returncode == 0
    seen("an answer", lambda: hearer.heard)
    assert [(told["press_id"], told["stage"]) for told in hearer.heard] == [("p1", "received")]
    assert [(alert["source"]["id"], alert["detail"]["press_ids"]) for alert in node.alerts()] == [("tv-1", ["p1"])]
    assert broker.publish(broker.tls("gateway"), "tv/tv-1/ack", '{"press_id":"p2","stage":"received"}').returncode == 0
    seen("what was said after it", lambda: len(hearer.heard) == 2)
    assert eavesdropper.heard == []
    with_expiry = seen(
        "expiry", lambda: "gateway_certificate_expiry_timestamp_seconds{" in _metrics(node) and _metrics(node)
    )
    assert (
        'expiry_timestamp_seconds{name="tv"}' in with_expiry and 'expiry_timestamp_seconds{name="tv/ca"}' in with_expiry
    )


def _metrics(node: Any) -> str:
    with urllib.request.urlopen(node.metrics, timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(("name", "authority"), [("lost", "pki"), ("old", "pki"), ("tv-1", "other")])
def test_a_terminal_with_the_wrong_certificate_does_not_get_in(
    broker: Broker, name: str, authority: str, seen: Callable[..., Any]
) -> None:
    refused = broker.publish(broker.tls(name, authority), f"tv/{name}/alarm", '{"press_id":"p1"}')
    assert refused.returncode != 0
    seen("why not", lambda: "certificate verify failed" in broker.log)
    assert f"u'{name}'" not in broker.log and f"tv/{name}/alarm" not in broker.log


def test_a_certificate_revoked_while_the_broker_runs_is_refused_after_a_reload(
    broker: Broker, seen: Callable[..., Any]
) -> None:
    assert broker.publish(broker.tls("tv-2"), "tv/tv-2/alarm", "{}").returncode == 0
    broker.own.revoke("tv-2")
    assert broker.process is not None
    broker.process.send_signal(signal.SIGHUP)
    seen("reloading", lambda: "Reloading config" in broker.log)
    assert broker.publish(broker.tls("tv-2"), "tv/tv-2/alarm", "{}").returncode != 0
    assert broker.publish(broker.tls("tv-1"), "tv/tv-1/alarm", "{}").returncode == 0


def test_certificates_of_both_authorities_are_good_while_one_follows_the_other(broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    before = {name: shutil.copy(path, tmp_path / name) for name, path in (("ca", broker.directory / "pki/ca.crt"),)}
    broker.own.renew_authority()
    broker.own.issue(Kind.TERMINAL, ["tv-3"], (), None)
    broker.start()
    for name in ("tv-1", "tv-3"):
        assert broker.publish(broker.tls(name), f"tv/{name}/alarm", "{}").returncode == 0
    assert broker.publish({**broker.tls("tv-1"), "ca": str(before["ca"])}, "tv/tv-1/alarm", "{}").returncode == 0
    broker.stop()
    for name in ("broker", "gateway", "tv-1", "tv-2"):
        broker.own.renew(name, None, None, revoke=False)
    broker.own.retire(anyway=False)
    broker.start()
    for name in ("tv-1", "tv-3"):
        assert broker.publish(broker.tls(name), f"tv/{name}/alarm", "{}").returncode == 0


def test_the_gateway_says_in_words_what_is_wrong_with_its_certificate(
    broker: Broker, node_of: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    """Its own of an authority that the broker does not know; the broker's of one that it does not trust; a name that the
    broker's does not have; none at all."""
    none = {"ca": str(broker.directory / "pki/ca.crt")}
    cases = {
        "stranger": (source(broker, broker.tls("gateway", "other")), "is of an authority that it does not know"),
        "mistrust": (source(broker, broker.tls("gateway", ca="other")), "its certificate is not trusted"),
        "misnamed": (source(broker, broker.tls("gateway"), "localhost"), "certificate is not valid for 'localhost'"),
        "bare": (source(broker, none), "it wants a certificate of ours"),
        "lost": (source(broker, broker.tls("lost")), "is revoked; gateway pki rotate makes the next"),
        "old": (source(broker, broker.tls("old")), "has ended; gateway pki rotate makes the next"),
    }
    for name, (sources, words) in cases.items():
        node = node_of(name, "township", "511724001", sources=sources)
        node.start()  # ready all the same: its console is needed most then
        line = seen(
            words,
            lambda node=node, words=words: next((line for line in node.logged().splitlines() if words in line), None),
        )
        assert json.loads(line)["source"] == "tv"
        assert "Traceback" not in node.logged()
        node.stop()


def test_press_from_the_command_line_says_it_too(broker: Broker, tmp_path: Path) -> None:
    config = tmp_path / "n.yaml"
    told = {"node": {"id": "n"}, "data_dir": "./n", "sources": source(broker, broker.tls("lost"))}
    config.write_text(json.dumps(told), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "press", "tv-1", "-c", str(config), "--wait", "3"],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "closed the connection at once; it probably does not take our certificate" in done.stderr
