"""The metadata service against linode.md §4."""

import base64
import http.client
import json
import socket
from contextlib import closing

import pytest

from testbed.services import Instance, addresses

JSON = {"Accept": "application/json"}


@pytest.fixture
def ask(bed):
    """Requests from the machine's own addresses: status and text."""

    def request(method, path, headers=None, address=addresses.METADATA_V4, timeout=5, source=None):
        connection = http.client.HTTPConnection(address, timeout=timeout)
        sock = bed.socket(family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.settimeout(timeout)
        with closing(connection):
            sock.bind((source or (addresses.MACHINE_V6 if ":" in address else addresses.MACHINE_V4), 0))
            sock.connect((address, 80))
            connection.sock = sock
            connection.request(method, path, headers=headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read().decode()

    return request


@pytest.fixture
def get(ask):
    """A JSON page, with a fresh token."""

    def page(path):
        _, token = ask("PUT", "/v1/token", {"Metadata-Token-Expiry-Seconds": "300"})
        status, text = ask("GET", path, {"Metadata-Token": token, **JSON})
        assert status == 200, text
        return json.loads(text)

    return page


@pytest.mark.parametrize("address", [addresses.METADATA_V4, addresses.METADATA_V6])
def test_token_flow(ask, address):
    assert ask("GET", "/v1/network", address=address)[0] == 401
    status, token = ask("PUT", "/v1/token", {"Metadata-Token-Expiry-Seconds": "60"}, address=address)
    assert status == 200 and len(token) == 64
    assert ask("GET", "/v1/network", {"Metadata-Token": token}, address=address)[0] == 200
    assert ask("GET", "/v1/network", {"Metadata-Token": "wrong"}, address=address)[0] == 401


def test_token_is_a_list_for_clients_that_accept_json(ask):
    _, text = ask("PUT", "/v1/token", {"Metadata-Token-Expiry-Seconds": "60", **JSON})
    (token,) = json.loads(text)
    assert ask("GET", "/v1/instance", {"Metadata-Token": token})[0] == 200


@pytest.mark.parametrize("seconds", [None, "0", "x", "86401"])
def test_expiry_is_required(ask, seconds):
    headers = {} if seconds is None else {"Metadata-Token-Expiry-Seconds": seconds}
    assert ask("PUT", "/v1/token", headers)[0] == 400


def test_instance_names_plan_and_region(bed, get):
    bed.control.set_metadata(Instance(memory=1024, region="de-fra-2", type="g6-nanode-1"))
    page = get("/v1/instance")
    assert (page["specs"]["memory"], page["region"], page["type"]) == (1024, "de-fra-2", "g6-nanode-1")


def test_addresses_carry_a_prefix(get):
    page = get("/v1/network")
    assert page["ipv4"] == {"public": ["203.0.113.10/32"], "private": [], "shared": []}
    assert page["ipv6"]["slaac"] == "2001:db8:88::10/128"


@pytest.mark.parametrize(
    ("variant", "public", "private", "slaac", "purposes"),
    [
        ("private", [], ["192.168.133.7/17"], "", []),
        ("vpc", [], [], "", ["vpc"]),
        ("no_ipv6", ["203.0.113.10/32"], [], "", []),
    ],
)
def test_variants(bed, get, variant, public, private, slaac, purposes):
    bed.control.set_metadata(Instance(variant=variant))
    page = get("/v1/network")
    assert (page["ipv4"]["public"], page["ipv4"]["private"], page["ipv6"]["slaac"]) == (public, private, slaac)
    assert [interface["purpose"] for interface in page["interfaces"]] == purposes


def test_plain_text_is_key_value_lines(ask):
    _, token = ask("PUT", "/v1/token", {"Metadata-Token-Expiry-Seconds": "60"})
    _, text = ask("GET", "/v1/network", {"Metadata-Token": token})
    assert "ipv4.public: 203.0.113.10/32" in text.splitlines()


def test_user_data_and_keys(bed, ask, get):
    bed.control.set_metadata(Instance(user_data="#!/bin/sh\n", ssh_keys=("ssh-ed25519 AAAA",)))
    _, token = ask("PUT", "/v1/token", {"Metadata-Token-Expiry-Seconds": "60"})
    _, text = ask("GET", "/v1/user-data", {"Metadata-Token": token, **JSON})
    assert base64.b64decode(text) == b"#!/bin/sh\n"
    assert get("/v1/ssh-keys") == {"users": {"root": ["ssh-ed25519 AAAA"]}}


def test_absent_closes_at_once(bed, ask):
    bed.control.set_metadata(Instance(variant="absent"))
    with pytest.raises((ConnectionError, http.client.BadStatusLine)):
        ask("GET", "/v1/network")


def test_silent_never_answers(bed, ask):
    bed.control.set_metadata(Instance(variant="silent"))
    with pytest.raises(TimeoutError):
        ask("GET", "/v1/network", timeout=0.3)


def test_only_the_machine_reaches_it(ask):
    with pytest.raises((ConnectionError, http.client.BadStatusLine)):
        ask("PUT", "/v1/token", {"Metadata-Token-Expiry-Seconds": "60"}, source=addresses.RECURSOR_CLIENT)
