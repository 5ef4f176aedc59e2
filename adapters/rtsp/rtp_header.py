"""The header of an RTP packet (RFC 3550 §5.1)."""

PLAIN_RTP = 0x80
"""First byte of nearly all packets: version 2, no padding, no extension, no CSRC. Their payload begins at byte 12."""


def payload_bounds(view: memoryview, start: int, end: int) -> tuple[int, int] | None:
    """Where the payload of an RTP packet begins and ends; None if it has none or is no RTP."""
    if end - start < 13 or view[start] & 0xC0 != 0x80:
        return None
    first = view[start]
    begin = start + 12 + (first & 0x0F) * 4
    if first & 0x10:
        if begin + 4 > end:
            return None
        begin += 4 + (view[begin + 2] << 8 | view[begin + 3]) * 4
    if first & 0x20:
        end -= view[end - 1]
    return (begin, end) if begin < end else None
