"""Presets and moves."""

import pytest

from adapters.onvif import soap
from adapters.onvif.ptz import continuous_move, get_presets, go_to_preset, has_ptz, move_request, stop
from gateway.errors import ProtocolFault
from gateway.model import Preset, PtzMove

PRESETS = (
    '<R><Preset token="1"><Name>大门</Name></Preset><x:Preset token="2"><x:Name>Yard</x:Name></x:Preset>'
    '<Preset token="3"/><Preset><Name>no token</Name></Preset><Preset token="Yard"><Name>1</Name></Preset></R>'
)


@pytest.fixture
def dome(device, connect):
    device.wants, device.answers = "", {"GetPresets": PRESETS}
    client = connect()
    return client, f"http://127.0.0.1:{device.port}/onvif/ptz"


async def test_presets(dome, device):
    assert await get_presets(*dome, "P1") == (
        *(Preset("1", "大门"), Preset("2", "Yard"), Preset("3", "3")),
        Preset("Yard", "1"),
    )
    assert "<ProfileToken>P1</ProfileToken>" in device.bodies[-1]


@pytest.mark.parametrize(
    ("wanted", "token"), [("2", "2"), ("大门", "1"), ("yard ", "2"), ("Yard", "Yard"), ("1", "1"), ("3", "3")]
)
async def test_a_preset_by_token_or_name(dome, device, wanted, token):
    await go_to_preset(*dome, "P1", wanted)
    assert device.operations[-1] == "GotoPreset"
    assert f"<PresetToken>{token}</PresetToken>" in device.bodies[-1]


async def test_a_preset_that_is_not_there(dome, device):
    with pytest.raises(ProtocolFault, match="has no preset 'roof'"):
        await go_to_preset(*dome, "P1", "roof")
    assert "GotoPreset" not in device.operations


async def test_tokens_are_escaped(dome, device):
    await stop(*dome, 'a"<b>&')
    assert soap.text(soap.parse(device.bodies[-1].encode(), "d", "o"), "Body/Stop/ProfileToken") == 'a"<b>&'


async def test_moves(dome, device):
    await continuous_move(*dome, "P1", PtzMove(pan=0.5, tilt=-2.0, seconds=1.5))
    sent = soap.find(soap.parse(device.bodies[-1].encode(), "d", "o"), "Body/ContinuousMove")
    pan_tilt = soap.find(sent, "Velocity/PanTilt")
    assert (pan_tilt.get("x"), pan_tilt.get("y")) == ("0.500", "-1.000")
    assert soap.find(sent, "Velocity/Zoom") is None
    assert soap.text(sent, "Timeout") == "PT1.5S"
    await stop(*dome, "P1")
    assert device.operations == ["ContinuousMove", "Stop"]


def test_a_move_ends():
    assert b"<Timeout>PT60.0S</Timeout>" in move_request("P", PtzMove(zoom=1, seconds=1e9))
    assert b"PanTilt" not in move_request("P", PtzMove(zoom=1))


async def test_a_service_without_a_node_moves_nothing(dome, device):
    client, url = dome
    device.answers["GetNodes"] = "<R/>"
    assert not await has_ptz(client, url)
    device.answers["GetNodes"] = '<R><PTZNode token="0"/></R>'
    assert await has_ptz(client, url)
