"""What an inspection says of a device, as the worker keeps it."""

import pytest

from adapters.onvif.inspection.inspector import Channel, Inspection, Inspector
from adapters.onvif.inspection.profiles import Profile
from adapters.onvif.services import Services
from gateway.model import DeviceInformation, OnvifAddress
from gateway.video.devices.connect import OnvifConnector
from gateway.video.devices.memory import DeviceMemory


class Told(Inspector):
    """Says that it moves, or not, of a device whose profile has PTZ."""

    def __init__(self, moves: bool) -> None:
        super().__init__()
        self._moves = moves

    async def inspect(self, address: OnvifAddress) -> Inspection:
        channel = Channel("v", "gate", Profile("main", source="v", has_ptz=True), None)
        return Inspection(DeviceInformation(), None, Services(), (channel,), has_ptz=self._moves)


@pytest.mark.parametrize(("moves", "profile"), [(True, "main"), (False, None)])
async def test_a_fixed_camera_whose_profile_has_ptz_is_no_dome(moves, profile):
    connector = OnvifConnector(DeviceMemory(), inspector=Told(moves))
    try:
        (view,) = await connector.views(OnvifAddress("10.0.0.5"))
    finally:
        await connector.close()
    assert view.profile == profile
