"""One client of a simulated camera: the RTSP dialogue (RFC 2326), with whatever the camera's faults make of it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from gateway.errors import ProtocolFault
from gateway.lab.camera import SimulatedCamera
from gateway.lab.faults import ANY, Behaviour
from gateway.lab.feeds import Feed
from gateway.lab.figures import Figures
from gateway.lab.line import Line
from gateway.lab.offers import ClientPorts, Interleaved, chosen
from gateway.lab.rtp import RTCP_CHANNEL, RTP_CHANNEL
from gateway.lab.rtsp_answer import PUBLIC, WEB_PAGE, Headers, answer
from gateway.lab.rtsp_auth import Gate, Verdict
from gateway.lab.rtsp_request import Request, RequestReader
from gateway.lab.sdp import AUDIO_CONTROL, describe
from gateway.lab.udp_pair import UdpPair
from gateway.lab.viewing import Viewing
from gateway.model import Credential

_LINGER = 1.25  # a session lives so many times its announced timeout without a sign of the client
_GONE = (7, 8)  # TCP_CLOSE, TCP_CLOSE_WAIT of Linux
_LOOK_EVERY = 0.2
_FILL = b"X-Fill: " + b"a" * 8000 + b"\r\n"
_FILL_LIMIT = 64 << 20  # bytes of an endless header; nobody should read so far


class Server(Protocol):
    """What a connection asks of the server that it came to."""

    port: int
    credential: Credential | None
    figures: Figures
    connections: set["Connection"]

    def camera_of(self, path: str) -> SimulatedCamera | None: ...
    def feed(self, path: str, behaviour: Behaviour | None = None) -> Feed | None: ...
    def shown(self, path: str, behaviour: Behaviour) -> Feed | None: ...


class Connection:
    """One client. It belongs to the camera that its first request names, and watches at most one stream."""

    def __init__(self, server: Server, connection: socket.socket, address: str) -> None:
        self.viewing: Viewing | None = None
        self._server, self._socket, self._address = server, connection, address
        self._loop = asyncio.get_running_loop()
        self._line = Line(connection, self.close)
        self._reader = RequestReader()
        self._camera: SimulatedCamera | None = None
        self._gate: Gate | None = None
        self._session = ""
        self._channels = (RTP_CHANNEL, RTCP_CHANNEL)
        self._sound_channels = (RTP_CHANNEL + 2, RTCP_CHANNEL + 2)
        self._udp: UdpPair | None = None
        self._path = ""
        self._held: Request | None = None  # asked while it was stopped
        self._dead = self._paused = self._settled = False
        self._heard_at = self._loop.time()
        self._watchdog: asyncio.TimerHandle | None = None
        self._loop.add_reader(connection, self._readable)

    # -------------------------------------------------------------------------------------------- as its camera sees it

    def apply(self, behaviour: Behaviour) -> None:
        """Act so from now on."""
        if behaviour.half_open:
            self.lose_power()
        elif behaviour.stopped:
            self._pause()
        elif not self._dead:
            self._resume()
            if self.viewing is not None:
                self._show(behaviour)

    def lose_power(self) -> None:
        """Nothing goes out any more; the client is told nothing."""
        self._dead = True
        self._settle()
        self._stop_viewing()

    def close(self) -> None:
        """End with FIN."""
        self._leave(orderly=False)
        self._line.close()

    def reset(self) -> None:
        """End with RST."""
        self._leave(orderly=False)
        self._line.reset()

    # ------------------------------------------------------------------------------------------------------- requests

    def _readable(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif self._dead:
            # Power is back: its kernel knows nothing of the connection and says so.
            if self._camera is not None and not self._camera.mute:
                self.reset()
        else:
            self._heard_at = self._loop.time()
            self._reader.add(data)
            self._answer_all()

    def _answer_all(self) -> None:
        while self._line.open and not (self._dead or self._paused):
            try:
                request = self._reader.next()
            except ProtocolFault:
                self._reply(400, "0")
                self.close()
                return
            if request is None:
                return
            self._server.figures.requests[request.method] += 1
            self._take(request)

    def _take(self, request: Request) -> None:
        if self._camera is None and request.url != "*":
            self._camera = self._server.camera_of(request.path)
            if self._camera is not None:
                self._camera.clients.add(self)
        camera = self._camera
        if camera is None:
            self._reply_without_camera(request)
        elif not camera.powered or camera.behaviour.half_open:
            self.lose_power()
        elif camera.behaviour.stopped:
            self._held = request
            self._pause()
        elif not self._misbehaves(request, camera.behaviour):
            self._answer(request, camera)

    def _reply_without_camera(self, request: Request) -> None:
        if request.method == "OPTIONS":
            self._reply(200, request.sequence, {"Public": PUBLIC})
        else:
            self._reply(404, request.sequence)

    def _misbehaves(self, request: Request, behaviour: Behaviour) -> bool:
        """Whether a fault took the request out of the dialogue's hands."""
        if behaviour.reset_at in (ANY, request.method):
            self.reset()
        elif behaviour.silent_at in (ANY, request.method):
            self._dead = True
        elif behaviour.http:
            self._line.send(WEB_PAGE)
            self.close()
        elif behaviour.endless_header:
            self._line.send(f"RTSP/1.0 200 OK\r\nCSeq: {request.sequence}\r\n".encode())
            self._fill(_FILL_LIMIT)
        else:
            if behaviour.drip:
                self._line.slow_down(1.0)
            elif behaviour.kbit:
                self._line.slow_down(behaviour.kbit * 125, behaviour.delay)
            return False
        return True

    def _fill(self, left: int) -> None:
        if left > 0 and self._line.open:
            if self._line.backlog < len(_FILL):
                self._line.send(_FILL)
            self._loop.call_later(0.002, self._fill, left - len(_FILL))

    def _answer(self, request: Request, camera: SimulatedCamera) -> None:
        if request.method == "OPTIONS":
            self._reply(200, request.sequence, {"Public": PUBLIC})
        elif not self._logged_in(request, camera):
            return
        elif request.method == "DESCRIBE":
            self._describe(request, camera)
        elif request.method == "SETUP":
            self._setup(request, camera)
        elif request.method in ("PLAY", "GET_PARAMETER", "TEARDOWN"):
            self._control(request, camera)
        else:
            self._reply(501, request.sequence)

    def _logged_in(self, request: Request, camera: SimulatedCamera) -> bool:
        behaviour, credential = camera.behaviour, self._server.credential
        if credential is None and not behaviour.refuses_password:
            return True
        if self._gate is None:
            self._gate = Gate(credential, behaviour.schemes, nonce_uses=behaviour.nonce_uses)
        verdict = self._gate.judge(request.method, request.headers.get("authorization"))
        if behaviour.refuses_password and verdict is not Verdict.MISSING:
            verdict = Verdict.WRONG
        if verdict is Verdict.WRONG:
            camera.count_wrong_password()
            self._server.figures.wrong_passwords[camera.number] += 1
        if verdict is Verdict.ADMITTED and not camera.locked:
            return True
        stale = verdict is Verdict.STALE and behaviour.tells_stale
        headers = [("WWW-Authenticate", one) for one in self._gate.challenges(stale=stale)]
        self._reply(401, request.sequence, headers)
        return False

    def _describe(self, request: Request, camera: SimulatedCamera) -> None:
        behaviour, feed = camera.behaviour, self._server.feed(request.path, camera.behaviour)
        if feed is None:
            self._reply(404, request.sequence)
        elif behaviour.redirects and not request.path.startswith("/moved/"):
            place = f"rtsp://{self._address}:{self._server.port}/moved{request.path}"
            self._reply(302, request.sequence, {"Location": place})
        else:
            described = describe(feed, request.url, behaviour.sdp)
            self._reply(200, request.sequence, described.headers, described.body)

    def _setup(self, request: Request, camera: SimulatedCamera) -> None:
        behaviour = camera.behaviour
        over = not self._session and 0 < behaviour.session_limit <= camera.sessions
        if self._server.feed(request.path, behaviour) is None:
            self._reply(404, request.sequence)
        elif behaviour.busy:
            self._reply(behaviour.busy, request.sequence)
        elif over and behaviour.over_limit != "no media":
            self._reply(int(behaviour.over_limit), request.sequence)
        elif self.viewing is not None:
            self._reply(455, request.sequence)
        elif (transport := self._agree(request, behaviour)) is None:
            self._reply(461, request.sequence)
        else:
            self._begin_session(camera, counted=not over)
            if not request.path.endswith(AUDIO_CONTROL):
                self._path = "" if over else request.path
            ending = {"Session": f"{self._session};timeout={behaviour.session_timeout}"}
            self._reply(200, request.sequence, {"Transport": transport} | ending)

    def _begin_session(self, camera: SimulatedCamera, *, counted: bool) -> None:
        if not self._session:
            self._session = camera.begin_session() if counted else "0badcafe"
        elif camera.behaviour.new_session_ids:
            camera.end_session(self._session, orderly=True)
            self._session = camera.begin_session()

    def _agree(self, request: Request, behaviour: Behaviour) -> str | None:
        """The Transport header of the answer to the first offer that the camera takes, or None."""
        sound = request.path.endswith(AUDIO_CONTROL)
        offer = chosen(request.headers.get("transport", ""), behaviour, sound=sound)
        if isinstance(offer, Interleaved):
            if sound:
                self._sound_channels = offer.channels
            else:
                self._channels = offer.channels
            return offer.header()
        if isinstance(offer, ClientPorts):
            self._drop_udp()
            peer = self._socket.getpeername()[0]
            self._udp = UdpPair(self._address, peer, (offer.rtp, offer.rtcp), self._heard_report)
            return offer.header(self._udp.port)
        return None

    def _heard_report(self) -> None:
        self._server.figures.reports += 1
        self._heard_at = self._loop.time()

    def _control(self, request: Request, camera: SimulatedCamera) -> None:
        named = request.headers.get("session", "").partition(";")[0].strip()
        if request.method == "GET_PARAMETER" and not named:
            self._reply(200, request.sequence)
        elif not self._session or named != self._session:
            self._reply(454, request.sequence)
        elif request.method == "TEARDOWN":
            self._reply(200, request.sequence, {"Session": self._session})
            self._end_session(orderly=True)
        elif request.method == "PLAY" and self.viewing is None:
            self._play(request, camera)
        else:
            self._reply(200, request.sequence, {"Session": self._session})

    # ---------------------------------------------------------------------------------------------------------- media

    def _play(self, request: Request, camera: SimulatedCamera) -> None:
        headers = {"Session": self._session}
        if camera.behaviour.rtp_info:
            headers["RTP-Info"] = f"url={request.url};seq=0;rtptime=0"
        if camera.behaviour.media_before_answer:
            self._show(camera.behaviour, then=lambda: self._reply(200, request.sequence, headers))
        else:
            self._reply(200, request.sequence, headers)
            self._show(camera.behaviour)
        self._server.figures.plays[camera.number] += 1
        self._settle()
        self._watch_for_silence(camera)

    def _show(self, behaviour: Behaviour, then: Callable[[], object] | None = None) -> None:
        """Begin to show the stream, or go on in another manner."""
        feed = self._server.shown(self._path, behaviour) if self._path else None
        if self.viewing is None:
            self.viewing = Viewing(self, self._line, self._udp)
        channels = self._sound_channels if behaviour.media == "sound" else self._channels
        self.viewing.show(feed, behaviour, channels, then)

    def cut_off(self) -> None:
        """The client reads too slowly."""
        self._server.figures.slow_clients += 1
        self.reset()

    def _watch_for_silence(self, camera: SimulatedCamera) -> None:
        """End the session of a client that gives no sign of life: no request, and no receiver report."""
        limit = _LINGER * camera.behaviour.session_timeout
        if self._paused:  # a stopped camera hears nothing and judges nobody
            self._heard_at = self._loop.time()
        left = self._heard_at + limit - self._loop.time()
        if left <= 0:
            self.close()
        else:
            self._watchdog = self._loop.call_later(left, self._watch_for_silence, camera)

    def _pause(self) -> None:
        if not self._paused and self._line.open:
            self._paused = True
            self._loop.remove_reader(self._socket)
            if self.viewing is not None:
                self.viewing.pause()
            self._look_for_its_end()

    def _look_for_its_end(self) -> None:
        """A stopped camera reads nothing, not even that the client has gone; the lab must not keep such sockets."""
        if not self._paused or not self._line.open:
            return
        state = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state in _GONE:
            self.close()
        else:
            self._loop.call_later(_LOOK_EVERY, self._look_for_its_end)

    def _resume(self) -> None:
        if not self._paused:
            return
        self._paused = False
        self._loop.add_reader(self._socket, self._readable)
        held, self._held = self._held, None
        if held is not None:
            self._take(held)
        self._answer_all()

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            self._server.figures.settled(self._address)

    def _stop_viewing(self) -> None:
        if self.viewing is not None:
            self.viewing.end()
            self.viewing = None
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._drop_udp()

    def _drop_udp(self) -> None:
        if self._udp is not None:
            self._udp.close()
            self._udp = None

    def _end_session(self, *, orderly: bool) -> None:
        self._stop_viewing()
        if self._session and self._camera is not None:
            self._camera.end_session(self._session, orderly=orderly)
        self._session = ""

    def _leave(self, *, orderly: bool) -> None:
        if not self._line.open:
            return
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._socket)
        self._settle()
        self._end_session(orderly=orderly)
        if self._camera is not None:
            self._camera.clients.discard(self)
        self._server.connections.discard(self)

    def _reply(self, status: int, sequence: str, headers: Headers = (), body: str = "") -> None:
        self._server.figures.statuses[status] += 1
        self._line.send(answer(status, sequence, headers, body))
