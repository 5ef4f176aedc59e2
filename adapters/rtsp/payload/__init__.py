"""From RTP packets to access units: the payload formats of H.264 (RFC 6184) and H.265 (RFC 7798)."""
