"""What a camera hangs on is read from where it is dialled and where it stands."""

import pytest

from gateway.model import Camera, OnvifAddress, Place, StreamAddress
from gateway.supervision.sites import Site


@pytest.mark.parametrize(
    ("rtsp", "onvif", "host", "subnet"),
    [
        (StreamAddress(main="rtsp://10.1.2.3/1"), None, "10.1.2.3", "10.1.2.0/24"),
        (StreamAddress(main="rtsp://10.1.2.3/1", sub="rtsp://10.9.9.9/2"), None, "10.9.9.9", "10.9.9.0/24"),
        (StreamAddress(main="rtsp://10.1.2.3/1"), OnvifAddress("10.7.7.7"), "10.1.2.3", "10.1.2.0/24"),
        (None, OnvifAddress("10.7.7.7"), "10.7.7.7", "10.7.7.0/24"),
        (StreamAddress(), OnvifAddress("fd00:1:2:3::9"), "fd00:1:2:3::9", "fd00:1:2:3::/64"),
        (StreamAddress(main="rtsp://nvr.village/1"), None, "nvr.village", "nvr.village"),
        (None, None, None, None),
    ],
)
def test_host_and_subnet(rtsp, onvif, host, subnet) -> None:
    site = Site.of(Camera("c", "", rtsp=rtsp, onvif=onvif))
    assert (site.host, site.subnet) == (host, subnet)


def test_a_village_lies_in_its_township_and_county() -> None:
    assert Site.of(Camera("c", "", place=Place(area_code="511724001002"))).areas == (
        "511724001002",
        "511724001",
        "511724",
    )
    assert Site.of(Camera("c", "", place=Place(area_code="511724"))).areas == ("511724",)
    assert Site.of(Camera("c", "")).areas == ()
