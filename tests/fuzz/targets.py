"""What is fuzzed: every reader of a camera's, a node's or a terminal's bytes, each as one function of bytes.

A target returns for whatever it is given, or raises AssertionError where a promise is broken. Only DeviceError may come
out of the readers themselves; anything else is a finding, and so is an input that takes seconds or memory without bound.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from adapters.cascade.answers import HttpAnswer, read_digest, read_receipt, require_success
from adapters.cascade.batch import read_batch
from adapters.cascade.problems import Problem
from adapters.cascade.sse import EventParser
from adapters.cascade.wire import read_entry, read_json
from adapters.mqtt.presses import Arrived, press_signal, withdrawn_press
from adapters.onvif import soap
from adapters.onvif.addresses import reachable
from adapters.onvif.clock import read_time
from adapters.onvif.discovery.probes import MOST_MATCHES, read_announcement
from adapters.onvif.events.hearing import Ear, Heard
from adapters.onvif.events.notifications import LONGEST_TOPIC, parse_pull
from adapters.onvif.events.states import States
from adapters.onvif.events.subscription import _given, _parameters, managed_at
from adapters.onvif.events.topics import is_personal
from adapters.onvif.events.unknown import UnknownTopics
from adapters.onvif.inspection import reading
from adapters.onvif.ptz import read_presets
from adapters.onvif.services import read_capabilities, read_services
from adapters.rtsp.address import parse_address
from adapters.rtsp.deadlines import Timeouts
from adapters.rtsp.message import Request, Response
from adapters.rtsp.payload.depacketiser import SPOKEN, Depacketiser, depacketiser
from adapters.rtsp.payload.h264 import H264Depacketiser
from adapters.rtsp.payload.h264_syntax import H264Sets, recovery_frames
from adapters.rtsp.payload.h265 import H265Depacketiser
from adapters.rtsp.payload.h265_syntax import H265Sets, recovery_pictures
from adapters.rtsp.payload.nal_syntax import START_CODE, split_annexb
from adapters.rtsp.payload.rtp_unit import MAX_UNIT, UnitAssembler
from adapters.rtsp.protocol import MAX_UNFINISHED, Demultiplexer
from adapters.rtsp.route import Interleaved, read_transport
from adapters.rtsp.rtcp import Reception
from adapters.rtsp.sdp import parse_description
from adapters.rtsp.session import Session
from gateway.alerts.lifecycle import fold
from gateway.authentication import Authenticator, choose, parse_challenges
from gateway.backoff import retry_after
from gateway.canonical import canonical_json
from gateway.console.below import lower_camera, lower_terminal
from gateway.console.views import node_json
from gateway.errors import DeviceError, NotSpoken, ProtocolFault, Refused, TryLater
from gateway.model import PRESS_KINDS, Credential, OnvifAddress, Receipt
from gateway.observability.node_metrics import NodeFigures, NodeScene
from gateway.ports import Report
from gateway.reporting.subtree import Subtree

MAX_PREFIX = 64 * 1024
"""No parameter sets in force are longer than this together."""

_BUFFER = 256 * 1024
_PASSWORD = "geheim-7f3a"
_Unit = tuple[bool, bytes, int, float]


class _Standing:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 8, tzinfo=UTC)

    def mono(self) -> float:
        return 1.0


_STANDING = _Standing()


class _Dice:
    """Decisions from the front of an input, so that a mutation of the rest keeps them."""

    def __init__(self, data: bytes, count: int) -> None:
        self._front, self.rest = data[:count].ljust(count, b"\0"), data[count:]
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._front[self._at - 1]


def _pieces(data: bytes, seed: int) -> Iterator[bytes]:
    """The data in pieces whose lengths follow from ``seed``, 0 for one piece."""
    sizes = (len(data),) if not seed else (1 + seed % 7, 1 + seed * 37 % 1500, 1 + seed * 5 % 60)
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at += size
        turn += 1


class _Watched(Demultiplexer):
    """Says whether it had to look for the next thing that can be read."""

    __slots__ = ("stumbled",)

    def __init__(self, on_message: Callable[[Request | Response], None]) -> None:
        super().__init__(on_message)
        self.stumbled = False

    def _pass_junk(self, buffer: bytearray, pos: int, end: int, begins: bytes) -> int:
        self.stumbled = True
        return super()._pass_junk(buffer, pos, end, begins)


class _Receiver:
    """Bytes in, as a connection's receive buffer brings them; the demultiplexer's promises are held on the way."""

    def __init__(self, on_message: Callable[[Request | Response], None]) -> None:
        self.demultiplexer = _Watched(on_message)
        self.buffer = bytearray(_BUFFER)
        self.view = memoryview(self.buffer)
        self.tail = b""

    def feed(self, piece: bytes, now: float) -> None:
        room = _BUFFER - MAX_UNFINISHED
        for at in range(0, len(piece), room):
            data = self.tail + piece[at : at + room]
            self.buffer[: len(data)] = data
            used = self.demultiplexer.walk(self.buffer, self.view, len(data), now)
            assert 0 <= used <= len(data)
            self.tail = data[used:]
            assert len(self.tail) < MAX_UNFINISHED, "an unfinished tail without bound"


def _assembler(choice: int, emit: Callable[[bool, bytes, int, float], None]) -> UnitAssembler:
    return H265Depacketiser(H265Sets(), emit) if choice & 1 else H264Depacketiser(H264Sets(), emit)


def _check_units(assembler: UnitAssembler, units: list[_Unit], received: int) -> None:
    assert len(assembler._body) <= MAX_UNIT + 16
    assert len(assembler.sets.prefix) <= MAX_PREFIX
    for keyframe, payload, _, _ in units:
        assert payload.startswith(START_CODE), "a unit is Annex B"
        # Every byte of a unit came in a packet; a start code takes the place of at least one, and a fragment's header.
        assert len(payload) <= MAX_PREFIX * 2 + received * 5
        assert not keyframe or assembler.sets.complete


def demultiplexer(data: bytes) -> None:
    """Any bytes on a connection; whatever way they are cut, the same comes out."""
    dice = _Dice(data, 4)
    codec, wants_all, cut, channel = (dice.byte() for _ in range(4))
    outcomes = []
    for seed in (0, cut or 1):
        messages: list[Request | Response] = []
        units: list[_Unit] = []
        receiver = _Receiver(messages.append)
        sink = _assembler(codec, lambda *unit, units=units: units.append(unit))
        sink.want_all(bool(wants_all & 1))
        receiver.demultiplexer.attach(channel & 3, sink)
        fault = None
        try:
            for piece in _pieces(dice.rest, seed):
                receiver.feed(piece, 1.0)
        except DeviceError as error:
            fault = str(error)
            assert fault.isprintable()
        _check_units(sink, units, len(data))
        outcomes.append((messages, units, fault))
        # Junk is judged by as much of it as is there: where a stumbling peer is picked up again may depend on the cuts.
        if fault or receiver.demultiplexer.stumbled:
            return
    assert outcomes[0] == outcomes[1]


def packets(data: bytes) -> None:
    """Any RTP packets, one after another, as datagrams bring them; want_all changes its mind in between."""
    dice = _Dice(data, 1)
    units: list[_Unit] = []
    assembler = _assembler(dice.byte(), lambda *unit: units.append(unit))
    rest, at, seq, time = dice.rest, 0, 0, 0
    while at + 3 <= len(rest):
        how, size = rest[at], rest[at + 1] << 8 | rest[at + 2]
        payload = rest[at + 3 : at + 3 + size]
        at += 3 + size
        seq += 1 + (how >> 4 & 1)
        time += (how & 3) * 3600
        if how & 8:
            assembler.want_all(bool(how & 4))
        if how & 0x20:
            packet = payload  # not even RTP
        else:
            mark = how & 0x80 | 96
            packet = bytes([0x80, mark]) + (seq & 0xFFFF).to_bytes(2, "big") + time.to_bytes(8, "big") + payload
        assembler.packet(memoryview(packet), 0, len(packet), float(at))
        _check_units(assembler, units[-1:], len(data))
    assert assembler.dropped <= len(data)


def dialogue(data: bytes) -> None:
    """A whole connection against a hostile camera, from OPTIONS to whatever comes of it."""
    dice = _Dice(data, 3)
    options, cut, step = (dice.byte() for _ in range(3))
    credential = Credential("viewer", _PASSWORD) if options & 1 else None
    allow_basic = bool(options & 2)
    address = parse_address("rtsp://192.0.2.1/live")
    transport = ("auto", "tcp", "udp", "auto")[options >> 2 & 3]
    session = Session(
        address, credential, Timeouts(), allow_basic=allow_basic, transport=transport, open_ports=lambda: 50_000
    )
    sink: Depacketiser | None = None
    sent: list[bytes] = []
    now = 0.0

    def take(message: Request | Response) -> None:
        nonlocal sink
        sent.append(session.receive(message, now))
        if sink is None and session.media is not None and isinstance(session.route, Interleaved):
            sink = depacketiser(session.media, lambda *unit: None)
            sink.want_all(bool(options & 0x10))
            receiver.demultiplexer.attach(session.route.rtp, sink)

    receiver = _Receiver(take)
    sent.append(session.begin(now))
    fault = ""
    try:
        for piece in _pieces(dice.rest, cut):
            receiver.feed(piece, now)
            now += step / 64
            seen, receiver.demultiplexer.media_seen = receiver.demultiplexer.media_seen, False
            sent.append(session.tick(now, media_seen=seen, keyframe_at=0.0))
    except DeviceError as error:
        fault = str(error)
    sent.append(session.teardown(now))
    assert fault.isprintable() and len(fault) < 2000, "a sentence for a log"
    _check_secrets(fault, sent, allow_basic)
    if isinstance(sink, UnitAssembler):
        _check_units(sink, [], len(data))


def _check_secrets(fault: str, sent: list[bytes], allow_basic: bool) -> None:
    assert _PASSWORD not in fault
    for request in filter(None, sent):
        assert _PASSWORD.encode() not in request
        assert allow_basic or b"Authorization: Basic" not in request
        lines = request.split(b"\r\n")
        assert lines[-2:] == [b"", b""] and all(lines[:-2]), "one message, ended once"
        assert not any(b"\r" in line or b"\n" in line for line in lines), "a line that the camera wrote for us"


def description(data: bytes) -> None:
    """An SDP of any text, and the depacketiser that would be made of it."""
    text = data.decode("utf-8", "replace")
    found = parse_description(text)
    media = found.video(SPOKEN)
    assert media is None or media in found.medias
    for each in found.medias:
        try:
            made = depacketiser(each, lambda *unit: None)
        except NotSpoken as fault:
            assert str(fault).isprintable()
        else:
            assert isinstance(made, UnitAssembler) and len(made.sets.prefix) <= MAX_PREFIX


def header_fields(data: bytes) -> None:
    """WWW-Authenticate and Transport fields, one a line."""
    fields = data.decode("utf-8", "replace").split("\n")
    challenge = choose(parse_challenges(fields), allow_basic=False)
    if challenge is not None:
        authenticator = Authenticator(Credential("viewer", _PASSWORD))
        authenticator.accept(challenge)
        for _ in range(2):
            answer = authenticator.field("DESCRIBE", "rtsp://192.0.2.1/live")
            assert answer is not None and answer.startswith("Digest ") and _PASSWORD not in answer
    for field in fields[:50]:
        for asked_udp in (False, True):
            read_transport(field, asked_udp=asked_udp)


def parameter_sets(data: bytes) -> None:
    """NAL units as parameter sets and SEI of both codecs."""
    for sets in (H264Sets(), H265Sets()):
        for nal in split_annexb(data):
            sets.add(nal)
            assert len(sets.prefix) <= MAX_PREFIX
            assert (sets.width is None) == (sets.height is None)
            assert sets.width is None or 0 < sets.width <= 16384
    recovery_frames(data)
    recovery_pictures(data)


def reception(data: bytes) -> None:
    """RTP headers and RTCP as the receiver reports see them."""
    heard = Reception()
    now = 0.0
    for at in range(0, len(data) - 12, 12):
        now += 0.01
        view = memoryview(data)
        if data[at] & 1:
            heard.packet(view, at, now)
        elif data[at] & 2:
            heard.sample(view, at)
        else:
            heard.hear(view, at, len(data), now)
        if at % 120 == 0:
            report = heard.report(now)
            assert len(report) % 4 == 0 and len(report) < 128
    assert heard.lost >= 0


def soap_answer(data: bytes) -> None:
    """An ONVIF device's answer, through every reader that may get it."""
    address = OnvifAddress("192.0.2.1", 8000)
    try:
        found = soap.read(data, "192.0.2.1:8000", "GetThing")
    except DeviceError as fault:
        assert str(fault).startswith("192.0.2.1:8000 ") and str(fault).isprintable() and len(str(fault)) < 1000
        return
    assert soap.local(found) != "Fault"
    read_time(found)
    assert all(preset.token for preset in read_presets(found))
    for services in (read_services(found, address), read_capabilities(found, address)):
        for url in (services.device, services.media, services.events):
            assert url is None or url.startswith(("http://192.0.2.1", "https://192.0.2.1", "rtsp://", "rtsps://"))


def device_address(data: bytes) -> None:
    """An address that a device gave: it leads to the device or nowhere."""
    for tls in (False, True):
        try:
            found = reachable(data.decode("utf-8", "replace"), OnvifAddress("192.0.2.1", 8000, tls=tls))
        except DeviceError as fault:
            assert str(fault).isprintable()
            continue
        authority = found.partition("//")[2].partition("/")[0].partition("?")[0]
        assert authority.partition(":")[0] == "192.0.2.1" and "@" not in authority
        assert found.isascii() and found.isprintable() and " " not in found


def events(data: bytes) -> None:
    """Answers to pulls, one after the other and time passing between: what is made of them is small, ours, and of nobody."""
    dice = _Dice(data, 2)
    vendor = ("", "HIKVISION", "Dahua", "AXIS", "tp-link", "Reolink", "Ajax", "Pelco")[dice.byte() & 7]
    step, now, heard = dice.byte(), 1000.0, list[Heard]()
    ear = Ear("192.0.2.1:80", heard.append, states=States(), unknown=UnknownTopics(), vendor=vendor, mono=lambda: now)
    count = 0
    for number, answer in enumerate(dice.rest.split(b"\n---\n")[:8]):
        if number % 3 == 0:
            ear.begin()
        try:
            body = soap.read(answer, "192.0.2.1:80", "PullMessages")
        except DeviceError:
            continue
        notifications = parse_pull(body)
        count += len(notifications)
        assert all(0 < len(each.topic) <= LONGEST_TOPIC for each in notifications)
        ear.take(body)
        now += step
        ear.idle()
    assert len(heard) <= 3 * count, "one thing is told once, and its end once"
    for told in heard:
        assert told.occurrence.what is not None
        assert told.notification is None or not is_personal(told.notification.topic)


def announcement(data: bytes) -> None:
    """A datagram of anybody: devices are where it came from, and what they say can be shown on a terminal."""
    said = read_announcement(data, "192.0.2.9")
    assert len(said.found) <= MOST_MATCHES
    for found in said.found:
        assert found.host == "192.0.2.9" and 0 < found.port < 65_536
        for text in (found.endpoint, found.name, found.hardware, found.location, *found.scopes, *found.xaddrs):
            assert len(text) <= 256 and not any(c < " " or "\x7f" <= c < "\xa0" for c in text)


def subscription(data: bytes) -> None:
    """The answer to a subscription: managed at the device alone, its parameters few, and XML again."""
    address, service = OnvifAddress("192.0.2.1", 8000), "http://192.0.2.1:8000/onvif/event"
    try:
        found = soap.read(data, "192.0.2.1:8000", "CreatePullPointSubscription")
    except DeviceError:
        return
    lease = _given(found)
    assert lease is None or -1e12 < lease < 1e12
    reference = soap.child(found, "SubscriptionReference")
    if reference is None:
        return
    assert len(_parameters(reference)) <= 4096
    try:
        url = managed_at(soap.text(reference, "Address") or "", service, address)
    except DeviceError as fault:
        assert str(fault).isprintable()
        return
    assert url.startswith(("http://192.0.2.1", "https://192.0.2.1", "rtsp://192.0.2.1", "rtsps://192.0.2.1"))


def inspection(data: bytes) -> None:
    """What an inspection is answered, without the library: read or not, never another exception."""
    try:
        form = reading.plain(soap.read(data, "192.0.2.1:80", "GetProfiles"))
    except DeviceError:
        return
    for profile in (*reading.media_profiles(form), *reading.media2_profiles(form)):
        assert profile.token and len(profile.token) <= 256
    assert all(len(text) <= 256 for text in reading.scopes(form))
    information = reading.information(form)
    assert len(information.vendor) <= 256 and len(information.serial) <= 256
    assert (information.vendor + information.model + information.serial).isprintable()
    name = reading.name_in(reading.scopes(form))
    assert name is None or (name and name.isprintable())
    identity = reading.identity(form)
    assert identity is None or len(identity) == 36
    uri = reading.media_uri(form)
    assert uri is None or uri
    reading.tokens(form, "PTZNode")


def report(data: bytes) -> None:
    """What a lower node posts, judged and kept: the county's counts stay true, and what it shows can be shown."""
    try:
        batch = read_batch(data, "lower")
    except Problem as fault:
        assert 400 <= fault.status < 500
        return
    assert len(batch.arrivals) == len(batch.ids)
    county = Subtree("county", _STANDING)
    for arrival in batch.arrivals:
        if isinstance(arrival, Report):
            for _ in range(2):
                county.take(arrival, "lower")
    for view, holding in zip(county.views(), county.holdings(), strict=True):
        assert sum(view.cameras.values()) == len(holding.cameras.ids())
        json.dumps(node_json(view), allow_nan=False).encode()
        for camera in holding.cameras:
            json.dumps(lower_camera(county, view.card.id, camera), allow_nan=False).encode()
        for terminal in holding.terminals:
            json.dumps(lower_terminal(county, view.card.id, terminal), allow_nan=False).encode()
    nodes = [
        NodeFigures(view.card.id, True, view.last_heard, view.cameras, view.terminals, view.figures)
        for view in county.views()
    ]
    names = [metric.name for metric in NodeScene(nodes).collect()]
    assert len(names) == len(set(names)), "a node's figure under another metric's name"


def upper_answer(data: bytes) -> None:
    """What an upper node answers: a receipt that can be reckoned with, or why there is none; never a wait without end."""
    header, _, body = data.partition(b"\n")
    answer = HttpAnswer(200, {}, body)
    for read in (
        lambda: read_receipt(answer, "e1", "ab" * 32, "http://upper"),
        lambda: read_digest(answer, "http://upper"),
        lambda: require_success(HttpAnswer((header[:1] == b"5" and 503) or 422, {}, body), "http://upper"),
    ):
        try:
            found = read()
        except (Refused, TryLater) as fault:
            assert str(fault).isprintable()
            continue
        if isinstance(found, Receipt):
            assert (found.id, found.sha256) == ("e1", "ab" * 32)
            assert found.committed_at - timedelta(days=2) < found.committed_at < found.committed_at + timedelta(days=2)
    wait = retry_after(header.decode("latin-1"), _STANDING.now(), 300)
    assert wait is None or 0 <= wait <= 300


def downlink(data: bytes) -> None:
    """What comes down from an upper node: entries, or faults in words."""
    dice, parser = _Dice(data, 1), EventParser()
    try:
        heard = [event for piece in _pieces(dice.rest, dice.byte()) for event in parser.feed(piece)]
    except ProtocolFault:
        return
    for event in heard:
        try:
            entry = read_entry(read_json(event.data.encode()))
        except ValueError as fault:
            assert str(fault)
            continue
        if entry is not None:
            fold([entry])


def press(data: bytes) -> None:
    """Whatever a terminal publishes is a press, and can be written down."""
    signal = press_signal("tv", Arrived("tv-1", data, _STANDING.now(), 1.0))
    assert signal.press is not None and signal.kind in PRESS_KINDS
    canonical_json(dict(signal.detail))
    assert signal.device_time is None or 1 <= signal.device_time.year <= 9999
    assert withdrawn_press(data) is None or withdrawn_press(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        demultiplexer,
        packets,
        dialogue,
        description,
        header_fields,
        parameter_sets,
        reception,
        soap_answer,
        device_address,
        events,
        announcement,
        subscription,
        inspection,
        report,
        upper_answer,
        downlink,
        press,
    )
}
