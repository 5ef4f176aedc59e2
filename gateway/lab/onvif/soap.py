"""SOAP as a device writes and reads it (SOAP 1.2; ONVIF Core §5): envelopes, faults, and what a client asks for."""

import calendar
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tmd": "http://www.onvif.org/ver10/deviceIO/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wstop": "http://docs.oasis-open.org/wsn/t-1",
    "tns1": "http://www.onvif.org/ver10/topics",
    "tnshik": "http://www.hikvision.com/2011/event/topics",
    "tnsaxis": "http://www.axis.com/2009/event/topics",
    "xs": "http://www.w3.org/2001/XMLSchema",
    "tnslab": "http://lab.invalid/event/topics",
}
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
_HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope {_DECLARED}>'
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """OASIS UsernameToken Profile 1.0, as a client sent it; what was missing is empty."""

    username: str
    password: str
    nonce: str
    created: str
    digest: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``operation`` is ``prefix:Name`` of the body's element, ``reference`` the header entries by local name."""

    operation: str
    body: ET.Element
    token: UsernameToken | None = None
    reference: dict[str, str] = field(default_factory=dict)
    own_prefixes: bool = False  # ns0: and so on, which some devices refuse

    def text(self, name: str) -> str | None:
        """The text of the first element of this local name below the body's, stripped."""
        found = self.body.find(f".//{{*}}{name}")
        return None if found is None or found.text is None else found.text.strip()

    def attribute(self, name: str, attribute: str) -> str | None:
        found = self.body.find(f".//{{*}}{name}")
        return None if found is None else found.get(attribute)


def read(content: bytes) -> Call | None:
    """The call in a request's body; None where there is none."""
    if b"<!DOCTYPE" in content:
        return None
    try:
        root = ET.fromstring(content)  # noqa: S314 - no DTD gets here
    except ET.ParseError:
        return None
    header, body = root.find("{*}Header"), root.find("{*}Body")
    if body is None or not len(body):
        return None
    uri, _, name = body[0].tag.lstrip("{").rpartition("}")
    reference = {} if header is None else {one.tag.rpartition("}")[2]: (one.text or "").strip() for one in header}
    token = None if header is None else _token(header)
    return Call(f"{_PREFIXES.get(uri, '?')}:{name}", body[0], token, reference, b"<ns0:" in content)


def _token(header: ET.Element) -> UsernameToken | None:
    found = header.find(f".//{{{_WSSE}}}UsernameToken")
    if found is None:
        return None
    password = found.find(f"{{{_WSSE}}}Password")

    def text(name: str) -> str:
        return (found.findtext(name) or "").strip() if found is not None else ""

    return UsernameToken(
        text(f"{{{_WSSE}}}Username"),
        text(f"{{{_WSSE}}}Password"),
        text(f"{{{_WSSE}}}Nonce"),
        text(f"{{{_WSU}}}Created"),
        password is not None and password.get("Type", "").endswith("#PasswordDigest"),
    )


def envelope(body: str, header: str = "") -> bytes:
    """A whole answer around what stands in its Body."""
    return f"{_HEAD}<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()


def fault(code: str, *subcodes: str, reason: str = "", detail: str = "") -> bytes:
    """A SOAP fault: ``code`` is Sender or Receiver; each of the ``subcodes`` is within the one before."""
    nested = ""
    for subcode in reversed(subcodes):
        nested = f"<s:Subcode><s:Value>{subcode}</s:Value>{nested}</s:Subcode>"
    told = f'<s:Reason><s:Text xml:lang="en">{escape(reason)}</s:Text></s:Reason>'
    detail = f"<s:Detail>{detail}</s:Detail>" if detail else ""
    return envelope(f"<s:Fault><s:Code><s:Value>s:{code}</s:Value>{nested}</s:Code>{told}{detail}</s:Fault>")


def moment(at: float) -> str:
    """Seconds since 1970 as xs:dateTime."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bad_moment(at: float, turn: int) -> str:
    """The same in one of the broken forms that cameras were heard to send."""
    true = datetime.fromtimestamp(at, UTC)
    forms = (
        true.strftime("%Y-%m-%dT%H:61:%SZ"),
        true.strftime("%Y-%m-%dT-%H:%M:%SZ"),  # a negative hour
        true.strftime("%Y-%m-%d-%H:%M:%S"),
    )
    return forms[turn % len(forms)]


class Fault(Exception):
    """Ends an operation: the device answers with this status and SOAP fault."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body


def seconds_of(duration: str | None) -> float:
    """An xs:duration of days and less; 0 where it is none."""
    found = _DURATION.fullmatch(duration or "")
    if found is None:
        return 0.0
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 86400 * days + 3600 * hours + 60 * minutes + seconds


def calendar_seconds(numbers: list[int]) -> float:
    """Seconds since 1970 of year, month, day, hour, minute and second in UTC."""
    return float(calendar.timegm((*numbers, 0, 0, 0)))
