"""The edge under faults: taking the certificate away, and who issued what."""

from __future__ import annotations

import time

from recovery import until
from testbed import layout as where
from testbed.bed import Bed
from testbed.services import addresses

#: Pebble's path for a new order.
NEW_ORDER = "/order-plz"
STORE = "/opt/mastodon/caddy/data"
#: Caddy tries again after 60 s, then after 120 s (certmagic's back-off), each with some seconds of work.
HEALS_WITHIN = 420.0


def without_certificate(bed: Bed) -> None:
    """As if none had ever been issued; Caddy is stopped until it is started again."""
    bed.machine.run(["docker", "stop", "--time", "3", "mastodon-caddy-1"])
    bed.machine.sh(f"rm -rf {STORE}/caddy")


def start_caddy(bed: Bed) -> None:
    bed.machine.run(["docker", "start", "mastodon-caddy-1"])


def answers(bed: Bed) -> bool:
    """The client gets the site with a certificate that it trusts."""
    return bed.client.run(["curl", "-sS", "-m", "10", "-o", "/dev/null", f"https://{where.SITE}/health"], check=False).returncode == 0


def serial(bed: Bed) -> str:
    """Of the certificate that is served."""
    script = f"openssl s_client -connect {where.MACHINE_V4}:443 -servername {where.SITE} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return bed.client.run(["sh", "-c", script]).stdout.strip()


def orders(bed: Bed) -> int:
    """How many certificates the authorities were asked for."""
    return sum(
        request["host"] in (addresses.ACME, addresses.ACME_STAGING) and request["path"] == NEW_ORDER for request in bed.services.control.front_requests()
    )


def comes_by_itself(bed: Bed) -> float:
    """Nobody does anything; seconds until the certificate is there."""
    began = time.monotonic()
    until(lambda: answers(bed), HEALS_WITHIN, "the certificate did not come by itself")
    return time.monotonic() - began
