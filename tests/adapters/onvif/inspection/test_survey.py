"""One inspection over real sockets, against a device of our own and against what real ones answered."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.onvif import soap
from adapters.onvif.client import SoapClient
from adapters.onvif.faults import ClockSuspected
from adapters.onvif.inspection.inspector import Inspection
from adapters.onvif.inspection.library import Library, Service, load_services
from adapters.onvif.inspection.survey import Survey
from gateway.errors import AuthFailed, DeviceError, ProtocolFault, Unreachable

XAddr = "http://192.168.1.64:80/onvif"
TDS, TRT, TR2 = (soap.NS[prefix] for prefix in ("tds", "trt", "tr2"))
SERVICES = {
    "ver10/device": "device_service", "ver10/media": "media", "ver20/media": "media2", "ver20/ptz": "ptz",
    "ver20/imaging": "imaging", "ver10/deviceIO": "deviceio", "ver10/events": "events",
}  # fmt: skip


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    return asyncio.run(load_services())


@pytest.fixture
def survey(connect: Callable[..., SoapClient], services: dict[str, Service]) -> Callable[..., Awaitable[Inspection]]:
    async def run(seconds: float = 20.0, login: bool = True, **options: Any) -> Inspection:
        client = connect(**options)
        if not login:
            client = SoapClient(client.http, replace(client.address, credential=None), clock=client.clock)
        until = asyncio.get_running_loop().time() + seconds
        return await Survey(client, Library(client, services), until).run()

    return run


def told_services(names: Iterable[str] = tuple(SERVICES)) -> str:
    parts = (
        f"<Service><Namespace>http://www.onvif.org/{name}/wsdl</Namespace><XAddr>{XAddr}/{SERVICES[name]}</XAddr>"
        "<Version><Major>2</Major><Minor>0</Minor></Version></Service>"
        for name in names
    )
    return f'<GetServicesResponse xmlns="{TDS}">{"".join(parts)}</GetServicesResponse>'


def media_profile(token: str, source: str, size: tuple[int, int], encoding: str = "H264") -> str:
    return (
        f'<Profiles token="{token}"><tt:Name>{token}</tt:Name><tt:VideoSourceConfiguration token="c"><tt:Name>c</tt:Name>'
        f"<tt:UseCount>1</tt:UseCount><tt:SourceToken>{source}</tt:SourceToken>"
        '<tt:Bounds x="0" y="0" width="1" height="1"/></tt:VideoSourceConfiguration>'
        f'<tt:VideoEncoderConfiguration token="e"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount>'
        f"<tt:Encoding>{encoding}</tt:Encoding><tt:Resolution><tt:Width>{size[0]}</tt:Width><tt:Height>{size[1]}</tt:Height>"
        "</tt:Resolution><tt:Quality>3</tt:Quality></tt:VideoEncoderConfiguration></Profiles>"
    )


def media_profiles(*profiles: str) -> str:
    return f'<GetProfilesResponse xmlns="{TRT}" xmlns:tt="{soap.NS["tt"]}">{"".join(profiles)}</GetProfilesResponse>'


CAMERA = media_profiles(media_profile("main", "v", (1920, 1080)), media_profile("sub", "v", (640, 360)))
MEDIA2 = (
    f'<GetProfilesResponse xmlns="{TR2}" xmlns:tt="{soap.NS["tt"]}"><Profiles token="main2"><Name>n</Name><Configurations>'
    '<VideoSource token="c"><tt:SourceToken>v</tt:SourceToken></VideoSource><VideoEncoder token="e">'
    "<tt:Encoding>H265</tt:Encoding><tt:Resolution><tt:Width>3840</tt:Width><tt:Height>2160</tt:Height></tt:Resolution>"
    '</VideoEncoder><PTZ token="p"/></Configurations></Profiles></GetProfilesResponse>'
)


def camera(device: Any, soap_bodies: dict[str, Callable[..., web.Response]], *names: str) -> None:
    """Fill the double: a Media1 camera; what it is not told of it does not know."""
    answer, fault = soap_bodies["answer"], soap_bodies["fault"]

    async def uri(request: web.Request) -> web.Response:
        body = await request.text()
        token = next(name for name in ("main2", "main", "sub", "other") if f">{name}<" in body)
        if "GetSnapshotUri" in body:
            found = f"<MediaUri><Uri>http://192.168.1.64/snap/{token}.jpg</Uri></MediaUri>"
            return answer(f'<GetSnapshotUriResponse xmlns="{TRT}">{found}</GetSnapshotUriResponse>')
        found = f"<Uri>rtsp://user:secret@192.168.1.64:554/{token}?a=1&amp;b=2</Uri>"
        if TR2 not in body:
            found = f"<MediaUri>{found}</MediaUri>"
        return answer(f"<GetStreamUriResponse>{found}</GetStreamUriResponse>")

    async def unknown(request: web.Request) -> web.Response:
        return fault("ActionNotSupported", "", 500)

    device.answers = {
        name: unknown
        for name in (
            "GetScopes", "GetEndpointReference", "GetDigitalInputs", "GetImagingSettings", "GetNodes", "GetCapabilities",
        )
    }  # fmt: skip
    device.answers |= {
        "GetServices": told_services(names or ("ver10/device", "ver10/media")),
        "GetDeviceInformation": f'<GetDeviceInformationResponse xmlns="{TDS}"><Manufacturer>Maker</Manufacturer>'
        "<Model>M1</Model><FirmwareVersion>1</FirmwareVersion><SerialNumber>SN0001</SerialNumber><HardwareId>H</HardwareId>"
        "</GetDeviceInformationResponse>",
        "GetProfiles": CAMERA,
        "GetStreamUri": uri,
        "GetSnapshotUri": uri,
    }


@pytest.fixture
def plain_camera(device: Any, soap_bodies: dict[str, Callable[..., web.Response]]) -> Any:
    camera(device, soap_bodies)
    return device


Ask = Callable[..., Awaitable[Inspection]]


async def test_a_camera_is_inspected_its_clock_first_and_its_addresses_are_those_that_answer(
    plain_camera: Any, survey: Ask
) -> None:
    found = await survey()
    (channel,) = found.channels
    assert (channel.source, channel.name) == ("v", "M1")
    assert channel.main.stream_url == "rtsp://127.0.0.1:554/main?a=1&b=2"
    assert channel.main.snapshot_url == f"http://127.0.0.1:{plain_camera.port}/snap/main.jpg"
    assert channel.sub is not None
    assert channel.sub.stream_url == "rtsp://127.0.0.1:554/sub?a=1&b=2"
    assert (found.information.vendor, found.identity) == ("Maker", "SN0001")
    assert found.clock is not None
    assert abs(found.clock.offset_s) <= found.clock.uncertainty_s + 0.1
    assert plain_camera.operations[0] == "GetSystemDateAndTime"
    assert not plain_camera.requests[0][1]
    assert plain_camera.failed == 0


async def test_media2_is_asked_first_because_it_sees_h265(
    device: Any, soap_bodies: dict[str, Callable[..., web.Response]], survey: Ask
) -> None:
    camera(device, soap_bodies, *SERVICES)

    async def profiles(request: web.Request) -> web.Response:
        body = await request.text()
        assert "<Type>All</Type>" in body or TR2 not in body
        return soap_bodies["answer"](MEDIA2 if TR2 in body else CAMERA)

    device.answers["GetProfiles"] = profiles
    found = await survey()
    (channel,) = found.channels
    assert (channel.main.token, channel.main.encoding, channel.main.media2) == ("main2", "h265", True)
    assert channel.main.stream_url == "rtsp://127.0.0.1:554/main2?a=1&b=2"
    assert channel.sub is None
    assert found.has_ptz  # it does not know GetNodes, but its profile has a dome
    assert device.operations.count("GetProfiles") == 1


@pytest.mark.parametrize("media2", ["<GetProfilesResponse/>", "fault", "page"])
async def test_a_media2_that_is_only_announced_is_passed_over(
    device: Any, soap_bodies: dict[str, Callable[..., web.Response]], survey: Ask, media2: str
) -> None:
    camera(device, soap_bodies, *SERVICES)

    async def profiles(request: web.Request) -> web.Response:
        if TR2 not in await request.text():
            return soap_bodies["answer"](CAMERA)
        if media2 == "fault":
            return soap_bodies["fault"]("ActionNotSupported", "", 500)
        return web.Response(text="<html>404</html>") if media2 == "page" else soap_bodies["answer"](media2)

    device.answers["GetProfiles"] = profiles
    (channel,) = (await survey()).channels
    assert channel.main.token == "main"


async def test_a_media2_that_gives_no_addresses_is_helped_out_by_media1(
    device: Any, soap_bodies: dict[str, Callable[..., web.Response]], survey: Ask
) -> None:
    camera(device, soap_bodies, *SERVICES)
    by_media1 = device.answers["GetStreamUri"]

    async def uri(request: web.Request) -> web.Response:
        if TR2 in await request.text():
            return soap_bodies["fault"]("ActionNotSupported", "", 500)
        return await by_media1(request)

    device.answers |= {"GetProfiles": MEDIA2, "GetStreamUri": uri}
    (channel,) = (await survey()).channels
    assert channel.main.stream_url == "rtsp://127.0.0.1:554/main2?a=1&b=2"


async def test_what_a_device_cannot_say_is_a_remark_and_not_the_end(plain_camera: Any, survey: Ask) -> None:
    plain_camera.answers |= {
        "GetDeviceInformation": b"\x00\xff",
        "GetSystemDateAndTime": b"<html>",
        "GetSnapshotUri": b"",
    }
    plain_camera.answers["GetScopes"] = b"plain text"
    found = await survey()
    assert found.channels[0].main.stream_url is not None
    assert found.channels[0].main.snapshot_url is None
    assert found.identity is None
    device = f"127.0.0.1:{plain_camera.port}"
    for subject in ("its maker and model", "its scopes", "a snapshot address"):
        (remark,) = (said for said in found.remarks if said.startswith(subject))
        assert device in remark


async def test_a_recorder_has_a_channel_for_each_video_source(plain_camera: Any, survey: Ask) -> None:
    plain_camera.answers["GetProfiles"] = media_profiles(
        media_profile("main", "1", (1920, 1080)), media_profile("sub", "1", (640, 360)),
        media_profile("other", "2", (1280, 720)),
    )  # fmt: skip
    found = await survey()
    assert [(one.source, one.name, one.main.token, one.sub and one.sub.token) for one in found.channels] == [
        ("1", "M1 1", "main", "sub"),
        ("2", "M1 2", "other", None),
    ]


async def test_a_wanted_source_is_inspected_alone_and_a_wrong_one_is_named(plain_camera: Any, survey: Ask) -> None:
    plain_camera.answers["GetProfiles"] = media_profiles(
        media_profile("main", "1", (1920, 1080)), media_profile("other", "2", (1280, 720))
    )
    found = await survey(source="2")
    assert [channel.main.token for channel in found.channels] == ["other"]
    assert plain_camera.operations.count("GetStreamUri") == 1
    with pytest.raises(ProtocolFault, match="no video source “9”; it has 1, 2"):
        await survey(source="9")


async def test_one_address_for_every_profile_makes_no_sub_stream(
    plain_camera: Any, soap_bodies: dict[str, Callable[..., web.Response]], survey: Ask
) -> None:
    plain_camera.answers["GetStreamUri"] = (
        "<GetStreamUriResponse><MediaUri><Uri>rtsp://1.2.3.4/live</Uri></MediaUri></GetStreamUriResponse>"
    )
    (channel,) = (await survey()).channels
    assert channel.main.stream_url == "rtsp://127.0.0.1/live"
    assert channel.sub is None


async def test_a_device_without_anything_to_watch_says_why(plain_camera: Any, survey: Ask) -> None:
    plain_camera.answers["GetStreamUri"] = b"<html>"
    with pytest.raises(ProtocolFault, match=r"127\.0\.0\.1:\d+ offers nothing to watch; .*GetStreamUri"):
        await survey()
    plain_camera.answers["GetProfiles"] = media_profiles()
    with pytest.raises(ProtocolFault, match="offers no video stream over ONVIF"):
        await survey()


async def test_inputs_imaging_domes_and_the_endpoint_are_told(
    device: Any, soap_bodies: dict[str, Callable[..., web.Response]], survey: Ask
) -> None:
    camera(device, soap_bodies, *SERVICES)
    tt = soap.NS["tt"]
    device.answers |= {
        "GetProfiles": MEDIA2,
        "GetDigitalInputs": f'<GetDigitalInputsResponse xmlns="{soap.NS["tmd"]}"><DigitalInputs token="in0"/>'
        '<DigitalInputs token="in1"/></GetDigitalInputsResponse>',
        "GetImagingSettings": f'<GetImagingSettingsResponse xmlns="{soap.NS["timg"]}" xmlns:tt="{tt}"><ImagingSettings>'
        "<tt:Brightness>50</tt:Brightness></ImagingSettings></GetImagingSettingsResponse>",
        "GetNodes": f'<GetNodesResponse xmlns="{soap.NS["tptz"]}"><PTZNode token="n"/></GetNodesResponse>',
        "GetEndpointReference": f'<GetEndpointReferenceResponse xmlns="{TDS}"><GUID>urn:uuid:'
        "4D454930-0000-1000-8000-00005E005301</GUID></GetEndpointReferenceResponse>",
        "GetScopes": f'<GetScopesResponse xmlns="{TDS}" xmlns:tt="{tt}"><Scopes><tt:ScopeDef>Fixed</tt:ScopeDef>'
        "<tt:ScopeItem>onvif://www.onvif.org/name/%E6%9D%91%E5%8F%A3</tt:ScopeItem></Scopes></GetScopesResponse>",
    }
    found = await survey()
    assert found.digital_inputs == ("in0", "in1")
    assert found.has_imaging
    assert found.has_ptz
    assert found.identity == "4d454930-0000-1000-8000-00005e005301"
    assert found.channels[0].name == "村口"
    assert found.remarks == ()


async def test_a_dome_without_a_node_is_none(
    device: Any, soap_bodies: dict[str, Callable[..., web.Response]], survey: Ask
) -> None:
    camera(device, soap_bodies, *SERVICES)
    device.answers |= {"GetProfiles": MEDIA2, "GetNodes": "<GetNodesResponse/>"}
    assert not (await survey()).has_ptz


@pytest.mark.parametrize("wants", ["token", "digest", "both", "either"])
async def test_a_wrong_password_is_tried_once(plain_camera: Any, survey: Ask, wants: str) -> None:
    plain_camera.wants = wants
    with pytest.raises(AuthFailed, match="password"):
        await survey(password="wrong")
    assert plain_camera.failed == 1


@pytest.mark.parametrize("guarded", ["GetProfiles", "GetStreamUri", "GetScopes", "GetDigitalInputs"])
async def test_a_wrong_password_is_tried_once_where_only_some_calls_want_one(
    device: Any, soap_bodies: dict[str, Callable[..., web.Response]], survey: Ask, guarded: str
) -> None:
    camera(device, soap_bodies, *SERVICES)
    device.answers["GetProfiles"] = CAMERA
    device.open = {
        "GetSystemDateAndTime",
        "GetServices",
        "GetCapabilities",
        "GetDeviceInformation",
        *READ_BY_ANYBODY,
    } - {guarded}
    with pytest.raises(AuthFailed):
        await survey(password="wrong")
    assert device.failed == 1


READ_BY_ANYBODY = (
    "GetProfiles", "GetStreamUri", "GetSnapshotUri", "GetScopes", "GetEndpointReference", "GetDigitalInputs",
    "GetImagingSettings", "GetNodes",
)  # fmt: skip


async def test_a_clock_half_an_hour_off_hinders_nothing_and_is_told(plain_camera: Any, survey: Ask) -> None:
    plain_camera.clock_offset = 1800.0
    found = await survey()
    assert found.clock is not None
    assert abs(found.clock.offset_s - 1800) <= found.clock.uncertainty_s + 0.1
    with pytest.raises(ClockSuspected, match="30 min fast"):
        await survey(password="wrong")
    assert plain_camera.failed == 1


async def test_a_right_that_the_user_lacks_is_a_remark(plain_camera: Any, survey: Ask) -> None:
    plain_camera.forbidden = {"GetScopes"}
    found = await survey()
    (remark,) = (said for said in found.remarks if "GetScopes" in said)
    assert "password is right" in remark


async def test_no_more_than_four_calls_at_once(plain_camera: Any, survey: Ask) -> None:
    running, most = 0, 0
    uri = plain_camera.answers["GetStreamUri"]

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return await uri(request)

    many = (media_profile(token, str(n), (1920, 1080)) for n in range(6) for token in ("main", "other"))
    plain_camera.answers |= {"GetProfiles": media_profiles(*many), "GetStreamUri": slow, "GetSnapshotUri": slow}
    assert len((await survey()).channels) == 6
    assert 1 < most <= 4


async def test_what_there_is_no_time_for_is_left_out_and_said(plain_camera: Any, survey: Ask) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    plain_camera.answers |= {"GetSnapshotUri": never, "GetScopes": never}
    found = await survey(seconds=5.0)
    assert found.channels[0].main.stream_url is not None
    assert any("no time left" in said for said in found.remarks)


async def test_nobody_there_is_unreachable(http: aiohttp.ClientSession, plain_camera: Any, survey: Ask) -> None:
    port, plain_camera.port = plain_camera.port, 1
    with pytest.raises(Unreachable):
        await survey()
    plain_camera.port = port


FAMILIES = {
    "hikvision": (("hikvision",), "HIKVISION", "h264", True),
    "axis": (("axis",), "AXIS", "h264", True),
    "axis_m2025": (("axis_m2025",), "AXIS", "h264", False),
    "pelco": (("pelco",), "Pelco", "h264", True),
    "dahua": (("dahua", "dahua_nvr"), "", None, False),
    "reolink": (("reolink", "amcrest", "dahua", "milesight"), "Milesight Technology Co.,Ltd.", "h264", False),
    "dlink": (("dlink", "axis_m2025"), "AXIS", "h264", False),
}


@pytest.mark.parametrize("family", FAMILIES)
async def test_recorded_devices_give_a_sensible_inspection(
    device: Any,
    soap_bodies: dict[str, Callable[..., web.Response]],
    recordings: Path,
    survey: Ask,
    family: str,
) -> None:
    folders, vendor, encoding, has_ptz = FAMILIES[family]
    camera(device, soap_bodies)
    device.wants = ""
    for operation in ("GetServices", "GetDeviceInformation"):
        device.answers[operation] = device.answers["GetScopes"]  # unknown unless it was recorded
    for folder in reversed(folders):
        for file in sorted((recordings / folder).glob("*.xml")):
            operation = next((name for name in file.name.split(".") if name.startswith("Get")), "")
            if operation and "Fault" not in file.name and "whitespace" not in file.name:
                device.answers[operation] = file.read_bytes()
    found = await survey()
    assert found.information.vendor == vendor
    assert found.channels[0].main.encoding == encoding
    assert found.has_ptz == has_ptz
    for channel in found.channels:
        assert (channel.main.stream_url or "").startswith("rtsp://127.0.0.1")
        assert (channel.main.snapshot_url or f"http://127.0.0.1:{device.port}/").startswith("http://127.0.0.1:")


async def test_a_device_that_always_gives_the_same_recorded_answer(device: Any, recordings: Path, survey: Ask) -> None:
    device.wants = ""
    for file in sorted(recordings.glob("*/*.*")):
        if file.suffix not in (".xml", ".html", ".txt") or file.parent.name.startswith("_rtsp"):
            continue
        answer = file.read_bytes()

        async def always(request: web.Request, answer: bytes = answer) -> web.Response:
            return web.Response(body=answer)

        device.answers = {name: always for name in ("GetSystemDateAndTime", *EVERYTHING)}
        try:
            found = await survey()
        except DeviceError as error:
            assert f"127.0.0.1:{device.port}" in str(error)
        else:
            assert found.channels


EVERYTHING = ("GetServices", "GetCapabilities", "GetDeviceInformation", *READ_BY_ANYBODY)


async def test_a_device_without_a_login_that_does_not_know_an_operation_is_inspected(
    plain_camera: Any, survey: Ask
) -> None:
    """go2rtc, which answers what it does not know in words, and is enrolled without a credential."""

    async def unknown(request: web.Request) -> web.Response:
        return web.Response(status=400, text="unsupported operation")

    plain_camera.wants, plain_camera.answers["GetEndpointReference"] = "", unknown
    found = await survey(login=False)
    assert found.identity == "SN0001"
    assert not [said for said in found.remarks if "endpoint" in said]
