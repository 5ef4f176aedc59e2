"""What a device answers about itself (ONVIF Device Management, Media, Media2, PTZ, Imaging, Device IO): pure text."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from gateway.lab.onvif.soap import NAMESPACES

PATHS = {
    "tds": "/onvif/device_service",
    "trt": "/onvif/media_service",
    "tr2": "/onvif/media2_service",
    "tev": "/onvif/event_service",
    "tptz": "/onvif/ptz_service",
    "timg": "/onvif/imaging_service",
    "tmd": "/onvif/deviceio_service",
}


@dataclass(frozen=True, slots=True)
class Coding:
    """A profile's encoder: ``encoding`` is H264 or H265; pictures a second; kbit/s."""

    encoding: str
    width: int
    height: int
    fps: int
    kbit: int


@dataclass(frozen=True, slots=True)
class Profile:
    """``token`` such as Main1; ``source`` the number of its video source, from 1."""

    token: str
    source: int
    coding: Coding


def date_and_time(at: float, *, utc: bool, zone: str = "CST-8") -> str:
    """``at``: seconds since 1970 by the device's clock. Without ``utc`` only the local time of UTC+8."""

    def told(name: str, seconds: float) -> str:
        t = time.gmtime(seconds)
        return (
            f"<tt:{name}><tt:Time><tt:Hour>{t.tm_hour}</tt:Hour><tt:Minute>{t.tm_min}</tt:Minute><tt:Second>{t.tm_sec}"
            f"</tt:Second></tt:Time><tt:Date><tt:Year>{t.tm_year}</tt:Year><tt:Month>{t.tm_mon}</tt:Month>"
            f"<tt:Day>{t.tm_mday}</tt:Day></tt:Date></tt:{name}>"
        )

    times = (told("UTCDateTime", at) if utc else "") + told("LocalDateTime", at + 8 * 3600)
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
        f"<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>{zone}</tt:TZ></tt:TimeZone>{times}"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def services(base: str, known: Iterable[str]) -> str:
    """GetServices: ``base`` is http://host:port, ``known`` are prefixes of ``PATHS``."""
    told = "".join(
        f"<tds:Service><tds:Namespace>{NAMESPACES[prefix]}</tds:Namespace><tds:XAddr>{base}{PATHS[prefix]}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
        for prefix in known
    )
    return f"<tds:GetServicesResponse>{told}</tds:GetServicesResponse>"


def capabilities(base: str, known: Iterable[str], sources: int, inputs: int) -> str:
    """GetCapabilities, whose order is the schema's."""
    known = set(known)

    def part(name: str, prefix: str, inner: str = "") -> str:
        if prefix not in known:
            return ""
        return f"<tt:{name}><tt:XAddr>{base}{PATHS[prefix]}</tt:XAddr>{inner}</tt:{name}>"

    events = "".join(
        f"<tt:{name}>{str(value).lower()}</tt:{name}>"
        for name, value in (
            ("WSSubscriptionPolicySupport", True),
            ("WSPullPointSupport", True),
            ("WSPausableSubscriptionManagerInterfaceSupport", False),
        )
    )
    io = (
        f"<tt:VideoSources>{sources}</tt:VideoSources><tt:VideoOutputs>0</tt:VideoOutputs><tt:AudioSources>0"
        "</tt:AudioSources><tt:AudioOutputs>0</tt:AudioOutputs><tt:RelayOutputs>0</tt:RelayOutputs>"
    )
    streaming = (
        "<tt:StreamingCapabilities><tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP>"
        "<tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities>"
    )
    extension = part("DeviceIO", "tmd", io)
    return (
        "<tds:GetCapabilitiesResponse><tds:Capabilities>"
        + part("Device", "tds")
        + part("Events", "tev", events)
        + part("Imaging", "timg")
        + part("Media", "trt", streaming)
        + part("PTZ", "tptz")
        + (f"<tt:Extension>{extension}</tt:Extension>" if extension and inputs else "")
        + "</tds:Capabilities></tds:GetCapabilitiesResponse>"
    )


def information(facts: Mapping[str, str]) -> str:
    told = "".join(f"<tds:{name}>{escape(value)}</tds:{name}>" for name, value in facts.items())
    return f"<tds:GetDeviceInformationResponse>{told}</tds:GetDeviceInformationResponse>"


def scopes(items: Iterable[str]) -> str:
    told = "".join(
        f"<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{escape(one)}</tt:ScopeItem></tds:Scopes>"
        for one in items
    )
    return f"<tds:GetScopesResponse>{told}</tds:GetScopesResponse>"


def endpoint_reference(endpoint: str) -> str:
    return f"<tds:GetEndpointReferenceResponse><tds:GUID>{endpoint}</tds:GUID></tds:GetEndpointReferenceResponse>"


def network_interfaces(mac: str, address: str) -> str:
    return (
        '<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="eth0"><tt:Enabled>true</tt:Enabled><tt:Info>'
        f"<tt:Name>eth0</tt:Name><tt:HwAddress>{mac}</tt:HwAddress><tt:MTU>1500</tt:MTU></tt:Info><tt:IPv4><tt:Enabled>"
        f"true</tt:Enabled><tt:Config><tt:Manual><tt:Address>{address}</tt:Address><tt:PrefixLength>8</tt:PrefixLength>"
        "</tt:Manual><tt:DHCP>false</tt:DHCP></tt:Config></tt:IPv4></tds:NetworkInterfaces>"
        "</tds:GetNetworkInterfacesResponse>"
    )


# --------------------------------------------------------------------------------------------------------------- media


def _source_configuration(profile: Profile, tag: str, size: tuple[int, int]) -> str:
    return (
        f'<{tag} token="VSC{profile.source}"><tt:Name>source {profile.source}</tt:Name><tt:UseCount>2</tt:UseCount>'
        f"<tt:SourceToken>VS{profile.source}</tt:SourceToken>"
        f'<tt:Bounds x="0" y="0" width="{size[0]}" height="{size[1]}"/></{tag}>'
    )


def _ptz_configuration(tag: str) -> str:
    return (
        f'<{tag} token="PTZ1"><tt:Name>dome</tt:Name><tt:UseCount>2</tt:UseCount><tt:NodeToken>Node1</tt:NodeToken>'
        f"<tt:DefaultPTZTimeout>PT5S</tt:DefaultPTZTimeout></{tag}>"
    )


def media1_profiles(profiles: Iterable[Profile], name: str, size: tuple[int, int], *, ptz: bool) -> str:
    """H.265 has no name in Media1: its encoder comes without Encoding."""
    told = ""
    for one in profiles:
        coding = one.coding
        encoding = f"<tt:Encoding>{coding.encoding}</tt:Encoding>" if coding.encoding == "H264" else ""
        gov = "<tt:H264><tt:GovLength>50</tt:GovLength><tt:H264Profile>Main</tt:H264Profile></tt:H264>"
        told += (
            f'<trt:Profiles token="{one.token}" fixed="true"><tt:Name>{escape(name)} {one.token}</tt:Name>'
            + _source_configuration(one, "tt:VideoSourceConfiguration", size)
            + f'<tt:VideoEncoderConfiguration token="VE{one.token}"><tt:Name>{one.token}</tt:Name><tt:UseCount>1'
            f"</tt:UseCount>{encoding}<tt:Resolution><tt:Width>{coding.width}</tt:Width><tt:Height>{coding.height}"
            "</tt:Height></tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl><tt:FrameRateLimit>"
            f"{coding.fps}</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>{coding.kbit}"
            f"</tt:BitrateLimit></tt:RateControl>{gov if encoding else ''}<tt:Multicast><tt:Address><tt:Type>IPv4"
            "</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port><tt:TTL>1</tt:TTL>"
            "<tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout>"
            "</tt:VideoEncoderConfiguration>"
            + (_ptz_configuration("tt:PTZConfiguration") if ptz else "")
            + "</trt:Profiles>"
        )
    return f"<trt:GetProfilesResponse>{told}</trt:GetProfilesResponse>"


def media2_profiles(profiles: Iterable[Profile], name: str, size: tuple[int, int], *, ptz: bool, whole: bool) -> str:
    """``whole``: with their configurations, which a client has to ask for (Type)."""
    told = ""
    for one in profiles:
        coding = one.coding
        configurations = (
            "<tr2:Configurations>"
            + _source_configuration(one, "tr2:VideoSource", size)
            + f'<tr2:VideoEncoder token="VE{one.token}" GovLength="50" Profile="Main"><tt:Name>{one.token}</tt:Name>'
            f"<tt:UseCount>1</tt:UseCount><tt:Encoding>{coding.encoding}</tt:Encoding><tt:Resolution><tt:Width>"
            f"{coding.width}</tt:Width><tt:Height>{coding.height}</tt:Height></tt:Resolution><tt:RateControl "
            f'ConstantBitRate="false"><tt:FrameRateLimit>{coding.fps}</tt:FrameRateLimit><tt:BitrateLimit>{coding.kbit}'
            "</tt:BitrateLimit></tt:RateControl><tt:Quality>4</tt:Quality></tr2:VideoEncoder>"
            + (_ptz_configuration("tr2:PTZ") if ptz else "")
            + "</tr2:Configurations>"
        )
        told += (
            f'<tr2:Profiles token="{one.token}" fixed="true"><tr2:Name>{escape(name)} {one.token}</tr2:Name>'
            f"{configurations if whole else ''}</tr2:Profiles>"
        )
    return f"<tr2:GetProfilesResponse>{told}</tr2:GetProfilesResponse>"


def video_sources(count: int, size: tuple[int, int]) -> str:
    told = "".join(
        f'<trt:VideoSources token="VS{number}"><tt:Framerate>25</tt:Framerate><tt:Resolution><tt:Width>{size[0]}'
        f"</tt:Width><tt:Height>{size[1]}</tt:Height></tt:Resolution></trt:VideoSources>"
        for number in range(1, count + 1)
    )
    return f"<trt:GetVideoSourcesResponse>{told}</trt:GetVideoSourcesResponse>"


def media_uri(operation: str, url: str) -> str:
    """GetStreamUri or GetSnapshotUri, of Media1 (``trt:…``) or Media2 (``tr2:…``)."""
    if operation.startswith("tr2:"):
        return f"<{operation}Response><tr2:Uri>{escape(url)}</tr2:Uri></{operation}Response>"
    return (
        f"<{operation}Response><trt:MediaUri><tt:Uri>{escape(url)}</tt:Uri><tt:InvalidAfterConnect>false"
        "</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
        f"</trt:MediaUri></{operation}Response>"
    )


# ------------------------------------------------------------------------------------------- PTZ, imaging and inputs


def ptz_nodes(presets: int) -> str:
    return (
        '<tptz:GetNodesResponse><tptz:PTZNode token="Node1"><tt:Name>dome</tt:Name><tt:SupportedPTZSpaces/>'
        f"<tt:MaximumNumberOfPresets>{presets}</tt:MaximumNumberOfPresets><tt:HomeSupported>true</tt:HomeSupported>"
        "</tptz:PTZNode></tptz:GetNodesResponse>"
    )


def presets(names: Mapping[str, str]) -> str:
    told = "".join(
        f"<tptz:Preset token={quoteattr(token)}><tt:Name>{escape(name)}</tt:Name></tptz:Preset>"
        for token, name in names.items()
    )
    return f"<tptz:GetPresetsResponse>{told}</tptz:GetPresetsResponse>"


def ptz_status(pan: float, tilt: float, zoom: float, *, moving: bool, at: str) -> str:
    state = "MOVING" if moving else "IDLE"
    return (
        f'<tptz:GetStatusResponse><tptz:PTZStatus><tt:Position><tt:PanTilt x="{pan:g}" y="{tilt:g}"/><tt:Zoom '
        f'x="{zoom:g}"/></tt:Position><tt:MoveStatus><tt:PanTilt>{state}</tt:PanTilt><tt:Zoom>{state}</tt:Zoom>'
        f"</tt:MoveStatus><tt:UtcTime>{at}</tt:UtcTime></tptz:PTZStatus></tptz:GetStatusResponse>"
    )


def imaging_settings() -> str:
    return (
        "<timg:GetImagingSettingsResponse><timg:ImagingSettings><tt:Brightness>50</tt:Brightness><tt:Contrast>50"
        "</tt:Contrast><tt:IrCutFilter>AUTO</tt:IrCutFilter></timg:ImagingSettings></timg:GetImagingSettingsResponse>"
    )


def digital_inputs(count: int) -> str:
    told = "".join(f'<tmd:DigitalInputs token="INPUT{number}"/>' for number in range(1, count + 1))
    return f"<tmd:GetDigitalInputsResponse>{told}</tmd:GetDigitalInputsResponse>"


# ---------------------------------------------------------------------------------------------------------- events


def event_properties(topics: str) -> str:
    dialect = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
    return (
        "<tev:GetEventPropertiesResponse><tev:TopicNamespaceLocation>http://www.onvif.org/onvif/ver10/topics/"
        "topicns.xml</tev:TopicNamespaceLocation><wsnt:FixedTopicSet>true</wsnt:FixedTopicSet><wstop:TopicSet>"
        f"{topics}</wstop:TopicSet><wsnt:TopicExpressionDialect>{dialect}</wsnt:TopicExpressionDialect>"
        "<tev:MessageContentFilterDialect>http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"
        "</tev:MessageContentFilterDialect><tev:MessageContentSchemaLocation>http://www.onvif.org/onvif/ver10/schema/"
        "onvif.xsd</tev:MessageContentSchemaLocation></tev:GetEventPropertiesResponse>"
    )


def subscribed(operation: str, url: str, reference: str, now: str, ends: str) -> str:
    """CreatePullPointSubscription or Subscribe; ``reference`` goes into ReferenceParameters where there is one."""
    parameters = f"<wsa:ReferenceParameters>{reference}</wsa:ReferenceParameters>" if reference else ""
    prefix = operation.partition(":")[0]
    return (
        f"<{operation}Response><{prefix}:SubscriptionReference><wsa:Address>{escape(url)}</wsa:Address>{parameters}"
        f"</{prefix}:SubscriptionReference><wsnt:CurrentTime>{now}</wsnt:CurrentTime><wsnt:TerminationTime>{ends}"
        f"</wsnt:TerminationTime></{operation}Response>"
    )


def pulled(messages: str, now: str, ends: str) -> str:
    return (
        f"<tev:PullMessagesResponse><tev:CurrentTime>{now}</tev:CurrentTime><tev:TerminationTime>{ends}"
        f"</tev:TerminationTime>{messages}</tev:PullMessagesResponse>"
    )


def renewed(now: str, ends: str) -> str:
    return (
        f"<wsnt:RenewResponse><wsnt:TerminationTime>{ends}</wsnt:TerminationTime><wsnt:CurrentTime>{now}"
        "</wsnt:CurrentTime></wsnt:RenewResponse>"
    )
