"""A real RTSP server nobody here wrote: GstRtspServer with a moving test picture. Run by the system's Python.

    /usr/bin/python3 tests/peers/gst_server.py --port 0 --auth digest --user viewer --password-stdin
    /usr/bin/python3 tests/peers/gst_server.py --lower udp --codec h265 --certificate cert-and-key.pem

Prints ``ready rtsp://127.0.0.1:PORT/stream`` once it listens. Ends by SIGTERM, or when whoever started it has died.
"""

import argparse
import os
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PATH = "/stream"
ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} bitrate={bitrate} ! rtph264pay",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} bitrate={bitrate} ! rtph265pay",
    "jpeg": "jpegenc ! rtpjpegpay",
}
LOWER = {
    "both": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP,
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", default="0", help="0: a free one")
    parser.add_argument("--auth", choices=("none", "basic", "digest"), default="none")
    parser.add_argument("--user", default="viewer")
    parser.add_argument("--password-stdin", action="store_true", help="the first line of standard input")
    parser.add_argument("--password-file")
    parser.add_argument("--lower", choices=("both", "tcp", "udp"), default="both", help="what RTP may travel by")
    parser.add_argument("--codec", choices=tuple(ENCODERS), default="h264")
    parser.add_argument("--certificate", help="PEM with certificate and key: then it speaks RTSP over TLS only")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--gop", type=int, default=25, help="frames from keyframe to keyframe")
    parser.add_argument("--bitrate", type=int, default=512, help="kbit/s")
    return parser.parse_args()


def password(options: argparse.Namespace) -> str:
    if options.password_file:
        with open(options.password_file, encoding="utf-8") as file:
            return file.read().strip()
    return sys.stdin.readline().rstrip("\n") if options.password_stdin else ""


def launch_line(options: argparse.Namespace) -> str:
    encoder = ENCODERS[options.codec].format(gop=options.gop, bitrate=options.bitrate)
    return (
        f"( videotestsrc is-live=true pattern=ball "
        f"! video/x-raw,format=I420,width={options.width},height={options.height},framerate={options.fps}/1 "
        f"! {encoder} name=pay0 pt={26 if options.codec == 'jpeg' else 96} )"
    )


def authentication(method: str, user: str, secret: str) -> GstRtspServer.RTSPAuth:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    if method == "none":
        auth.set_default_token(token)
    elif method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, secret, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, secret), token)
    return auth


def main() -> None:
    options = arguments()
    secret = password(options)
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch_line(options))
    factory.set_shared(True)
    factory.set_protocols(LOWER[options.lower])
    auth = authentication(options.auth, options.user, secret)
    if options.certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.certificate))
    if options.certificate or options.auth != "none":
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
        permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(PATH, factory)
    loop = GLib.MainLoop()
    if not server.attach(None):
        sys.exit(f"cannot listen on 127.0.0.1:{options.port}")
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    GLib.timeout_add_seconds(1, end_if_orphaned, loop, os.getppid())
    scheme = "rtsps" if options.certificate else "rtsp"
    print(f"ready {scheme}://127.0.0.1:{server.get_bound_port()}{PATH}", flush=True)
    loop.run()


def end_if_orphaned(loop: GLib.MainLoop, parent: int) -> bool:
    """A test run that was killed leaves no server behind."""
    if os.getppid() != parent:
        loop.quit()
    return True


if __name__ == "__main__":
    main()
