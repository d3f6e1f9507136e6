"""What the control socket can do: one method a call, JSON values in and out."""

import inspect
from pathlib import Path
from typing import Any

from . import internet
from .dns.publication import NEVER, ServerFault
from .dns.zone import Rr, normal
from .front.faults import HostFault
from .internet import Internet
from .linode.faults import ApiFault
from .linode.tokens import Token
from .metadata import Instance

RCODES = ("servfail", "nxdomain", "refused", "silent")


class Calls:
    """Every public method is a call of `testbed.services.Control`, documented there."""

    def __init__(self, world: Internet) -> None:
        self._world = world

    def run(self, method: str, arguments: dict[str, Any]) -> Any:
        """Carries out one call; unknown names and arguments are errors."""
        function = getattr(self, method, None)
        if method.startswith("_") or method == "run" or not inspect.ismethod(function):
            raise LookupError(f"no call {method!r}")
        return function(**arguments)

    def reset(self) -> None:
        self._world.reset()

    def pebble_root(self) -> str:
        return internet.pebble_root()

    def set_tokens(self, tokens: list[dict], refusal_status: int) -> None:
        self._world.api.tokens.replace([Token(**_with_tuple(token, "read_only")) for token in tokens])
        self._world.api.tokens.refusal_status = refusal_status

    def domains(self) -> list[dict]:
        return self._world.api.store.domains()

    def records(self, zone: str) -> list[dict]:
        return self._world.api.store.records(self._domain_id(zone))

    def put_zone(self, domain: dict, records: list[dict]) -> dict:
        return self._world.api.store.put_zone(domain, records)

    def delete_zone(self, zone: str) -> None:
        self._world.api.store.delete_domain(self._domain_id(zone))

    def set_record(self, zone: str, record: dict) -> dict:
        store, zone_id = self._world.api.store, self._domain_id(zone)
        with store.lock:
            same = self._same(zone_id, record["name"], record["type"])
            if not same:
                return store.create_record(zone_id, record)
            for other in same[1:]:
                store.delete_record(zone_id, other["id"])
            return store.update_record(zone_id, same[0]["id"], record)

    def add_record(self, zone: str, record: dict) -> dict:
        return self._world.api.store.create_record(self._domain_id(zone), record)

    def delete_records(self, zone: str, name: str, type: str) -> None:
        store, zone_id = self._world.api.store, self._domain_id(zone)
        with store.lock:
            for record in self._same(zone_id, name, type):
                store.delete_record(zone_id, record["id"])

    def put_zone_elsewhere(self, name: str, records: list[dict]) -> None:
        self._world.api.store.put_elsewhere(name, [Rr(**record) for record in records])

    def add_api_fault(self, fault: dict) -> None:
        self._world.api.faults.add(ApiFault(**fault))

    def clear_api_faults(self) -> None:
        self._world.api.faults.clear()

    def api_requests(self) -> list[dict]:
        return self._world.api.requests()

    def clear_api_requests(self) -> None:
        self._world.api.forget_requests()

    def set_publication_delay(self, seconds: float | None) -> None:
        self._world.publication.set_delay(NEVER if seconds is None else seconds)

    def set_account_active(self, active: bool) -> None:
        self._world.publication.set_account_active(active)

    def set_name_server_fault(self, server: str, fault: dict) -> None:
        self._world.publication.set_fault(server, ServerFault(**fault))

    def clear_name_server_faults(self) -> None:
        self._world.publication.clear_faults()

    def delegate(self, zone: str, servers: list[str], ds: bool) -> None:
        self._world.registrars.delegate(zone, servers, ds)

    def undelegate(self, zone: str) -> None:
        self._world.registrars.undelegate(zone)

    def put_other_zone(self, name: str, records: list[dict]) -> None:
        self._world.other.put(name, [Rr(**record) for record in records])

    def remove_other_zone(self, name: str) -> None:
        self._world.other.remove(name)

    def override_name(self, name: str, fate: str | None) -> None:
        if fate is not None and fate not in RCODES:
            raise ValueError(f"fate {fate!r}: one of {RCODES}")
        for recursor in self._world.recursors.values():
            if fate is None:
                recursor.overrides.pop(normal(name), None)
            else:
                recursor.overrides[normal(name)] = fate

    def interpose(self, name: str, instead: dict[str, str]) -> None:
        self._world.interpose(normal(name), {prefix: Path(directory) for prefix, directory in instead.items()})

    def move_host(self, name: str, type: str, target: str | None) -> None:
        for recursor in self._world.recursors.values():
            if target is None:
                recursor.moved.pop((normal(name), type), None)
            else:
                recursor.moved[normal(name), type] = target

    def flush_caches(self) -> None:
        self._world.flush_caches()

    def dns_queries(self) -> list[dict]:
        return self._world.queries.lines()

    def clear_dns_queries(self) -> None:
        self._world.queries.clear()

    def add_host_fault(self, fault: dict) -> None:
        front = self._world.front
        if fault["host"] not in front.backends and fault["host"] not in front.plain:
            raise ValueError(f"the front does not serve {fault['host']!r}")
        self._world.front.faults.add(HostFault(**fault))

    def clear_host_faults(self, host: str | None) -> None:
        self._world.front.faults.clear(host)

    def front_requests(self) -> list[dict]:
        return list(self._world.front.requests)

    def clear_front_requests(self) -> None:
        self._world.front.requests.clear()

    def set_webfinger_redirect(self, site: str | None) -> None:
        self._world.website.webfinger_site = site

    def mail(self) -> list[dict]:
        return self._world.relay.messages()

    def block_mail(self, ports: list[int]) -> None:
        self._world.relay.block(ports)

    def set_metadata(self, instance: dict) -> None:
        self._world.metadata.instance = Instance(**_with_tuple(instance, "ssh_keys"))

    def _same(self, zone_id: int, name: str, type: str) -> list[dict]:
        records = self._world.api.store.records(zone_id)
        return [record for record in records if normal(record["name"]) == normal(name) and record["type"] == type]

    def _domain_id(self, zone: str) -> int:
        for domain in self._world.api.store.domains():
            if normal(domain["domain"]) == normal(zone):
                return domain["id"]
        raise LookupError(f"the account has no zone {zone!r}")


def _with_tuple(values: dict[str, Any], key: str) -> dict[str, Any]:
    """JSON has lists only; our frozen dataclasses hold tuples."""
    return {**values, key: tuple(values[key])}
