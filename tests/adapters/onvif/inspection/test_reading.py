"""Recorded answers as our nouns, both as zeep reads them and as their bare elements say."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.onvif import soap
from adapters.onvif.inspection import reading
from adapters.onvif.inspection.library import Library, Service, load_services
from adapters.onvif.inspection.profiles import Profile, choose
from gateway.errors import DeviceError, ProtocolFault
from gateway.model import DeviceInformation

READERS = {
    "GetDeviceInformation": ("devicemgmt", reading.information),
    "GetScopes": ("devicemgmt", reading.scopes),
    "GetEndpointReference": ("devicemgmt", reading.identity),
    "GetProfiles": ("media", reading.media_profiles),
    "GetStreamUri": ("media", reading.media_uri),
    "GetSnapshotUri": ("media", reading.media_uri),
}
STREAM = {"StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}, "ProfileToken": "p"}
PARAMETERS = {"GetStreamUri": STREAM, "GetSnapshotUri": {"ProfileToken": "p"}}


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    return asyncio.run(load_services())


class Canned:
    """A client whose device always gives the same answer."""

    device = "cam:80"

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []

    async def call(self, url: str, action: str, body: bytes, *, operation: str, **_: object) -> etree._Element:
        self.bodies.append(body)
        return soap.read(self.answer, self.device, operation)


def ask(services: dict[str, Service], operation: str, answer: bytes, **parameters: object) -> object:
    service, read = READERS[operation]
    return asyncio.run(Library(Canned(answer), services).ask(service, "http://cam", operation, read, **parameters))


def ask_media2(operation: str, answer: bytes, read: Callable[[reading.Plain], object]) -> object:
    return asyncio.run(Library(Canned(answer), {}).ask_media2("http://cam", operation, read, ProfileToken="p"))


# ---------------------------------------------------------------------------------------------- what devices answered


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("hikvision", DeviceInformation("HIKVISION", "DS-2DF7276-AEL", "V5.1.6 build 140401", "SN00000001", "88")),
        ("axis", DeviceInformation("AXIS", "AXIS Q6045-E", "5.55.1.2", "SN00000001", "1C9.2")),
        ("axis_m2025", DeviceInformation("AXIS", "M2025-LE", "9.80.3.13", "SN00000001", "727")),
        ("milesight", None),
        ("pelco", None),
    ],
)
def test_device_information(
    services: dict[str, Service],
    recorded: Callable[[str], bytes],
    device: str,
    expected: DeviceInformation | None,
) -> None:
    answer = recorded(f"{device}/GetDeviceInformation.xml")
    found = ask(services, "GetDeviceInformation", answer)
    assert isinstance(found, DeviceInformation)
    assert found.vendor
    assert found.serial == "SN00000001"
    assert expected in (None, found)
    assert found == reading.information(reading.plain(soap.read(answer, "cam:80", "GetDeviceInformation")))


@pytest.mark.parametrize(
    ("file", "count", "main", "sub"),
    [
        ("amcrest/GetProfiles.xml", 2, ("MediaProfile00000", "h264", 2592, 1944), "MediaProfile00001"),
        ("axis/GetProfiles.xml", 2, ("profile_1_h264", "h264", 1280, 720), None),
        ("axis_m2025/GetProfiles.xml", 2, ("profile_1_h264", "h264", 1920, 1080), None),
        ("dahua_nvr/GetProfiles.many-without-encoder.xml", None, ("MediaProfile00000", None, None, None), None),
        ("dlink/GetProfiles.xml", 2, ("Profile1", "h264", 1280, 1024), "Profile2"),
        ("hikvision/GetProfiles.xml", 3, ("Profile_1", "h264", 1280, 720), "Profile_2"),
        ("pelco/GetProfiles.xml", 2, ("0", "h264", 1920, 1080), None),
    ],
)
def test_the_streams_of_every_recorded_device(
    services: dict[str, Service],
    recorded: Callable[[str], bytes],
    file: str,
    count: int | None,
    main: tuple[str, str | None, int | None, int | None],
    sub: str | None,
) -> None:
    answer = recorded(file)
    found = ask(services, "GetProfiles", answer)
    assert isinstance(found, tuple)
    assert count in (None, len(found))
    chosen, beside = choose(found)
    assert (chosen.token, chosen.encoding, chosen.width, chosen.height) == main
    assert (beside and beside.token) == sub
    # zeep and the bare elements say the same.
    assert found == reading.media_profiles(reading.plain(soap.read(answer, "cam:80", "GetProfiles")))


def test_every_recorded_list_of_profiles_stands_in_the_table(recordings: Path) -> None:
    files = {f"{file.parent.name}/{file.name}" for file in recordings.glob("*/GetProfiles*.xml")}
    (mark,) = (
        mark
        for mark in test_the_streams_of_every_recorded_device.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    assert files == {row[0] for row in mark.args[1]}


def test_a_recorders_channels_whose_encoder_media1_cannot_name(
    services: dict[str, Service], recorded: Callable[[str], bytes]
) -> None:
    found = ask(services, "GetProfiles", recorded("dahua_nvr/GetProfiles.many-without-encoder.xml"))
    assert isinstance(found, tuple)
    sources = dict.fromkeys(profile.source for profile in found)
    assert len(sources) > 8
    for source in sources:
        main, _ = choose(found, source)
        assert main.name.endswith("MainStream")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("hikvision/GetStreamUri.xml", "rtsp://192.0.2.10:554/Streaming/Channels/3?transportmode=unicast&profile=Profile_3"),
        ("dahua/GetStreamUri.whitespace.xml", "rtsp://192.0.2.10:554/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif"),
        ("ipg/GetStreamUri.xml", None),
        ("axis/GetStreamUri.xml", None),
        ("pelco/GetStreamUri.xml", None),
        ("dahua/GetStreamUri.xml", None),
        ("axis_m2025/Media2.GetStreamUri.xml", None),
    ],
)  # fmt: skip
def test_stream_addresses(
    services: dict[str, Service], recorded: Callable[[str], bytes], file: str, expected: str | None
) -> None:
    answer = recorded(file)
    found = ask(services, "GetStreamUri", answer, **STREAM)
    assert isinstance(found, str)
    assert found.startswith("rtsp://192.0.2.10")
    assert found == found.strip()
    assert expected in (None, found)
    assert ask_media2("GetStreamUri", answer, reading.media_uri) == found


def test_scopes_and_the_name_in_them(services: dict[str, Service], recorded: Callable[[str], bytes]) -> None:
    found = ask(services, "GetScopes", recorded("axis/GetScopes.xml"))
    assert isinstance(found, tuple)
    assert reading.name_in(found) == "AXIS Q6045-E"
    assert reading.name_in(("onvif://www.onvif.org/name/%E6%9D%91%E5%8F%A3",)) == "村口"
    assert reading.name_in(("onvif://www.onvif.org/name/%1b%5b2J%0aroot%E2%80%AEtxt",)) == "[2J root txt"
    assert reading.name_in(("onvif://www.onvif.org/name/",)) is None
    assert reading.name_in(("onvif://www.onvif.org/name/%0a%20",)) is None
    assert reading.name_in(()) is None


# ---------------------------------------------------------------------------------------------- shapes of our own


def envelope(body: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{body}</s:Body></s:Envelope>'.encode()
    )


MEDIA2 = envelope(
    '<tr2:GetProfilesResponse xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">'
    '<tr2:Profiles token="m" fixed="true"><tr2:Name>main</tr2:Name><tr2:Configurations>'
    '<tr2:VideoSource token="vsc"><tt:SourceToken>vs</tt:SourceToken></tr2:VideoSource>'
    '<tr2:VideoEncoder token="ve" GovLength="50"><tt:Encoding>H265</tt:Encoding>'
    "<tt:Resolution><tt:Width>3840</tt:Width><tt:Height>2160</tt:Height></tt:Resolution>"
    '<tt:RateControl ConstantBitRate="true"><tt:FrameRateLimit>12.5</tt:FrameRateLimit>'
    "<tt:BitrateLimit>2147483647</tt:BitrateLimit></tt:RateControl></tr2:VideoEncoder>"
    '<tr2:PTZ token="ptz"/></tr2:Configurations></tr2:Profiles>'
    '<tr2:Profiles token="x"><tr2:Name>audio only</tr2:Name><tr2:Configurations/></tr2:Profiles>'
    "</tr2:GetProfilesResponse>"
)


def test_h265_is_seen_rightly_by_media2() -> None:
    assert ask_media2("GetProfiles", MEDIA2, reading.media2_profiles) == (
        Profile("m", "main", "vs", "h265", 3840, 2160, 12.5, None, has_ptz=True, media2=True),
    )


def test_prefixes_that_nobody_declared_are_read_all_the_same(services: dict[str, Service]) -> None:
    answer = envelope(
        '<trt:GetProfilesResponse><trt:Profiles token="a"><tt:Name>主码流</tt:Name>'
        "<tt:VideoSourceConfiguration><tt:SourceToken>1</tt:SourceToken></tt:VideoSourceConfiguration>"
        "<tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>1280</tt:Width>"
        "<tt:Height>720</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration></trt:Profiles></trt:GetProfilesResponse>"
    )
    assert ask(services, "GetProfiles", answer) == (Profile("a", "主码流", "1", "h264", 1280, 720),)


def test_an_element_of_very_many_attributes_is_not_read_at_its_price() -> None:
    element = etree.Element("Profiles", {f"a{number}": "" for number in range(65)})
    etree.SubElement(element, "Name").text = "n"
    assert reading.plain(element) == {"Name": "n"}


@pytest.mark.parametrize("width", ["", "abc", "-1", "1e999", "nan", "99999999999999999999"])
def test_numbers_that_are_none_leave_the_size_unknown(services: dict[str, Service], width: str) -> None:
    answer = envelope(
        '<GetProfilesResponse xmlns="http://www.onvif.org/ver10/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">'
        '<Profiles token="a"><tt:Name>n</tt:Name><tt:VideoEncoderConfiguration token="e"><tt:Encoding>H264</tt:Encoding>'
        f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>720</tt:Height></tt:Resolution>"
        "</tt:VideoEncoderConfiguration></Profiles></GetProfilesResponse>"
    )
    (found,) = ask(services, "GetProfiles", answer)  # type: ignore[misc]
    assert (found.encoding, found.width, found.area) == ("h264", None, None)


def test_a_profile_without_an_encoder_counts_only_where_its_source_has_no_other() -> None:
    def item(token: str, source: str, encoder: str | None) -> dict[str, object]:
        kept = {"VideoEncoderConfiguration": {"Encoding": encoder}} if encoder else {}
        return {"token": token, "VideoSourceConfiguration": {"SourceToken": source}, **kept}

    answer = {"Profiles": [item("a", "1", "H264"), item("b", "1", None), item("c", "2", None), {"token": "audio"}]}
    assert [profile.token for profile in reading.media_profiles(answer)] == ["a", "c"]


@pytest.mark.parametrize(
    "said",
    ["urn:uuid:4D454930-0000-1000-8000-00005E005301", "uuid:4d454930-0000-1000-8000-00005e005301",
     " 4d454930-0000-1000-8000-00005E005301 "],
)  # fmt: skip
def test_an_endpoint_address_has_one_form(said: str) -> None:
    assert reading.identity({"GUID": said}) == "4d454930-0000-1000-8000-00005e005301"


def test_an_endpoint_address_that_is_none() -> None:
    assert reading.identity({"GUID": "none"}) is None
    assert reading.identity(None) is None


def test_requests_carry_no_invented_prefix(services: dict[str, Service]) -> None:
    client = Canned(envelope("<GetStreamUriResponse><MediaUri><Uri>rtsp://x/1</Uri></MediaUri></GetStreamUriResponse>"))
    asked = Library(client, services).ask(
        "media", "http://cam", "GetStreamUri", reading.media_uri, **STREAM | {"ProfileToken": "a<b&c"}
    )
    assert asyncio.run(asked) == "rtsp://x/1"
    (body,) = client.bodies
    assert body.startswith(b'<GetStreamUri xmlns="http://www.onvif.org/ver10/media/wsdl"')
    assert b"ns0" not in body
    assert b"<tt:Protocol>RTSP</tt:Protocol>" in body
    assert b"<ProfileToken>a&lt;b&amp;c</ProfileToken>" in body


def test_an_answer_to_another_question_is_a_fault(services: dict[str, Service]) -> None:
    with pytest.raises(ProtocolFault, match="cam:80: answered GetScopes with GetHostnameResponse"):
        ask(services, "GetScopes", envelope("<GetHostnameResponse/>"))


# ---------------------------------------------------------------------------------------------- whatever comes


def test_every_recorded_answer_to_every_question_is_read_or_refused_in_words(
    services: dict[str, Service], recordings: Path
) -> None:
    files = [file for file in sorted(recordings.glob("*/*")) if file.suffix in (".xml", ".html", ".txt")]
    assert len(files) > 80
    for file in files:
        for operation in READERS:
            # As if the device answered just what was asked, so that zeep has to read it.
            answer = _as_answer_to(operation, file.read_bytes())
            _read_or_refuse(services, operation, answer)


def _as_answer_to(operation: str, answer: bytes) -> bytes:
    try:
        found = soap.read(answer, "cam:80", operation)
    except ProtocolFault:
        return answer
    name = soap.local(found).encode()
    return answer.replace(name, f"{operation}Response".encode())


def _read_or_refuse(services: dict[str, Service], operation: str, answer: bytes) -> None:
    try:
        ask(services, operation, answer, **PARAMETERS.get(operation, {}))
        ask_media2(operation, answer, reading.media2_profiles)
    except DeviceError as error:
        assert str(error).startswith("cam:80")
        assert operation in str(error)


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(data=st.data())
def test_spoilt_answers_are_read_or_refused_in_words(services: dict[str, Service], data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(_SPOILT))
    start = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(0, 40))
    put = data.draw(
        st.binary(max_size=12) | st.sampled_from([b"<", b"</", b"tt:", b"\xd6\xf7", b'token=""', b"-9", b"&x;"])
    )
    _read_or_refuse(services, "GetProfiles", whole[:start] + put + whole[start + length :])


_SPOILT = (
    MEDIA2,
    envelope(
        '<trt:GetProfilesResponse xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">'
        '<trt:Profiles token="a" fixed="true"><tt:Name>n</tt:Name>'
        '<tt:VideoSourceConfiguration token="v"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount><tt:SourceToken>1</tt:SourceToken>'
        '<tt:Bounds x="0" y="0" width="1" height="1"/></tt:VideoSourceConfiguration>'
        '<tt:VideoEncoderConfiguration token="e"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>'
        "<tt:Resolution><tt:Width>1280</tt:Width><tt:Height>720</tt:Height></tt:Resolution><tt:Quality>3</tt:Quality>"
        "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>"
        "</trt:Profiles></trt:GetProfilesResponse>"
    ),
)


@pytest.mark.parametrize("serial", ["DS-2CD2143G0-I20190101AAWR", "4C00A1B2C3D4", "AC:CC:8E:00:00:01", " E09D20 "])
def test_a_serial_number_tells_a_device_from_others(serial: str) -> None:
    assert reading.serial_identity(serial, "10.0.0.5") == serial.strip()


@pytest.mark.parametrize(
    "serial",
    ["", " ", "SN", "12345", "000000", "0000-0000-0000", "FFFFFFFF", "0123456789", "10.0.0.5:8554", "cam-10.0.0.5",
     "127.0.0.1:19840", "192.168.1.64", "localhost:80", "[::1]:80", "fe80::1"],
)  # fmt: skip
def test_what_all_devices_say_or_what_is_an_address_is_no_identity(serial: str) -> None:
    assert reading.serial_identity(serial, "10.0.0.5") is None
