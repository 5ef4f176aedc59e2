"""What a device says it is (ONVIF Core, GetDeviceInformation), asked leanly at every connect."""

from lxml import etree

from adapters.onvif import soap
from adapters.onvif.client import SoapClient
from adapters.onvif.faults import printable
from gateway.model import DeviceInformation

_TDS = soap.NS["tds"]
_LONGEST = 64
_LONGEST_ANSWER = 64 * 1024


async def get_device_information(client: SoapClient) -> DeviceInformation:
    """In the device's own words. Most devices want the login for it. Raises DeviceError."""
    answer = await client.call(
        client.device_url,
        f"{_TDS}/GetDeviceInformation",
        f'<GetDeviceInformation xmlns="{_TDS}"/>'.encode(),
        operation="GetDeviceInformation",
        limit=_LONGEST_ANSWER,
    )
    return read_device_information(answer)


def read_device_information(answer: etree._Element) -> DeviceInformation:
    """Of a GetDeviceInformationResponse; what is missing is empty."""
    names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")
    return DeviceInformation(*(printable(soap.text(answer, name) or "", _LONGEST) for name in names))
