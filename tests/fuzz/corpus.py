"""Where fuzzing begins: well-formed inputs of every target, and the words that mutations are made of."""

import importlib.util
import json
import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
RECORDINGS = (HERE / "../../../shared/fixtures/onvif/_rtsp").resolve()
"""Answers of real cameras, which stand beside the checkout and not in it."""

WORDS = (
    *(
        b"$\x00",
        b"$\x01",
        b"$\x00\x00\x00",
        b"$\x00\xff\xff",
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b"RTSP/1.0 ",
        b"RTSP/1.0 200 OK",
    ),
    *(b"RTSP/1.0 401 No\r\nWWW-Authenticate: ", b"RTSP/1.0 302 Go\r\nLocation: rtsp://", b"RTSP/1.0 453 Busy\r\n"),
    *(
        b"RTSP/1.0 461 No\r\n",
        b"Content-Length: ",
        b"CSeq: 1\r\n",
        b"CSeq: ",
        b"Session: ",
        b";timeout=",
        b"Transport: ",
    ),
    *(b"RTP/AVP/TCP;unicast;interleaved=", b"RTP/AVP;unicast;server_port=", b"multicast", b"Public: GET_PARAMETER\r\n"),
    *(
        b'Digest realm="',
        b'nonce="',
        b'stale="true"',
        b'qop="auth,auth-int"',
        b"algorithm=SHA-256",
        b"Basic realm=",
        b"-sess",
    ),
    *(b"Content-Base: ", b"OPTIONS * RTSP/1.0", b"REDIRECT * RTSP/1.0", b"ANNOUNCE", b"m=video 0 RTP/AVP 96\r\n"),
    *(
        b"a=rtpmap:96 H264/90000\r\n",
        b"a=rtpmap:96 H265/90000\r\n",
        b"a=control:",
        b"a=fmtp:96 ",
        b"sprop-parameter-sets=",
    ),
    *(b"sprop-vps=", b"sprop-max-don-diff=", b"a=sendonly", b"\x00\x00\x01", b"\x00\x00\x00\x01", b"\x00\x00\x03"),
    *(
        bytes([first])
        for first in (0x65, 0x41, 0x67, 0x68, 0x06, 0x78, 0x7C, 0x26, 0x02, 0x2A, 0x40, 0x42, 0x44, 0x4E, 0x60, 0x62)
    ),
    *(
        b"<!DOCTYPE ",
        b"<![CDATA[",
        b"<s:Subcode>",
        b"</s:Body>",
        b"<s:Envelope ",
        b"&amp;",
        b"&#0;",
        b"xmlns:a='b'",
        b"tns1:RuleEngine/",
        b'UtcTime="',
        b'PropertyOperation="Initialized"',
        b'<tt:SimpleItem Name="State" Value="true"/>',
        b"</wsnt:NotificationMessage>",
        b"<ReferenceParameters>",
        b"onvif://www.onvif.org/name/",
        b"urn:uuid:",
        b"://",
        b"@",
    ),
    *(
        b'"9999-12-31T23:59:59.999999Z"',
        b'"0001-01-01T00:00:00+23:59"',
        b"1e999",
        b"-0",
        b"9" * 30,
        b"[[[[[[[[",
        b"null",
    ),
    *(
        b'"\\ud800"',
        b"NaN",
        b'"id"',
        b'"part": [1, 100000]',
        b'"whole": false',
        b"../",
        b"\ndata: ",
        b"\nid: ",
        b"\x00",
    ),
    *(b"\x7c\x85", b"\x7c\x45", b"\x62\x01\x93", b"\x62\x01\x53", b"\xff\xff", b"\xff" * 8, b"\x80\x60", b"\x80\xe0"),
)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def seeds(target: str) -> list[bytes]:
    """Inputs of a target, each a whole and healthy one. The same ones every time, but for the recordings."""
    made = {
        "demultiplexer": _connections,
        "packets": _packet_lists,
        "dialogue": _dialogues,
        "description": _descriptions,
        "header_fields": _header_fields,
        "parameter_sets": _parameter_sets,
        "reception": _reports,
        "soap_answer": _soap_answers,
        "device_address": _device_addresses,
        "events": _events,
        "announcement": _announcements,
        "subscription": _subscriptions,
        "inspection": _inspections,
        "report": _node_reports,
        "upper_answer": _upper_answers,
        "downlink": _downlinks,
        "press": _presses,
    }[target]
    return list(made())


def recordings() -> list[bytes]:
    return [path.read_bytes() for path in sorted(RECORDINGS.iterdir())] if RECORDINGS.is_dir() else []


def _event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "r1", "source": "/nodes/lower", "type": f"gateway.{kind}.v1", "data": data}


def _node_reports() -> Iterator[bytes]:
    at, place = "2026-01-31T08:00:00Z", {"lon": 107.2, "lat": 30.7, "address": "x", "area_code": "511724"}
    camera = {"id": "c1", "name": "东", "scene": "rural", "place": place, "state": "online", "faults": ["blurred"]}
    told = camera | {"since": at, "last_keyframe_at": at, "codec": "h264", "width": 640, "height": 360}
    household = {"name": "王", "phone": "138", "address": "y"}
    terminal = {"id": "tv-1", "household": household, "place": place, "state": "offline", "last_seen": at}
    figures = {"alerts_open": 2, "presses_total": 3.5, "up": 1, "x_bucket": 1, "stopping": 0}
    whole = {"node": "lower", "name": "镇", "level": "township", "whole": True, "part": [1, 2], "picture": "p"}
    inventory = _event("inventory", whole | {"cameras": [told, {"id": "c2"}], "terminals": [terminal]})
    change = _event("inventory", {"whole": False, "gone": {"cameras": ["c1"]}, "parent": "lower", "node": "village"})
    health = _event(
        "health", {"cameras": [{"id": "c1", "state": "offline"}], "figures": figures, "node_state": "silent"}
    )
    for value in (inventory, change, health, [inventory, change, health]):
        yield json.dumps(value, ensure_ascii=False).encode()


def _upper_answers() -> Iterator[bytes]:
    receipt = {"id": "e1", "sha256": "ab" * 32, "seq": 17, "committed_at": "2026-01-31T08:00:00.000Z"}
    waits = ("120", "Sat, 31 Jan 2026 08:00:09 GMT", "5")
    values = ({"receipts": [receipt]}, {"refused": [{"id": "e1", "reason": "no"}]}, {"count": 3, "sha256": "00"})
    for wait, value in zip(waits, values, strict=True):
        yield wait.encode() + b"\n" + json.dumps(value).encode()
    yield b'5\n{"title": "full", "detail": "come again"}'


def _downlinks() -> Iterator[bytes]:
    base = {
        "kind": "sos",
        "severity": 1,
        "status": "actual",
        "source": {"type": "terminal", "id": "tv-1"},
        "title": "x",
    }
    entry = {"id": "n-1", "alert_id": "a1", "node": "county", "seq": 1, "parents": [], "at": "2026-01-31T08:00:00.000Z"}
    acts = [
        ("raised", {"base": base}),
        ("acknowledge", {"level": "county"}),
        ("defer", {"until": "2026-02-01T00:00:00Z"}),
    ]
    for number, (action, data) in enumerate(acts):
        said = entry | {"actor": "li", "action": action, "comment": None, "data": data}
        event = json.dumps(_event("entry", said)).encode()
        yield b"%crety: 1\n\nevent: ping\ndata: {}\n\nid: 7\nevent: entry\ndata: %b\n\n" % (number, event)


def _presses() -> Iterator[bytes]:
    said = {
        "press_id": "p1",
        "kind": "fire",
        "pressed_at": "2026-01-31T08:00:00Z",
        "seq": 3,
        "test": False,
        "text": "x",
    }
    yield json.dumps(said).encode()
    yield json.dumps(said | {"pressed_at": 1769846400000, "press_id": None, "test": True}).encode()
    yield "救命".encode()


def _streams() -> Iterator[tuple[int, list[bytes]]]:
    """(codec, RTP packets) of a few pictures, in every way of packing."""
    rtp = _load(HERE.parent / "peers" / "rtp_packets.py")
    for codec, form in enumerate((rtp.H264, rtp.H265)):
        for seed in range(6):
            cutter = rtp.Cutter(form, random.Random(seed), markers=seed % 3 != 2)
            for number in range(4):
                key = number % 2 == 0
                ahead = (*form.sets,) if number == 0 else (form.changed_pps, form.recovery_point, form.user_data)[:seed]
                slices = [form.slice(20 + 90 * seed, key=key, first=not at, seed=at) for at in range(1 + seed % 2)]
                cutter.cut(rtp.Unit(number * 3600, (*ahead, *slices), key))
            yield codec, cutter.packets


def _interleaved(packets: list[bytes], channel: int) -> bytes:
    return b"".join(struct.pack(">BBH", 0x24, channel, len(packet)) + packet for packet in packets)


def _connections() -> Iterator[bytes]:
    answer = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\nbody"
    for number, (codec, packets) in enumerate(_streams()):
        front = bytes([codec, number & 1, number * 3, 0])
        yield front + answer + _interleaved(packets, 0) + b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"
        yield front + _interleaved(packets[:2], 1) + _interleaved(packets, 0) + answer
    for recording in recordings():
        yield bytes(4) + recording


def _packet_lists() -> Iterator[bytes]:
    for codec, packets in _streams():
        for wants_all in (0x08, 0x0C):
            entries, time = [], 0
            for number, packet in enumerate(packets):
                now = int.from_bytes(packet[4:8], "big")
                how = packet[1] & 0x80 | (now - time) // 3600 & 3
                time = now
                payload = packet[12:]
                entries.append(struct.pack(">BH", how | (0 if number else wants_all), len(payload)) + payload)
            yield bytes([codec]) + b"".join(entries)


def _sdp(encoding: str, parameters: str = "") -> bytes:
    return (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
        f"a=rtpmap:96 {encoding}/90000\r\na=fmtp:96 packetization-mode=1{parameters}\r\na=control:track1\r\n"
        "m=audio 0 RTP/AVP 8\r\na=control:track2\r\n"
    ).encode()


def _dialogues() -> Iterator[bytes]:
    options = b"RTSP/1.0 200 OK\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n\r\n"
    challenge = (
        b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="cam", nonce="a1", qop="auth", algorithm=SHA-256\r\n'
        b'WWW-Authenticate: Digest realm="cam", nonce="b2"\r\nWWW-Authenticate: Basic realm="cam"\r\n\r\n'
    )
    stale = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="cam", nonce="c3", stale=true\r\n\r\n'
    setups = (
        b"RTSP/1.0 200 OK\r\nSession: 4711;timeout=4\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
        b"RTSP/1.0 461 Unsupported Transport\r\n\r\nRTSP/1.0 200 OK\r\nSession: 9\r\n"
        b"Transport: RTP/AVP;unicast;client_port=50000-50001;server_port=6970-6971;source=192.0.2.1\r\n\r\n",
    )
    play = b"RTSP/1.0 200 OK\r\nSession: 4711\r\nRTP-Info: url=track1;seq=1;rtptime=0\r\n\r\n"
    alive = b"RTSP/1.0 200 OK\r\n\r\n"
    streams = list(_streams())
    bodies = [_sdp("H264"), _sdp("H265"), *(body for text in recordings() if (body := text[text.find(b"v=0") :]))]
    for number, body in enumerate(bodies):
        described = b"RTSP/1.0 200 OK\r\nContent-Base: rtsp://192.0.2.1/live/\r\nContent-Length: %d\r\n\r\n" % len(body)
        media = _interleaved(streams[number % len(streams)][1], 0)
        parts = [options, challenge, described, body, setups[number % 2], play, media, alive]
        if number % 3 == 0:
            parts.insert(2, stale)
        yield bytes([1 | number % 4 << 2, number * 7 & 0xFF, number * 5 & 0xFF]) + b"".join(parts)
    yield bytes(3) + b"RTSP/1.0 302 Moved\r\nLocation: rtsp://192.0.2.9/other\r\n\r\n"
    yield bytes(3) + b"RTSP/1.0 503 Busy\r\nRetry-After: 30\r\n\r\n"


def _descriptions() -> Iterator[bytes]:
    yield _sdp("H264", ";sprop-parameter-sets=Z0IAHukBQHpA,aM48gA==")
    yield _sdp("H265", ";sprop-vps=QAEMAf//AWA=;sprop-sps=QgEBAWA=;sprop-pps=RAHA;sprop-max-don-diff=2")
    yield _sdp("JPEG")
    for text in recordings():
        yield text[max(0, text.find(b"v=0")) :]


def _header_fields() -> Iterator[bytes]:
    yield b'Digest realm="c\\"am", nonce="a1", qop="auth,auth-int", algorithm=MD5-sess, opaque="x", stale=TRUE\nBasic realm="c"'
    yield b'Digest realm="a", nonce="1", algorithm=SHA-256, Digest realm="a", nonce="2"'
    yield b"RTP/AVP/TCP;unicast;interleaved=2-3;ssrc= 1F\nRTP/AVP;unicast;client_port=1-2;server_port=6970-6971;source=::1"
    yield from (line for text in recordings() for line in text.split(b"\r\n")[:20] if b":" in line)


def _parameter_sets() -> Iterator[bytes]:
    rtp = _load(HERE.parent / "peers" / "rtp_packets.py")
    for form in (rtp.H264, rtp.H265):
        yield rtp.annexb(*form.sets, form.recovery_point, form.user_data)
        yield from form.sets


def _reports() -> Iterator[bytes]:
    yield b"".join(struct.pack(">BBHII", 0x81, 96, seq, seq * 3600, 7) for seq in range(65530, 65536))
    yield struct.pack(">BBHIIIIII", 0x80, 200, 6, 7, 3_900_000_000, 1 << 31, 3600, 1, 100)


_SOAP = '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'


def _soap_answers() -> Iterator[bytes]:
    moment = "<Time><Hour>10</Hour><Minute>61</Minute><Second>5</Second></Time><Date><Year>2026</Year><Month>11</Month><Day>22</Day></Date>"
    zone = "<TimeZone><TZ>CST-8DST,M3.2.0/02:00:00,M11.1.0</TZ></TimeZone>"
    service = "<Service><Namespace>http://www.onvif.org/ver10/media/wsdl</Namespace><XAddr>http://192.168.1.9:80:8000/m</XAddr></Service>"
    subcodes = (
        "<s:Subcode><s:Value>ter:NotAuthorized</s:Value><s:Subcode><s:Value>ter:X</s:Value></s:Subcode></s:Subcode>"
    )
    bodies = (
        f"<R><SystemDateAndTime>{zone}<UTCDateTime>{moment}</UTCDateTime></SystemDateAndTime></R>",
        f"<R><SystemDateAndTime>{zone}<LocalDateTime>{moment}</LocalDateTime></SystemDateAndTime></R>",
        f"<R>{service}</R>",
        "<R><Capabilities><Media><XAddr>http://192.168.1.9/m</XAddr></Media></Capabilities></R>",
        '<R><tptz:Preset token="1"><tt:Name>大门</tt:Name></tptz:Preset></R>',
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value>{subcodes}</s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>",
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>Not Authorized</faultstring></s:Fault>",
    )
    for body in bodies:
        yield _SOAP.format(body).encode()
    yield _SOAP.format(bodies[4]).encode("gbk")
    yield _SOAP.format(bodies[0]).encode("utf-16")
    yield b"junk\r\n" + _SOAP.format("<R/>").encode()
    yield b'<!DOCTYPE a [<!ENTITY b "c">]>' + _SOAP.format("<R>&b;</R>").encode()
    yield b"<!DOCTYPE html><html><head><title>Login</title></head></html>"


def _device_addresses() -> Iterator[bytes]:
    yield b"http://192.168.1.9:80:8000/onvif/Events?Idx=1&amp;x=2"
    yield b"  rtsp://admin:a@b@[fe80::1%25eth0]:554/live main#x"
    yield b"https://fe80::1/onvif"
    yield b"/onvif/snapshot?a=%20b"
    yield b"192.168.1.9:8899/onvif"


def _envelope(body: str) -> bytes:
    return _SOAP.format(body).encode()


def _notification(topic: str, items: str, state: str, operation: str = "Changed") -> str:
    return (
        f"<wsnt:NotificationMessage><wsnt:Topic>{topic}</wsnt:Topic><wsnt:Message>"
        f'<tt:Message UtcTime="2026-11-22T07:00:00Z" PropertyOperation="{operation}"><tt:Source>{items}</tt:Source>'
        f"<tt:Data>{state}</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )


_INPUT = '<tt:SimpleItem Name="InputToken" Value="1"/>'
_RULE = (
    '<tt:SimpleItem Name="VideoSourceConfigurationToken" Value="V1"/><tt:SimpleItem Name="Rule" Value="MyRule"/>'
    '<tt:SimpleItem Name="VideoAnalyticsConfigurationToken" Value="A"/>'
)
_OBJECT = (
    '<tt:SimpleItem Name="ObjectId" Value="7"/><tt:ElementItem Name="Line"><tt:Polyline><tt:Point x="0.1" y="1"/>'
    "</tt:Polyline></tt:ElementItem>"
)
_TOPICS = (
    ("tns1:Device/Trigger/DigitalInput", _INPUT, "LogicalState"),
    ("tns1:RuleEngine/CellMotionDetector/Motion", _RULE, "IsMotion"),
    ("tns1:VideoSource/MotionAlarm", '<tt:SimpleItem Name="Source" Value="V"/>', "State"),
    ("tns1:RuleEngine/LineDetector/Crossed", _RULE, "State"),
    ("tns1:RuleEngine/FieldDetector/ObjectsInside", _RULE, "IsInside"),
    ("tns1:RuleEngine/TamperDetector/Tamper", _RULE, "IsTamper"),
    ("tns1:Device/HardwareFailure/StorageFailure", '<tt:SimpleItem Name="Token" Value="D"/>', "Failed"),
    ("tns1:RuleEngine/MyRuleDetector/FaceDetect", _RULE, "State"),
    ("tnsvendor:New/Thing", "", "Value"),
)


def _events() -> Iterator[bytes]:
    for number, (topic, items, name) in enumerate(_TOPICS):
        told = [
            _notification(topic, items, f'<tt:SimpleItem Name="{name}" Value="{value}"/>{_OBJECT}', operation)
            for value, operation in (("false", "Initialized"), ("true", "Changed"), ("0", "Deleted"))
        ]
        answers = [f"<tev:PullMessagesResponse>{each}</tev:PullMessagesResponse>" for each in (*told, "".join(told))]
        yield bytes([number, 7 * number]) + b"\n---\n".join(map(_envelope, answers))


def _announcements() -> Iterator[bytes]:
    match = (
        "<a:EndpointReference><a:Address>urn:uuid:00000000-0000-4000-8000-00000000000a</a:Address></a:EndpointReference>"
        "<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types><d:Scopes>onvif://www.onvif.org/name/%e6%91%84 "
        "onvif://www.onvif.org/hardware/X onvif://www.onvif.org/location/a%1bb</d:Scopes>"
        "<d:XAddrs>http://192.0.2.9:8000/onvif/device_service https://[fe80::1]/x</d:XAddrs>"
    )
    yield _envelope(f"<d:ProbeMatches><d:ProbeMatch>{match}</d:ProbeMatch></d:ProbeMatches>")
    yield _envelope(f"<d:ProbeMatches>{f'<d:ProbeMatch>{match}</d:ProbeMatch>' * 3}</d:ProbeMatches>")
    yield _envelope(f"<d:Hello>{match}</d:Hello>")
    yield _envelope(f"<d:Bye>{match}</d:Bye>")


def _subscriptions() -> Iterator[bytes]:
    for url in ("http://192.0.2.1/sub?Idx=1", "http://192.168.1.64:80:80/sub", "/sub", "http://a:b@[::1]:9/x"):
        for parameters in ("", '<dom0:SubscriptionId xmlns:dom0="urn:x">  7 </dom0:SubscriptionId><x:y a="1"/>'):
            yield _envelope(
                f"<CreatePullPointSubscriptionResponse><SubscriptionReference><Address>{url}</Address><ReferenceParameters>"
                f"{parameters}</ReferenceParameters></SubscriptionReference><CurrentTime>2026-11-22T07:00:00Z</CurrentTime>"
                f"<TerminationTime>2026-11-22 T-07:61:00+08:00</TerminationTime></CreatePullPointSubscriptionResponse>"
            )


def _inspections() -> Iterator[bytes]:
    encoder = (
        "<Encoding>H265</Encoding><Resolution><Width>1920</Width><Height>1080</Height></Resolution>"
        "<RateControl><FrameRateLimit>25</FrameRateLimit><BitrateLimit>4096</BitrateLimit></RateControl>"
    )
    source = '<VideoSourceConfiguration token="V"><SourceToken>S1</SourceToken></VideoSourceConfiguration>'
    yield _envelope(
        f'<GetProfilesResponse><Profiles token="P1"><Name>main</Name>{source}<VideoEncoderConfiguration>{encoder}'
        '</VideoEncoderConfiguration></Profiles><Profiles token="P2"/></GetProfilesResponse>'
    )
    yield _envelope(
        '<GetProfilesResponse><Profiles token="P1"><Name>main</Name><Configurations><VideoSource><SourceToken>S1'
        f"</SourceToken></VideoSource><VideoEncoder>{encoder}</VideoEncoder><PTZ/></Configurations></Profiles>"
        "</GetProfilesResponse>"
    )
    yield _envelope(
        "<GetScopesResponse><Scopes><ScopeDef>Fixed</ScopeDef><ScopeItem>onvif://www.onvif.org/name/A%20B</ScopeItem>"
        "</Scopes><Scopes/></GetScopesResponse>"
    )
    yield _envelope(
        "<GetEndpointReferenceResponse><GUID>urn:uuid:00000000-0000-4000-8000-00000000000A</GUID></GetEndpointReferenceResponse>"
    )
    yield _envelope(
        "<GetDeviceInformationResponse><Manufacturer>M</Manufacturer><Model>X</Model><SerialNumber>1</SerialNumber>"
        "</GetDeviceInformationResponse>"
    )
    yield _envelope("<GetStreamUriResponse><MediaUri><Uri>rtsp://192.0.2.1/1</Uri></MediaUri></GetStreamUriResponse>")
