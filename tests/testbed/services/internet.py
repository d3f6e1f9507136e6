"""All services of one bed, put together."""

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import addresses, processes
from .dns.publication import Publication
from .dns.recursor import Recursor, Upstream
from .dns.server import NameServer, QueryLog, Responder
from .dns.world import OtherProvider, Registrars, mail_zones
from .dns.zone import Rr, normal
from .front.acme import CaaChecked
from .front.backends import Directory, Forward, Proxy
from .front.registries import GuardedRegistry, TokenRealm, Tokens
from .front.server import Front
from .front.website import Website
from .linode.api import LinodeApi
from .metadata import Metadata
from .relay import Relay


@dataclass(frozen=True)
class Sources:
    """What is served: certificate, release files, apt repository, registry storage, upstream resolver."""

    chain: Path
    key: Path
    dist: Path
    docker_repository: Path
    registry: Path
    upstream: Upstream


class Internet:
    """The services in this process; `running` adds Pebble and the registry."""

    def __init__(self, sources: Sources, run_dir: Path) -> None:
        self._sources, self._run_dir = sources, run_dir
        self.queries = QueryLog()
        self.publication = Publication()
        self.registrars, self.other = Registrars(), OtherProvider()
        self.api = LinodeApi(self.publication)
        self.recursors = {
            addresses.RECURSOR_MACHINE: Recursor(self.registrars, sources.upstream),
            addresses.RECURSOR_CLIENT: Recursor(self.registrars, sources.upstream),
            addresses.RECURSOR_ACME: Recursor(self.registrars, sources.upstream, caching=False),
        }
        self._name_servers = self._bind_dns()
        self.metadata = Metadata()
        self.website = Website()
        self.relay = Relay(sources.chain, sources.key, run_dir / "mail")
        listen = [addresses.FRONT_V4, addresses.FRONT_V6]
        self.front = Front(listen, str(sources.chain), str(sources.key), self._backends())
        self.reset()

    @contextmanager
    def running(self) -> Iterator[list[processes.Process]]:
        """Everything answers within the `with` block."""
        for name_server in self._name_servers:
            name_server.start()
        self.metadata.start()
        self.front.start()
        self.relay.start()
        with ExitStack() as children:
            registry = processes.registry(self._sources.registry, self._run_dir)
            children.callback(registry.stop)
            pebble = processes.pebble(self._sources.chain, self._sources.key, self._run_dir)
            children.callback(pebble.stop)
            registry.wait_for_port(processes.REGISTRY_PORT)
            pebble.wait_for_port(processes.PEBBLE_PORT)
            pebble.wait_for_port(processes.PEBBLE_MANAGEMENT_PORT)
            yield [registry, pebble]

    def reset(self) -> None:
        """The world as it is at the start: no zones at Linode, the test domain delegated there."""
        self.api.reset()
        self.publication.reset()
        self.front.faults.clear()
        self.front.plain.clear()
        self.front.requests.clear()
        self.metadata.reset()
        self.website.webfinger_site = None
        self.relay.reset()
        self.registrars.reset()
        self.registrars.delegate(addresses.TEST_DOMAIN, addresses.LINODE_NAME_SERVERS)
        self.other.reset()
        for name, records in mail_zones().items():
            self.registrars.delegate(name, [addresses.OTHER_PROVIDER])
            self.other.put(name, records)
        for recursor in self.recursors.values():
            recursor.reset()
        self.queries.clear()

    def interpose(self, name: str, instead: Mapping[str, Path]) -> None:
        """A real server's name leads to the front, which passes its plain HTTP requests on."""
        forward = Forward(name, self.recursors[addresses.RECURSOR_ACME].real_address, instead)
        self.front.plain[name] = forward
        for recursor in self.recursors.values():
            recursor.interposed.add(name)

    def flush_caches(self) -> None:
        """All recursors forget their answers."""
        for recursor in self.recursors.values():
            recursor.flush()

    def _bind_dns(self) -> list[NameServer]:
        at: list[tuple[str, str, Responder]]
        at = [(name, address, self.publication.respond) for name, address in addresses.LINODE_NAME_SERVERS.items()]
        at.append((addresses.OTHER_PROVIDER, addresses.OTHER_PROVIDER_V4, self.other.respond))
        at.append((addresses.TLD_SERVER, addresses.TLD_SERVER_V4, self.registrars.respond))
        at += [(f"recursor {address}", address, recursor.respond) for address, recursor in self.recursors.items()]
        return [NameServer(name, address, respond, self.queries) for name, address, respond in at]

    def _caa(self, name: str) -> list[Rr]:
        """CAA records of this name, without those at the end of an alias."""
        answers = self.recursors[addresses.RECURSOR_ACME].resolve(name, "CAA").answers
        return [rr for rr in answers if rr.type == "CAA" and normal(rr.name) == name]

    def _backends(self) -> dict:
        registry, tokens = Proxy(processes.REGISTRY_PORT), Tokens()
        pebble = Proxy(processes.PEBBLE_PORT, tls=True, rewrite={"/directory": "/dir"})
        acme = CaaChecked(pebble, self._caa)
        return {
            addresses.API: self.api,
            addresses.ACME: acme,
            addresses.ACME_STAGING: acme,
            addresses.GHCR: GuardedRegistry(addresses.GHCR, registry, tokens),
            addresses.DOCKER_HUB: GuardedRegistry(addresses.DOCKER_HUB, registry, tokens),
            addresses.DOCKER_AUTH: TokenRealm(tokens),
            addresses.DOCKER_APT: Directory(self._sources.docker_repository),
            addresses.RELEASES: Directory(self._sources.dist),
            addresses.TEST_DOMAIN: self.website,
        }


def pebble_root() -> str:
    """Pebble's root certificate in PEM; it is new at each start."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", processes.PEBBLE_MANAGEMENT_PORT, context=context)
    connection.request("GET", "/roots/0")
    reply = connection.getresponse()
    body = reply.read().decode()
    connection.close()
    if reply.status != 200:
        raise RuntimeError(f"Pebble's management port answers {reply.status}: {body[:200]}")
    return body


def host_resolver(resolv_conf: Path = Path("/etc/resolv.conf")) -> str:
    """The address of the host's first name server."""
    for line in resolv_conf.read_text().splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            return words[1]
    raise ValueError(f"{resolv_conf} names no name server")


