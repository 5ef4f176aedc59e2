import base64

import pytest

from adapters.rtsp.payload.depacketiser import SPOKEN, depacketiser
from adapters.rtsp.protocol import FIRST_AND_SECOND, FIRST_AND_THIRD
from adapters.rtsp.sdp import Media
from gateway.errors import NotSpoken


def media(encoding, **parameters):
    formats = {"96": {name.replace("_", "-"): value for name, value in parameters.items()}}
    return Media("video", ["96"], {"96": encoding}, formats)


def text(*nals):
    return ",".join(base64.b64encode(nal).decode() for nal in nals)


def test_h264_begins_with_the_sets_of_the_description(peer):
    form = peer("rtp_packets").H264
    found = depacketiser(media("H264", sprop_parameter_sets=text(*form.sets)), lambda *unit: None)
    assert (found.codec, found.width, found.height) == ("h264", *form.size)
    assert found.frame is FIRST_AND_SECOND and found.dropped == 0


def test_h265_begins_with_the_sets_of_the_description(peer):
    form = peer("rtp_packets").H265
    vps, sps, pps = map(text, form.sets)
    found = depacketiser(media("H265", sprop_vps=vps, sprop_sps=sps, sprop_pps=pps), lambda *unit: None)
    assert (found.codec, found.width, found.height) == ("h265", *form.size)
    assert found.frame is FIRST_AND_THIRD and found.dropped == 0


@pytest.mark.parametrize("encoding", SPOKEN)
def test_a_description_without_sets_is_enough(encoding):
    found = depacketiser(Media("video", ["96"], {"96": encoding}), lambda *unit: None)
    assert (found.width, found.height) == (None, None)


@pytest.mark.parametrize("don", ["", "0", "none", "-1"])
def test_h265_in_plain_order_is_spoken(don):
    assert depacketiser(media("H265", sprop_max_don_diff=don), lambda *unit: None).codec == "h265"


def test_h265_in_another_order_is_not_spoken():
    with pytest.raises(NotSpoken, match="sprop-max-don-diff"):
        depacketiser(media("H265", sprop_max_don_diff="2"), lambda *unit: None)


@pytest.mark.parametrize(("encoding", "named"), [("JPEG", "JPEG"), ("MP2T", "MP2T"), ("", "without a name")])
def test_anything_else_is_named_as_not_spoken(encoding, named):
    offered = media(encoding) if encoding else Media("video", ["97"])
    with pytest.raises(NotSpoken, match=named):
        depacketiser(offered, lambda *unit: None)
