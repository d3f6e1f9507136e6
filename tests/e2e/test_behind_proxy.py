"""Behind a web server of the operator's: Debian's nginx, which has ports 80 and 443 before Mastodon comes."""

from __future__ import annotations

from pathlib import Path

from product import DONE, STILL_WAITING, Product, Run, environment
from testbed import layout as where
from testbed.bed import Bed
from testbed.checks import HTTP3
from testbed.demo import FORM
from testbed.machine import Machine
from testbed.verify import verify

EXAMPLE = "/opt/mastodon/proxy/nginx.conf"
USED = "/etc/nginx/conf.d/mastodon.conf"

#: A web server with a page of its own, and an ACME client that needs nothing but it.
ARRANGE = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y install --no-install-recommends nginx-light acme-tiny openssl >/dev/null
printf 'server { listen 8443; return 200 mine; }\\nserver { listen 443; return 200 mine; }\\n' >/etc/nginx/conf.d/own.conf
systemctl restart nginx
"""

#: The site's certificate by the challenge that the example's nginx.conf leaves room for.
CERTIFICATE = f"""
mkdir -p /var/www/html/.well-known/acme-challenge /etc/letsencrypt/live/{where.SITE}
cd /etc/letsencrypt/live/{where.SITE}
openssl genrsa -out account.pem 2048 2>/dev/null
openssl genrsa -out privkey.pem 2048 2>/dev/null
openssl req -new -sha256 -key privkey.pem -subj / -addext subjectAltName=DNS:{where.SITE} -out request.pem
acme-tiny --quiet --disable-check --account-key account.pem --csr request.pem --acme-dir /var/www/html/.well-known/acme-challenge >fullchain.pem
"""


def serve(machine: Machine, *without: str) -> None:
    """nginx as the example says, but for lines with these words."""
    lines = machine.get(EXAMPLE).decode().splitlines(keepends=True)
    machine.put(USED, "".join(line for line in lines if not any(word in line for word in without)))
    machine.sh("rm -f /etc/nginx/conf.d/own.conf; nginx -q -t && systemctl reload nginx")


#: What it answers for the instance's own actor, on somebody else's server.
STRANGERS = ("return 401;", 'return 200 \'{"publicKey": {"publicKeyPem": "a stranger"}}\';')


def serve_another(machine: Machine, answer: str) -> None:
    """A server that is well, and is not this one."""
    certificate = f"/etc/letsencrypt/live/{where.SITE}"
    tls = f"ssl_certificate {certificate}/fullchain.pem; ssl_certificate_key {certificate}/privkey.pem;"
    machine.put(USED, f"server {{ listen 443 ssl; listen [::]:443 ssl; {tls} location = /health {{ return 200 OK; }} location / {{ {answer} }} }}\n")
    machine.sh("nginx -q -t && systemctl reload nginx")


def waits_for(run: Run, part: str) -> None:
    assert run.status == STILL_WAITING, run.text[-3000:]
    assert part in " ".join(run.text.split()), run.text[-3000:]


def test_from_a_bare_machine_with_nginx_to_a_good_server(fresh: Bed, dist: Path) -> None:
    machine = fresh.machine
    records = [{"type": kind, "name": where.SUBDOMAIN, "target": to} for kind, to in (("A", where.MACHINE_V4), ("AAAA", where.MACHINE_V6))]
    fresh.services.control.set_publication_delay(0)
    fresh.services.control.put_zone(where.DOMAIN, records)
    machine.boot()
    machine.sh(ARRANGE, timeout=300)
    mine = machine.sh("cat /etc/nginx/nginx.conf /etc/nginx/conf.d/own.conf; systemctl show -p MainPID nginx")

    # Everything is done, but nobody passes it on.
    first = Product.uploaded(machine, dist).plain("install", "--behind-proxy", "--harden", env=environment(FORM))
    waits_for(first, f"your web server to pass on https://{where.SITE} (nothing answers")
    for part in ("---- nginx ----", f"    server_name {where.SITE};", "---- Caddy ----", "\treverse_proxy 127.0.0.1:4000 {"):
        assert part in first.text, first.text[-6000:]
    assert machine.sh("cat /etc/nginx/nginx.conf /etc/nginx/conf.d/own.conf; systemctl show -p MainPID nginx") == mine
    assert "caddy" not in machine.sh("docker ps -a --format '{{.Names}} {{.Image}}'; docker images")
    published = machine.sh("ss -Hltn '( sport = :3000 or sport = :4000 )' | awk '{print $4}'").split()
    assert published and all(address.startswith("127.0.0.1:") for address in published), published

    # Each mistake in its configuration is named.
    product = Product(machine)
    machine.sh(CERTIFICATE, timeout=120)
    serve(machine, "X-Forwarded-Proto")
    waits_for(product.plain("install"), "X-Forwarded-Proto is not set to https, so Mastodon redirects for ever")
    serve(machine, "Host $host")
    waits_for(product.plain("install"), "the name that was asked for is not passed on (the header field Host)")
    serve(machine, "proxy_set_header Upgrade", "proxy_set_header Connection")
    waits_for(product.plain("install"), "WebSockets are not passed on (the header fields Upgrade and Connection)")
    serve(machine, "127.0.0.1:4000")
    waits_for(product.plain("status"), "/api/v1/streaming is not passed on to 127.0.0.1:4000")

    # Somebody else's server is not taken for this one.
    for answer, part in zip(STRANGERS, ("it answers 401 for /actor", "another server than this one answers"), strict=True):
        serve_another(machine, answer)
        waits_for(product.plain("status"), part)

    # A name that the world does not find is missed, though this machine has it in /etc/hosts.
    serve(machine)
    assert where.SITE in machine.sh("cat /etc/hosts")
    fresh.services.control.put_zone(where.DOMAIN, [])
    waits_for(product.plain("status"), f"DNS has no address for {where.SITE}")
    fresh.services.control.put_zone(where.DOMAIN, records)

    # As the example says it is right; also the clients' own addresses arrive.
    serve(machine)
    done = product.install(token=None)
    assert done.status == DONE, done.explained()
    again = product.plan(token=None)
    assert (again.status, again.differing()) == (DONE, set()), again.explained()
    failed = [str(outcome) for outcome in verify(fresh, FORM) if not outcome.ok and outcome.title != HTTP3]
    assert not failed, "\n".join(failed)


def test_an_installed_server_gets_a_proxy_and_loses_it_again(pristine: Bed) -> None:
    machine, product = pristine.machine, Product(pristine.machine)
    certificates = machine.sh(f"ls -d /opt/mastodon/caddy/data/caddy/certificates/*/{where.SITE}").strip()
    waits_for(product.plain("set", "behind_proxy", "yes"), "nothing answers")
    assert "caddy" not in machine.sh("docker ps -a --format '{{.Names}}'")
    machine.sh("export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; apt-get -qq -y install --no-install-recommends nginx-light >/dev/null")
    machine.sh(
        f"mkdir -p /etc/letsencrypt/live/{where.SITE}; cd {certificates}; "
        f"cp {where.SITE}.crt /etc/letsencrypt/live/{where.SITE}/fullchain.pem; cp {where.SITE}.key /etc/letsencrypt/live/{where.SITE}/privkey.pem"
    )
    serve(machine)
    passed_on = product.install()
    assert passed_on.status == DONE, passed_on.explained()

    taken = product.plain("set", "behind_proxy", "no")
    assert taken.status == 1 and "port 443 is taken by nginx" in " ".join(taken.text.split()), taken.text[-3000:]
    machine.sh("systemctl disable -q --now nginx")
    back = product.install()
    assert back.status == DONE, back.explained()
    assert "caddy" in machine.sh("docker ps --format '{{.Names}}'")
