"""SOAP 1.2 envelopes: ours written, a device's read however it was written. Pure.

What devices send is often not well-formed: prefixes that nobody declared, junk before the XML, GBK under a UTF-8
declaration, a body cut short, a web page. So the reader recovers what it can and looks at local names alone.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from lxml import etree

from adapters.onvif.faults import OnvifFault, printable
from adapters.onvif.parsing import Reader
from gateway.errors import ProtocolFault

NS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "s": "http://www.w3.org/2003/05/soap-envelope",
        "a": "http://www.w3.org/2005/08/addressing",
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
        "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
        "dn": "http://www.onvif.org/ver10/network/wsdl",
        "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
        "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
    }
)

_BEGINS = re.compile(rb"<(?:\?xml\b|(?:[\w.\-]+:)?Envelope[\s/>])")
_BODY = re.compile(rb"<(?:[\w.\-]+:)?Body[\s>]")
_DECLARED = re.compile(rb"""<\?xml[^>]{0,80}encoding\s*=\s*["']([\w.\-]{1,20})["']""")
_ASCII = re.compile(r"[\x00-\x7f]+")
_WEB_PAGE = re.compile(rb"<!doctype\s+html|<html|<body|<head", re.IGNORECASE)
_LOGIN_PAGE = re.compile(rb"""type\s*=\s*["']?password|<title>\s*log""", re.IGNORECASE)
_LOOKED_AT = 64 * 1024
_WESTERN = frozenset((b"iso-8859-1", b"latin1", b"windows-1252"))
_MAX_SUBCODES = 8

_READER: Final = Reader()


def envelope(body: bytes, *, security: bytes = b"", headers: bytes = b"") -> bytes:
    """A request. ``body`` is its one element with a default namespace: some devices answer prefixes of ours with 500."""
    header = b"<s:Header>" + security + headers + b"</s:Header>" if security or headers else b""
    return (
        b'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        + header
        + b"<s:Body>"
        + body
        + b"</s:Body></s:Envelope>"
    )


def read(answer: bytes, device: str, operation: str, *, status: int = 200) -> etree._Element:
    """The first element of an answer's Body.

    Raises OnvifFault where that is a fault and ProtocolFault where there is none; both name device and operation.
    ``status`` is only told: what counts is the body, because devices send good ones with 400 and web pages with 200.
    """
    root = parse(answer, device, operation, status=status)
    body = child(root, "Body")
    if body is None:
        body = _body_alone(answer)
    first = next(_elements(body), None) if body is not None else None
    if first is None:
        raise ProtocolFault(f"{device} answered {operation} with an envelope that has nothing in it{_http(status)}")
    if local(first) == "Fault":
        raise _fault(first, device, operation)
    return first


def parse(answer: bytes, device: str, operation: str, *, status: int = 200) -> etree._Element:
    """The Envelope, for those who need its Header too. Raises ProtocolFault as ``read`` does."""
    text = _utf8(answer)
    if not text.startswith((b"<?xml", b"<s:Envelope", b"<SOAP-ENV:Envelope")):
        begins = _BEGINS.search(text, 0, _LOOKED_AT)
        if begins is None:
            raise ProtocolFault(f"{device} answered {operation} with {_described(text)}{_http(status)}")
        text = text[begins.start() :]
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ProtocolFault(f"{device} answered {operation} with {_described_doctype(text)}{_http(status)}")
    try:
        root = _READER.read(text)
    except etree.XMLSyntaxError as error:
        raise ProtocolFault(f"{device} answered {operation} with XML that cannot be read{_http(status)}") from error
    if root is None or local(root) != "Envelope":
        raise ProtocolFault(f"{device} answered {operation} with XML that is no SOAP envelope{_http(status)}")
    return root


def local(element: etree._Element) -> str:
    """An element's local name, also where its prefix was never declared ("tad:Service" → "Service")."""
    tag = element.tag
    name = tag[tag.rfind("}") + 1 :] if isinstance(tag, str) else ""
    return name[name.rfind(":") + 1 :]


def child(element: etree._Element, name: str) -> etree._Element | None:
    """The first child of that local name."""
    return next(children(element, name), None)


def children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """The children of that local name, in the order they came."""
    return (found for found in element if local(found) == name)


def find(element: etree._Element, path: str) -> etree._Element | None:
    """The first element at a path of local names, such as "TimeZone/TZ"; like the rest of them, blind to namespaces."""
    return next(find_all(element, path), None)


def find_all(element: etree._Element, path: str) -> Iterator[etree._Element]:
    """Every element at a path of local names."""
    first, _, rest = path.partition("/")
    for found in children(element, first):
        if rest:
            yield from find_all(found, rest)
        else:
            yield found


def descendant(element: etree._Element, name: str) -> etree._Element | None:
    """The first element of that local name anywhere below."""
    return next((found for found in element.iter(etree.Element) if local(found) == name and found is not element), None)


def text(element: etree._Element, path: str) -> str | None:
    """What stands in the first element at a path, without the white space around it; None where nothing does."""
    found = find(element, path)
    return (found.text or "").strip() or None if found is not None else None


def attribute(element: etree._Element, name: str) -> str | None:
    """An attribute by its local name."""
    value = element.get(name)
    if value is None:
        # Their names alone: to read each value, as attrib.items() does, costs the square of their number.
        names: Any = element.keys()
        meant = next((key for key in names if key[key.rfind("}") + 1 :].rpartition(":")[2] == name), None)
        value = None if meant is None else element.get(meant)
    return value


def escape(value: str) -> bytes:
    """Text as it may stand in an element or an attribute; what XML 1.0 §2.2 does not allow at all is left out."""
    allowed = "".join(
        c for c in value if c in "\t\n\r" or "\x20" <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )
    for plain, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        allowed = allowed.replace(plain, written)
    return allowed.encode()


def _elements(parent: etree._Element) -> Iterator[etree._Element]:
    return (found for found in parent if isinstance(found.tag, str))


def _utf8(answer: bytes) -> bytes:
    """The answer as UTF-8, whatever it says it is."""
    if answer.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in answer[:4]:
        return _from_utf16(answer)
    try:
        answer.decode()
    except UnicodeDecodeError:
        answer = _from_national(answer)
    return answer.lstrip(b"\xef\xbb\xbf \t\r\n")


def _from_utf16(answer: bytes) -> bytes:
    little = answer.startswith(b"\xff\xfe") or answer[1:2] == b"\0"
    decoded = answer.decode("utf-16-le" if little else "utf-16-be", "replace")
    return decoded.lstrip("\ufeff\0 \t\r\n").encode("utf-8", "replace")


def _from_national(answer: bytes) -> bytes:
    """GBK under any declaration, Latin-1 where declared, or UTF-8 of which a character was cut in two."""
    declared = _DECLARED.search(answer, 0, 200)
    if declared and declared[1].lower() in _WESTERN:
        return answer.decode("windows-1252", "replace").encode()
    as_utf8 = answer.decode("utf-8", "replace")
    foreign = _ASCII.sub("", as_utf8)
    broken = foreign.count("\ufffd")
    # Two bytes of GBK are often a two-byte character of UTF-8 by chance, hardly ever a part of a longer one.
    narrow = sum(c < "\u0800" for c in foreign)
    wide = len(foreign) - broken - narrow
    as_gbk = answer.decode("gb18030", "replace")
    return (as_utf8 if wide + narrow / 4 > broken or as_gbk.count("\ufffd") > broken else as_gbk).encode()


def _described(answer: bytes) -> str:
    start = answer[:_LOOKED_AT]
    if not start.strip():
        return "nothing"
    if _WEB_PAGE.search(start):
        return "a log-in page" if _LOGIN_PAGE.search(start) else "a web page"
    words = printable(start[:400].decode("utf-8", "replace"), 60)
    return f"something that is no SOAP: {words!r}" if words else "something that is no SOAP"


def _described_doctype(text: bytes) -> str:
    page = _WEB_PAGE.search(text[:_LOOKED_AT])
    return _described(text) if page else "a document type, which SOAP forbids (SOAP 1.2 part 1 §5)"


def _http(status: int) -> str:
    return "" if status == 200 else f" (HTTP {status})"


def _body_alone(answer: bytes) -> etree._Element | None:
    """The Body of an Envelope whose own start tag is so broken that its children are lost with it."""
    text = _utf8(answer)
    begins = _BODY.search(text, 0, _LOOKED_AT)
    if begins is None:
        return None
    try:
        return _READER.read(text[begins.start() :])
    except etree.XMLSyntaxError:
        return None


def _fault(fault: etree._Element, device: str, operation: str) -> OnvifFault:
    """SOAP 1.2 Code/Subcode/Reason, or SOAP 1.1 faultcode/faultstring."""
    subcodes: list[str] = []
    code = text(fault, "Code/Value") or text(fault, "faultcode") or ""
    level = find(fault, "Code/Subcode")
    while level is not None and len(subcodes) < _MAX_SUBCODES:
        subcodes.append(_name(text(level, "Value") or ""))
        level = child(level, "Subcode")
    detail = child(fault, "Detail")
    if detail is not None:
        names = (local(element) for element in _elements(detail))
        faults = (printable(name, 60) for name in names if name.endswith("Fault") and name != "Fault")
        subcodes += islice(faults, _MAX_SUBCODES)
    reason = text(fault, "Reason/Text") or text(fault, "faultstring") or text(fault, "Detail/Text") or ""
    return OnvifFault(
        device,
        operation,
        code=_name(code),
        subcodes=tuple(name for name in subcodes if name),
        reason=printable(reason),
    )


def _name(qname: str) -> str:
    return printable(qname.rpartition(":")[2], 60)
