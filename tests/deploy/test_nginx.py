"""A real nginx with deploy/nginx/gateway.conf in front of a real node."""

import contextlib
import hashlib
import http.client
import http.cookies
import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.cascade import wire
from gateway.model import Entry

ROOT = Path(__file__).parents[2]
PASSWORD = "lantern-orchard-7"
NAME = "gateway.example"
_PATIENCE_S = 120.0
_MAIN = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/gateway.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Front:
    """``http`` and ``https``: nginx's ports. ``direct``: the node's own."""

    home: Path
    http: int
    https: int
    direct: int
    operator: str
    lower: str

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home / "gateway.crt"))


def _until(what: str, look: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not look():
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < until, f"{what} did not come up:\n{log.read_text(encoding='utf-8')}"
        time.sleep(0.1)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def _gateway(*words: str, text: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words], input=text, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Front]:
    home = tmp_path_factory.mktemp("front")
    home.chmod(0o755)  # nginx's worker is another user where its master is root
    direct, http, https = free_port(), free_port(), free_port()
    config = home / "node.yaml"
    config.write_text(
        f"""
node: {{id: dazhu, level: county}}
data_dir: {home}/data
http: {{listen: "127.0.0.1:{direct}", proxies: ["127.0.0.1"]}}
sources: [{{kind: cascade, id: lower}}]
cameras: [{{id: c1, name: 村口, scene: village, rtsp: {{main: "rtsp://127.0.0.1:9/none"}}}}]
""",
        encoding="utf-8",
    )
    _gateway("user", "add", "desk", "--role", "operator", "-c", str(config), "--password-stdin", text=f"{PASSWORD}\n")
    operator = _gateway("token", "add", "t", "--role", "operator", "-c", str(config)).strip().splitlines()[-1]
    node = ("--role", "node", "--node", "zhuyang")
    lower = _gateway("token", "add", "zhuyang", *node, "-c", str(config)).strip().splitlines()[-1]
    _certificate(home)
    _nginx_files(home, direct, http, https)
    logs = home / "node.log", home / "nginx.log"
    with logs[0].open("wb") as told, logs[1].open("wb") as said:
        run = [sys.executable, "-m", "gateway", "run", "-c", str(config)]
        core = subprocess.Popen(run, stdout=told, stderr=told, stdin=subprocess.DEVNULL, cwd=ROOT)
        nginx = None
        try:
            _until("the node", lambda: _listens(direct), core, logs[0])
            program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin")
            assert program is not None, "nginx is not here: .ci/packages test installs it"
            command = [program, "-p", str(home), "-c", str(home / "nginx.conf")]
            nginx = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
            _until("nginx", lambda: _listens(http), nginx, logs[1])
            yield Front(home, http, https, direct, operator, lower)
        finally:
            for process in (nginx, core):
                if process is not None:
                    process.terminate()
                    process.wait(_PATIENCE_S)


def _certificate(home: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", home / "gateway.key"]
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-days", "2", *key, "-out", home / "gateway.crt", *names]
    subprocess.run(command, check=True, capture_output=True)


def _nginx_files(home: Path, direct: int, http: int, https: int) -> None:
    """The example with nothing changed but ports and the certificate's place."""
    text = (ROOT / "deploy/nginx/gateway.conf").read_text(encoding="utf-8")
    for old, new in (
        ("server 127.0.0.1:8080;", f"server 127.0.0.1:{direct};"),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("    listen [::]:80;\n", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{https} ssl http2;"),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("/etc/nginx/tls/", f"{home}/"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (home / "gateway.conf").write_text(text, encoding="utf-8")
    (home / "nginx.conf").write_text(_MAIN.format(home=home), encoding="utf-8")


@contextlib.contextmanager
def answered(
    front: Front, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, to: int = 0
) -> Iterator[http.client.HTTPResponse]:
    """One request on a connection of its own: through TLS, or in plain words to the port ``to``."""
    line: http.client.HTTPConnection
    if to:
        line = http.client.HTTPConnection("127.0.0.1", to, timeout=_PATIENCE_S)
    else:
        line = http.client.HTTPSConnection("127.0.0.1", front.https, context=front.trust, timeout=_PATIENCE_S)
    with contextlib.closing(line):
        line.request(method, path, body, headers or {})
        with line.getresponse() as answer:
            yield answer


def log_in(
    front: Front, name: str, password: str, headers: dict[str, str], to: int = 0
) -> tuple[int, http.cookies.SimpleCookie]:
    body = json.dumps({"username": name, "password": password}).encode()
    with answered(
        front, "POST", "/api/v1/session", body, {"Content-Type": "application/json", **headers}, to
    ) as answer:
        return answer.status, http.cookies.SimpleCookie(answer.headers.get("Set-Cookie", ""))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_plain_http_is_sent_to_tls(front: Front) -> None:
    with answered(front, "GET", "/any?x=1", to=front.http) as answer:
        assert answer.status == 308
        assert answer.headers["Location"].startswith("https://")
    with answered(front, "GET", "/livez") as answer:
        assert answer.status == 200
        assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_a_login_through_tls_has_a_secure_cookie(front: Front) -> None:
    own = {"Origin": f"https://127.0.0.1:{front.https}", "Sec-Fetch-Site": "same-origin"}
    status, cookies = log_in(front, "desk", PASSWORD, own)
    ((name, cookie),) = cookies.items()
    assert (status, cookie["secure"]) == (200, True)
    own["Cookie"] = f"{name}={cookie.value}"
    with answered(front, "GET", "/api/v1/session", headers=own) as answer:
        assert answer.status == 200
    with answered(front, "DELETE", "/api/v1/session", headers=own) as answer:
        assert answer.status == 204
        assert "; Secure" in answer.headers["Set-Cookie"]
    assert log_in(front, "desk", PASSWORD, {"Origin": "https://elsewhere.example"})[0] == 403
    status, cookies = log_in(front, "desk", PASSWORD, {}, to=front.direct)
    assert status == 200
    assert [cookie["secure"] for cookie in cookies.values()] == [""]


def test_nobody_forges_where_wrong_passwords_come_from(front: Front) -> None:
    """Five in 15 minutes lock a name where they come from: a claimed address neither spares the guesser nor locks others."""
    statuses = []
    for number in range(7):
        claimed = {
            "X-Forwarded-For": f"192.0.2.{number}",
            "X-Real-IP": f"192.0.2.{number}",
            "Forwarded": "for=192.0.2.9",
        }
        statuses.append(log_in(front, "guessed", "wrong", claimed)[0])
    assert statuses[:5] == [401] * 5
    assert statuses[6] == 429
    # The node itself, where the proxy it knows speaks: another client has its own count.
    assert log_in(front, "guessed", "wrong", {"X-Forwarded-For": "198.51.100.1"}, to=front.direct)[0] == 401


def test_events_flow_as_they_come(front: Front) -> None:
    with answered(front, "GET", "/api/v1/stream", headers=bearer(front.operator)) as stream:
        assert stream.headers.get_content_type() == "text/event-stream"
        stream.readline()
        with answered(front, "POST", "/cascade/v1/events", _raised("flowing"), _posting(front)) as posted:
            assert posted.status == 200
        assert any(b"zhuyang-flowing" in line for line in stream)


def _posting(front: Front) -> dict[str, str]:
    return {**bearer(front.lower), "Content-Type": wire.SINGLE}


def _raised(name: str) -> bytes:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    base = {
        "kind": "sos", "severity": 1, "status": "actual", "title": "sos", "device_time": None, "raised_at": now,
        "source": {"type": "terminal", "id": "tv-0001", "name": "张家", "known": True},
        "place": {"lon": 107.2, "lat": 30.7, "address": "1", "area_code": "511724001001"},
        "detail": {"press_ids": ["p"]}, "cameras": [],
    }  # fmt: skip
    alert, seq = f"zhuyang-{name}", int.from_bytes(name.encode()[:4], "big")
    entry = Entry(
        id=f"e-{name}", alert_id=alert, node="zhuyang", seq=seq, parents=(), at=datetime.now(UTC),
        actor="terminal/tv-0001", action="raised", data={"base": base},
    )  # fmt: skip
    return wire.event_bytes(entry)


def test_a_node_below_is_given_receipts_and_its_clips_pass(front: Front) -> None:
    event = _raised("receipt")
    with answered(front, "POST", "/cascade/v1/events", event, _posting(front)) as answer:
        (receipt,) = json.load(answer)["receipts"]
    assert receipt["sha256"] == hashlib.sha256(event).hexdigest()
    clip = b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 4096 * 15  # 15 MiB: larger than what browsers may send
    path = f"/cascade/v1/media/{hashlib.sha256(clip).hexdigest()}"
    headers = {**bearer(front.lower), "Content-Type": "video/mp4"}
    with answered(front, "PUT", path, clip, headers) as answer:
        assert answer.status in (200, 201), answer.read()
    with answered(front, "PUT", path, b"x", {**headers, **bearer("nobody")}) as answer:
        assert answer.status == 401
    with answered(front, "POST", "/api/v1/alerts", b" " * 11_000_000, bearer(front.operator)) as answer:
        assert answer.status == 413


def test_the_downlink_stays_open(front: Front) -> None:
    with answered(front, "GET", "/cascade/v1/downlink", headers=bearer(front.lower)) as downlink:
        assert downlink.status == 200
        assert downlink.readline()


def test_a_websocket_reaches_the_node(front: Front) -> None:
    """The node refuses who has no token where it is asked to upgrade; a request that has lost its Upgrade is another to it."""
    path, nobody = "/cascade/v1/live/none", bearer("nobody")
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    }
    with (
        answered(front, "GET", path, headers=nobody | upgrade) as through,
        answered(front, "GET", path, headers=nobody) as plain,
    ):
        assert through.status == 401
        assert plain.status != 401


def test_an_offer_of_a_live_view_passes(front: Front) -> None:
    """The camera is not there, and the node says so."""
    headers = {**bearer(front.operator), "Content-Type": "application/sdp"}
    with answered(front, "POST", "/api/v1/cameras/c1/whep?reason=test", _OFFER.encode(), headers) as answer:
        told = answer.read()
        assert answer.headers.get_content_type() == "application/problem+json", told
        assert json.loads(told)["status"] == answer.status != 502


_OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    "a=setup:actpass\r\na=fingerprint:sha-256 " + ":".join(["AA"] * 32) + "\r\na=rtpmap:96 H264/90000\r\n"
)
