"""Whether the node in this container answers: exit code 0 or 1. The address is GATEWAY_HEALTH, else the usual one."""

import os
import sys
import urllib.request

ADDRESS = os.environ.get("GATEWAY_HEALTH", "http://127.0.0.1:8080/livez")

try:
    with urllib.request.urlopen(ADDRESS, timeout=4) as answer:  # noqa: S310 - the container's own setting
        sys.exit(0 if answer.status == 200 else 1)
except OSError as fault:
    sys.exit(f"{ADDRESS}: {fault}")
