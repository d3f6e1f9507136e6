"""Who has which address and name in the pocket internet.

All of these addresses live on the router namespace of a bed; whoever builds
that namespace configures `ALL`, the services only bind to them.
"""

FRONT_V4 = "198.51.100.80"
FRONT_V6 = "2001:db8:51::80"

LINODE_NAME_SERVERS = {f"ns{n}.linode.com": f"198.51.100.{n}" for n in range(1, 6)}

OTHER_PROVIDER = "ns1.other-dns.net"
OTHER_PROVIDER_V4 = "198.51.100.6"

#: One server plays the root and every top-level domain.
TLD_SERVER_V4 = "198.51.100.53"
ROOT_SERVER = "a.root-servers.net"
TLD_SERVER = "a.gtld-servers.net"

#: The recursor has one cache for each of these: they are different places.
RECURSOR_MACHINE = "203.0.113.1"
RECURSOR_CLIENT = "198.18.0.1"
#: Resolver of the certificate authority, without a cache, on rtr's loopback.
RECURSOR_ACME = "127.0.0.53"

METADATA_V4 = "169.254.169.254"
METADATA_V6 = "fd00:a9fe:a9fe::1"

MACHINE_V4 = "203.0.113.10"
MACHINE_V6 = "2001:db8:88::10"
MACHINE_NETWORKS = ("203.0.113.0/24", "2001:db8:88::/64")

#: The mail relay; the first two of its names are in its certificate.
RELAY_V4 = "198.51.100.25"
RELAY = "smtp.relay-test.org"
POSTMARK = "smtp.postmarkapp.com"
MISNAMED_RELAY = "smtp.misnamed-test.org"

API = "api.linode.com"
ACME = "acme-v02.api.letsencrypt.org"
ACME_STAGING = "acme-staging-v02.api.letsencrypt.org"
GHCR = "ghcr.io"
DOCKER_HUB = "registry-1.docker.io"
DOCKER_AUTH = "auth.docker.io"
DOCKER_APT = "download.docker.com"
RELEASES = "get.tootstrap.example"

FRONT_NAMES = (API, ACME, ACME_STAGING, GHCR, DOCKER_HUB, DOCKER_AUTH, DOCKER_APT, RELEASES)

#: The domain that most tests install, delegated to Linode from the start. The front has a web site for the bare domain, to which a zone's
#: A record may lead.
TEST_DOMAIN = "fedi-test.org"

#: What the front's certificate is for.
CERTIFIED_NAMES = (*FRONT_NAMES, TEST_DOMAIN, RELAY, POSTMARK)

#: Addresses with prefix that the services bind to.
ALL = (
    f"{FRONT_V4}/24",
    f"{FRONT_V6}/64",
    *(f"{address}/24" for address in LINODE_NAME_SERVERS.values()),
    f"{OTHER_PROVIDER_V4}/24",
    f"{RELAY_V4}/24",
    f"{TLD_SERVER_V4}/24",
    f"{METADATA_V4}/32",
    f"{METADATA_V6}/128",
    f"{RECURSOR_MACHINE}/24",
    f"{RECURSOR_CLIENT}/24",
)
