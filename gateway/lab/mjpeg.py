"""JPEG pictures in RTP (RFC 2435), as cameras of before 2010 send them."""

_MARKER_DQT = 0xDB
_MARKER_SOS = 0xDA
_FRAGMENT = 1392
_TYPE_420 = 1  # baseline, 4:2:0, the tables of RFC 2435 §3.1.3
_Q_IN_BAND = 255  # the quantisation tables come with the picture (§3.1.8)

JPEG_PAYLOAD_TYPE = 26


def jpeg_payloads(picture: bytes, width: int, height: int) -> list[bytes]:
    """The RTP payloads of one JPEG file; width and height are multiples of 8, up to 2040.

    Raises ValueError where the file has no scan.
    """
    tables, scan = _parts(picture)
    payloads = []
    for start in range(0, len(scan), _FRAGMENT):
        head = bytes((0,)) + start.to_bytes(3, "big") + bytes((_TYPE_420, _Q_IN_BAND, width // 8, height // 8))
        if start == 0:
            head += bytes((0, 0)) + len(tables).to_bytes(2, "big") + tables
        payloads.append(head + scan[start : start + _FRAGMENT])
    return payloads


def _parts(picture: bytes) -> tuple[bytes, bytes]:
    """The quantisation tables, and the entropy-coded scan without its end marker (ITU-T T.81 annex B)."""
    tables, at = b"", 2
    while at + 4 <= len(picture):
        marker, end = picture[at + 1], at + 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
        if marker == _MARKER_DQT:
            segment = picture[at + 4 : end]
            tables += b"".join(segment[table + 1 : table + 65] for table in range(0, len(segment), 65))
        if marker == _MARKER_SOS:
            return tables, picture[end:].removesuffix(b"\xff\xd9")
        at = end
    raise ValueError("this is no JPEG file: it has no scan")
