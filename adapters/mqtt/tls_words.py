"""What a broker's TLS says of our certificate, in words. Pure.

The names are OpenSSL's of the alerts of RFC 8446 §6.2; Mosquitto sends those that OpenSSL chooses.
"""

from gateway.settings import ClientTls

_RENEW = "gateway pki rotate makes the next"
_WORDS = {
    "UNKNOWN_CA": "is of an authority that it does not know; its cafile has to hold ours (gateway pki: ca.crt)",
    "CERTIFICATE_EXPIRED": f"has ended; {_RENEW}",
    "CERTIFICATE_REVOKED": f"is revoked; {_RENEW}",
    "BAD_CERTIFICATE": "is not taken; is it made for clients, and by the broker's authority?",
    "CERTIFICATE_UNKNOWN": "is not taken; is it made for clients, and by the broker's authority?",
    "UNSUPPORTED_CERTIFICATE": "is not taken; is it made for clients?",
}
_WANTED = "it wants a certificate of ours: give tls.certificate and tls.key (gateway pki node gateway)"


def refusal(reason: str | None, tls: ClientTls | None) -> str | None:
    """``reason``: ``ssl.SSLError.reason``. None where it is no word about our certificate."""
    alert = (reason or "").partition("_ALERT_")[2]
    if alert == "CERTIFICATE_REQUIRED" or (alert == "HANDSHAKE_FAILURE" and _own(tls) is None):
        return _WANTED
    words = _WORDS.get(alert)
    if words is None:
        return None
    return f"our certificate ({_own(tls) or 'none is configured'}) {words}"


def silence(tls: ClientTls | None) -> str:
    """It closed a TLS connection before it answered, without a word that reached us."""
    own = _own(tls)
    if own is None:
        return f"closed the TLS connection before it answered; probably {_WANTED}"
    return (
        "closed the TLS connection before it answered; probably it does not take our certificate "
        f"({own}): is it of the broker's authority, not ended and not revoked? gateway pki list shows it"
    )


def _own(tls: ClientTls | None) -> str | None:
    return None if tls is None or tls.certificate is None else str(tls.certificate)
