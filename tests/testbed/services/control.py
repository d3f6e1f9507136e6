"""The tests' side of the control socket."""

import http.client
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .dns.publication import ServerFault
from .dns.zone import Rr
from .front.faults import HostFault
from .linode.faults import ApiFault
from .linode.tokens import Token
from .metadata import Instance


class ControlError(Exception):
    """A call that the services refused, with their reason."""


class Control:
    """The running services of one bed; `socket_path` is RUN_DIR/control.sock."""

    def __init__(self, socket_path: str | Path) -> None:
        self._path = str(socket_path)

    @classmethod
    def of_bed(cls, name: str = "tb") -> "Control":
        """The services of the bed with that name."""
        return cls(Path("/run/tootstrap-bed") / name / "control.sock")

    def reset(self) -> None:
        """Everything as at the start: no zones at Linode, the default token, no faults, empty logs and caches."""
        self._call("reset")

    def pebble_root(self) -> str:
        """The root certificate of Pebble in PEM; it changes at each start of the services."""
        return self._call("pebble_root")

    # Linode's API ------------------------------------------------------------

    def set_tokens(self, *tokens: Token, refusal_status: int = 401) -> None:
        """The only valid tokens; `refusal_status` (401, 403): the answer to a missing scope."""
        self._call("set_tokens", tokens=[asdict(token) for token in tokens], refusal_status=refusal_status)

    def domains(self) -> list[dict]:
        """All domains of the account, as the API shows them."""
        return self._call("domains")

    def records(self, zone: str) -> list[dict]:
        """All records of a zone, as the API shows them."""
        return self._call("records", zone=zone)

    def put_zone(self, name: str, records: Sequence[dict] = (), **fields: Any) -> dict:
        """Makes or replaces a zone, with records as POST takes them; `fields` are those of a domain."""
        domain = {"domain": name, "type": "master", "soa_email": f"hostmaster@{name}", "ttl_sec": 300} | fields
        return self._call("put_zone", domain=domain, records=list(records))

    def delete_zone(self, zone: str) -> None:
        """Removes a zone with its records."""
        self._call("delete_zone", zone=zone)

    def set_record(self, zone: str, name: str, type: str, target: str, **fields: Any) -> dict:
        """The only record of that name ("": apex) and type from now on."""
        return self._call("set_record", zone=zone, record={"name": name, "type": type, "target": target} | fields)

    def add_record(self, zone: str, name: str, type: str, target: str, **fields: Any) -> dict:
        """One more record."""
        return self._call("add_record", zone=zone, record={"name": name, "type": type, "target": target} | fields)

    def delete_records(self, zone: str, name: str, type: str) -> None:
        """Removes every record of that name and type."""
        self._call("delete_records", zone=zone, name=name, type=type)

    def put_zone_elsewhere(self, name: str, records: Sequence[Rr] = ()) -> None:
        """A zone that another account holds: served by Linode, invisible in ours, refused when created."""
        self._call("put_zone_elsewhere", name=name, records=[asdict(record) for record in records])

    def add_api_fault(self, fault: ApiFault) -> None:
        """Trouble with the API; several faults may be set, the first that matches counts."""
        self._call("add_api_fault", fault=asdict(fault))

    def clear_api_faults(self) -> None:
        """The API works again."""
        self._call("clear_api_faults")

    def api_requests(self) -> list[dict]:
        """The request log: time, caller, method, path, query, filter, user_agent, token
        (a fingerprint), body (parsed), status, fault."""
        return self._call("api_requests")

    def clear_api_requests(self) -> None:
        """Empties the request log."""
        self._call("clear_api_requests")

    # Publication at ns1…ns5.linode.com -----------------------------------------

    def set_publication_delay(self, seconds: float | None) -> None:
        """Seconds from a change at the API to the name servers; None: never."""
        self._call("set_publication_delay", seconds=seconds)

    def set_account_active(self, active: bool) -> None:
        """False: the account has no active Linode, so its zones are not served."""
        self._call("set_account_active", active=active)

    def set_name_server_fault(self, server: str, fault: ServerFault) -> None:
        """Makes one of ns1…ns5.linode.com deviate: stale, late, flapping, silent, failing."""
        self._call("set_name_server_fault", server=server, fault=asdict(fault))

    def clear_name_server_faults(self) -> None:
        """All five answer alike again."""
        self._call("clear_name_server_faults")

    # The rest of the DNS ---------------------------------------------------------

    def delegate(self, zone: str, servers: Sequence[str], ds: bool = False) -> None:
        """The zone's name servers at its parent; `ds`: a DS record is left over there."""
        self._call("delegate", zone=zone, servers=list(servers), ds=ds)

    def undelegate(self, zone: str) -> None:
        """The zone is not registered: NXDOMAIN from its parent."""
        self._call("undelegate", zone=zone)

    def put_other_zone(self, name: str, records: Sequence[Rr]) -> None:
        """Makes or replaces a zone at ns1.other-dns.net; delegating it is another call."""
        self._call("put_other_zone", name=name, records=[asdict(record) for record in records])

    def remove_other_zone(self, name: str) -> None:
        """Drops a zone at ns1.other-dns.net."""
        self._call("remove_other_zone", name=name)

    def override_name(self, name: str, fate: str | None) -> None:
        """What the recursors do with exactly this name: servfail, nxdomain, refused, silent; None: as usual."""
        self._call("override_name", name=name, fate=fate)

    def interpose(self, name: str, instead: Mapping[str, str] | None = None) -> None:
        """A real server's plain HTTP, for instance that of a Debian mirror, goes through the front from now on (until `reset`), so that
        `HostFault` reaches it. `instead`: a directory for each path whose files come from there instead."""
        self._call("interpose", name=name, instead=dict(instead or {}))

    def move_host(self, name: str, type: str, target: str | None) -> None:
        """One of the front's names has this address of the type (A, AAAA) from now on, where perhaps nobody answers; None: the front's."""
        self._call("move_host", name=name, type=type, target=target)

    def flush_caches(self) -> None:
        """The recursors forget their answers."""
        self._call("flush_caches")

    def dns_queries(self) -> list[dict]:
        """The query log of all servers: time, server, client, name, type, tcp, rcode."""
        return self._call("dns_queries")

    def clear_dns_queries(self) -> None:
        """Empties the query log."""
        self._call("clear_dns_queries")

    # The mail relay ------------------------------------------------------------------

    def mail(self) -> list[dict]:
        """What the relay took, oldest first: from and to of the envelope, headers (names in lower case), body."""
        return self._call("mail")

    def block_mail(self, ports: Sequence[int]) -> None:
        """Packets to these ports of the relay, and to no others, are lost from now on."""
        self._call("block_mail", ports=list(ports))

    # The front, the metadata service ----------------------------------------------

    def add_host_fault(self, fault: HostFault) -> None:
        """Trouble with a name of the front; the first fault that matches a request counts."""
        self._call("add_host_fault", fault=asdict(fault))

    def clear_host_faults(self, host: str | None = None) -> None:
        """One name, or all, work again."""
        self._call("clear_host_faults", host=host)

    def front_requests(self) -> list[dict]:
        """What the front was asked: time, caller, method, host, path with query, range, status, fault (bool)."""
        return self._call("front_requests")

    def clear_front_requests(self) -> None:
        """Empties that log."""
        self._call("clear_front_requests")

    def set_webfinger_redirect(self, site: str | None) -> None:
        """The web site on the test domain sends questions about handles to that host; None: it does not know them."""
        self._call("set_webfinger_redirect", site=site)

    def set_metadata(self, instance: Instance) -> None:
        """What the metadata service says from now on."""
        self._call("set_metadata", instance=asdict(instance))

    def _call(self, method: str, **arguments: Any) -> Any:
        connection = _UnixConnection(self._path)
        try:
            connection.request("POST", f"/{method}", body=json.dumps(arguments))
            reply = connection.getresponse()
            value = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != 200:
            raise ControlError(f"{method}: {value}")
        return value


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
