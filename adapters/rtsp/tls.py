"""TLS to a camera (rtsps://): encrypted, and the camera taken at its word.

Cameras come with certificates that they signed themselves, for names that nobody uses, valid since 1970. So what TLS
gives here is that nobody who listens reads the stream or the password; it does not show that the camera is the camera.
"""

import ssl


def any_certificate() -> ssl.SSLContext:
    """A client's context that accepts every certificate, TLS 1.2 or later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Keys of 1,024 bits and SHA-1 signatures are common in cameras, and still better than none.
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    return context
