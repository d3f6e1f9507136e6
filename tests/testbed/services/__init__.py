"""The machine's internet: Linode's API and name servers, the rest of the DNS,
the metadata service, a certificate authority, registries, the release host.

    ip netns exec tb-rtr /usr/bin/python3 -m testbed.services --bed tb --run-dir DIR --dist DIR

starts everything; `Control` steers it from any namespace.
"""

from .control import Control, ControlError
from .dns.publication import ServerFault
from .dns.zone import Rr
from .front.faults import HostFault
from .linode.faults import ApiFault
from .linode.tokens import DEFAULT_TOKEN, Token
from .metadata import Instance

__all__ = [
    "DEFAULT_TOKEN",
    "ApiFault",
    "Control",
    "ControlError",
    "HostFault",
    "Instance",
    "Rr",
    "ServerFault",
    "Token",
]
