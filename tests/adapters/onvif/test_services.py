"""Which services real devices told of, and where they are then called."""

from dataclasses import astuple

import pytest
from aiohttp import web

from adapters.onvif import soap
from adapters.onvif.services import Services, get_services, read_capabilities, read_services
from gateway.errors import ProtocolFault
from gateway.model import OnvifAddress

HERE = OnvifAddress("10.0.0.5", 80)


@pytest.mark.parametrize(
    ("file", "has", "lacks"),
    [
        ("hikvision/GetServices.xml", {"media", "events", "ptz", "imaging", "deviceio"}, set()),
        ("pelco/GetServices.xml", {"media", "events", "imaging"}, {"media2"}),
        ("axis_m2025/GetServices.xml", {"media", "media2", "events", "imaging"}, set()),
        ("reolink/GetServices.xml", {"media", "media2", "events", "imaging"}, set()),
    ],
)
def test_recorded_services(recorded, file, has, lacks):
    found = read_services(soap.read(recorded(file), "d", "GetServices"), HERE)
    told = {name for name in Services.__slots__ if getattr(found, name)}
    assert has <= told and not lacks & told
    assert all(url.startswith(("http://10.0.0.5/", "http://10.0.0.5:")) for url in astuple(found) if url)


@pytest.mark.parametrize("device", ["axis", "dahua", "hikvision", "pelco"])
def test_recorded_capabilities(recorded, device):
    found = read_capabilities(soap.read(recorded(f"{device}/GetCapabilities.xml"), "d", "GetCapabilities"), HERE)
    assert found.media and found.events and found.device
    assert all(
        url.startswith("http://10.0.0.5/") or url.startswith("http://10.0.0.5:") for url in astuple(found) if url
    )


def test_an_address_that_is_none_is_left_out():
    def service(namespace, url):
        return f"<Service><Namespace>{namespace}</Namespace><XAddr>{url}</XAddr></Service>"

    body = service("http://www.onvif.org/ver10/media/wsdl", "none") + service(
        "http://www.onvif.org/ver10/events/wsdl/", "http://192.168.1.10:8080:80/e"
    )
    found = read_services(soap.read(soap.envelope(f"<R>{body}</R>".encode()), "d", "o"), HERE)
    assert found == Services(events="http://10.0.0.5:80/e")


async def test_older_devices_are_asked_for_their_capabilities(device, connect, recorded):
    services, capabilities = recorded("axis/GetServices.Fault.xml"), recorded("axis/GetCapabilities.xml")

    async def fault(request):
        return web.Response(body=services, status=500)

    device.wants, device.answers = "", {"GetServices": fault, "GetCapabilities": capabilities}
    found = await get_services(connect())
    assert found.media and found.events and found.media2 is None
    assert found.device == f"http://127.0.0.1:{device.port}/onvif/device_service"
    assert found.media.startswith(f"http://127.0.0.1:{device.port}/")
    assert device.operations == ["GetServices", "GetCapabilities"]


async def test_one_question_where_it_is_answered(device, connect, recorded):
    device.wants, device.answers = "", {"GetServices": recorded("hikvision/GetServices.xml")}
    assert (await get_services(connect())).ptz
    assert device.operations == ["GetServices"]


def _service(namespace, path):
    return f"<Service><Namespace>{namespace}</Namespace><XAddr>http://192.168.1.10{path}</XAddr></Service>"


MEDIA = _service("http://www.onvif.org/ver10/media/wsdl", "/media")


def test_ptz_under_the_namespace_of_its_first_version():
    """As the onvif-server library for Rust lists it; the present namespace counts before it."""

    def ptz(*services):
        return read_services(soap.read(soap.envelope(f"<R>{''.join(services)}</R>".encode()), "d", "o"), HERE).ptz

    old = _service("http://www.onvif.org/ver10/ptz/wsdl", "/old")
    assert ptz(MEDIA, old) == "http://10.0.0.5/old"
    assert ptz(old, _service("http://www.onvif.org/ver20/ptz/wsdl", "/ptz")) == "http://10.0.0.5/ptz"


async def test_events_that_only_the_capabilities_name(device, connect):
    """As the oxvif library for Rust tells of them."""
    here = f"http://127.0.0.1:{device.port}/onvif/events"
    device.wants = ""
    device.answers["GetServices"] = f"<GetServicesResponse>{MEDIA}</GetServicesResponse>"
    device.answers["GetCapabilities"] = f"<R><Capabilities><Events><XAddr>{here}</XAddr></Events></Capabilities></R>"
    found = await get_services(connect())
    assert found.events == here and found.media


async def test_no_events_and_no_capabilities(device, connect):
    device.wants = ""
    device.answers["GetServices"] = f"<GetServicesResponse>{MEDIA}</GetServicesResponse>"
    device.answers["GetCapabilities"] = b"<html>"
    found = await get_services(connect())
    assert found.media and found.events is None


async def test_neither_answered(device, connect):
    device.wants, device.answers = "", {"GetServices": b"<html>", "GetCapabilities": b"<html>"}
    with pytest.raises(ProtocolFault, match="GetCapabilities"):
        await get_services(connect())
