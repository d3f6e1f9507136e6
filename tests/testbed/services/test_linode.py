"""The emulator against the contract of facts/linode.md: each test names its section."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.services import DEFAULT_TOKEN, ApiFault, Token
from testbed.services.dns.publication import Publication
from testbed.services.http import Request
from testbed.services.linode.api import LinodeApi
from testbed.services.linode.limits import GENERAL, PAGINATED

ZONE = {"domain": "fedi-test.org", "type": "master", "soa_email": "admin@example.org"}
CALLER = "203.0.113.10"


class Api:
    """Requests to an emulator in this process."""

    def __init__(self) -> None:
        self.publication = Publication()
        self.emulator = LinodeApi(self.publication)
        self.headers: dict[str, str] = {}

    def __call__(self, method: str, path: str, body: Any = None, *, filter: Any = None, token: str | None = DEFAULT_TOKEN):
        """Status and JSON body of the answer; its headers stay in `headers`."""
        path, _, query = path.partition("?")
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        if filter is not None:
            headers["x-filter"] = filter if isinstance(filter, str) else json.dumps(filter)
        data = b"" if body is None else json.dumps(body).encode()
        response = self.emulator.answer(Request(method, f"/v4{path}", query, headers, data, CALLER))
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        return response.status, json.loads(response.body)

    def zone(self, **fields: Any) -> int:
        """A new zone's id."""
        status, domain = self("POST", "/domains", ZONE | fields)
        assert status == 200, domain
        return domain["id"]

    def record(self, zone: int, **fields: Any) -> dict:
        """A new record that must be accepted."""
        status, record = self("POST", f"/domains/{zone}/records", fields)
        assert status == 200, record
        return record

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> list[tuple[str | None, str]]:
        """Field and reason of each error of a 400."""
        status, answer = self(method, path, body, **options)
        assert status == 400, answer
        return [(error.get("field"), error["reason"]) for error in answer["errors"]]


@pytest.fixture
def api() -> Iterator[Api]:
    yield Api()


class TestTokens:
    """linode.md §1.1, §1.7."""

    @pytest.mark.parametrize("token", [None, "b" * 64, DEFAULT_TOKEN + "\u200b", ""])
    def test_unknown_token_is_401_invalid_token(self, api, token):
        assert api("GET", "/domains", token=token) == (401, {"errors": [{"reason": "Invalid Token"}]})

    def test_expired_token_is_401(self, api):
        api.emulator.tokens.replace([Token(expires=time.time() - 1)])
        assert api("GET", "/domains")[0] == 401

    def test_every_answer_names_both_scopes(self, api):
        api("GET", "/domains")
        assert api.headers["x-oauth-scopes"] == "domains:read_write"
        assert api.headers["x-accepted-oauth-scopes"] == "domains:read_only"
        api("POST", "/domains", {})
        assert api.headers["x-accepted-oauth-scopes"] == "domains:read_write"

    def test_star_is_all_scopes(self, api):
        api.emulator.tokens.replace([Token(scopes="*")])
        assert api.zone()
        assert api.headers["x-oauth-scopes"] == "*"

    @pytest.mark.parametrize("status", [401, 403])
    def test_read_only_token_lists_but_does_not_write(self, api, status):
        api.emulator.tokens.replace([Token(scopes="domains:read_only")])
        api.emulator.tokens.refusal_status = status
        assert api("GET", "/domains")[0] == 200
        got, answer = api("POST", "/domains", ZONE)
        assert got == status and "not authorized" in answer["errors"][0]["reason"]
        assert api.emulator.store.domains() == []

    def test_token_without_domains_scope_cannot_even_list(self, api):
        api.emulator.tokens.replace([Token(scopes="linodes:read_write")])
        assert api("GET", "/domains")[0] == 401
        assert api.headers["x-oauth-scopes"] == "linodes:read_write"

    def test_restricted_user_needs_add_domains(self, api):
        api.emulator.tokens.replace([Token(restricted=True)])
        assert api("POST", "/domains", ZONE)[0] == 403
        api.emulator.tokens.replace([Token(restricted=True, add_domains=True)])
        assert api("POST", "/domains", ZONE)[0] == 200

    def test_restricted_user_without_write_grant_on_the_zone(self, api):
        zone = api.zone()
        api.emulator.tokens.replace([Token(restricted=True, read_only=("fedi-test.org",))])
        assert api("POST", f"/domains/{zone}/records", {"type": "A", "target": CALLER})[0] == 403
        assert api("GET", f"/domains/{zone}/records")[0] == 200

    def test_log_has_no_token_in_clear(self, api):
        api("GET", "/domains")
        assert DEFAULT_TOKEN not in json.dumps(api.emulator.requests())
        assert api.emulator.requests()[0]["token"].startswith("sha256:")


class TestEndpoints:
    """linode.md §1.2."""

    def test_creation_answers_200_and_the_object(self, api):
        status, domain = api("POST", "/domains", ZONE)
        assert status == 200 and domain["domain"] == "fedi-test.org"
        assert api("GET", f"/domains/{domain['id']}") == (200, domain)

    def test_v4beta_is_the_same(self, api):
        request = Request("GET", "/v4beta/domains", "", {"authorization": f"Bearer {DEFAULT_TOKEN}"}, b"", CALLER)
        assert api.emulator.answer(request).status == 200

    def test_delete_answers_an_empty_object_and_takes_the_records(self, api):
        zone = api.zone()
        record = api.record(zone, type="A", name="www", target=CALLER)
        assert api("DELETE", f"/domains/{zone}") == (200, {})
        assert api("GET", f"/domains/{zone}/records/{record['id']}")[0] == 404
        assert api("GET", "/domains")[1]["results"] == 0

    def test_delete_of_one_record(self, api):
        zone = api.zone()
        record = api.record(zone, type="A", name="www", target=CALLER)
        assert api("DELETE", f"/domains/{zone}/records/{record['id']}") == (200, {})
        assert api("GET", f"/domains/{zone}/records")[1]["data"] == []

    def test_record_put_without_type(self, api):
        zone = api.zone()
        record = api.record(zone, type="A", name="www", target="203.0.113.9")
        status, changed = api("PUT", f"/domains/{zone}/records/{record['id']}", {"target": CALLER})
        assert status == 200
        assert (changed["type"], changed["name"], changed["target"]) == ("A", "www", CALLER)

    def test_record_type_is_immutable(self, api):
        zone = api.zone()
        record = api.record(zone, type="A", name="www", target=CALLER)
        path = f"/domains/{zone}/records/{record['id']}"
        assert api.refused("PUT", path, {"type": "TXT"})[0][0] == "type"

    def test_zone_file_is_empty_until_rendered(self, api):
        api.publication.set_delay(0.2)
        zone = api.zone()
        assert api("GET", f"/domains/{zone}/zone-file") == (200, {"zone_file": []})
        time.sleep(0.25)
        lines = api("GET", f"/domains/{zone}/zone-file")[1]["zone_file"]
        assert any("IN SOA ns1.linode.com" in line for line in lines)

    @pytest.mark.parametrize("path", ["/domains/7", "/domains/7/records", "/domains/7/records/8", "/nothing"])
    def test_unknown_is_404(self, api, path):
        assert api("GET", path) == (404, {"errors": [{"reason": "Not found"}]})

    def test_at_most_12000_records(self, api, monkeypatch):
        monkeypatch.setattr("testbed.services.linode.store.MAX_RECORDS", 2)
        zone = api.zone()
        for name in ("a", "b"):
            api.record(zone, type="A", name=name, target=CALLER)
        assert "at most" in api.refused("POST", f"/domains/{zone}/records", {"type": "A", "target": CALLER})[0][1]


class TestDomains:
    """linode.md §1.3."""

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"domain": None}, "domain"),
            ({"domain": "https://fedi-test.org"}, "domain"),
            ({"domain": "fedi-test." + "x" * 17}, "domain"),
            ({"domain": "a" * 64 + ".org"}, "domain"),
            ({"domain": "fedi"}, "domain"),
            ({"domain": "émile.org"}, "domain"),
            ({"type": None}, "type"),
            ({"type": "primary"}, "type"),
            ({"soa_email": None}, "soa_email"),
            ({"soa_email": "nobody"}, "soa_email"),
            ({"type": "slave"}, "master_ips"),
            ({"status": "has_errors"}, "status"),
            ({"description": "x" * 254}, "description"),
            ({"axfr_ips": ["x" * 1001]}, "axfr_ips"),
            ({"ttl_sec": "300"}, "ttl_sec"),
            ({"nonsense": 1}, "nonsense"),
        ],
    )
    def test_invalid_field_is_named(self, api, change, field):
        assert field in [name for name, _ in api.refused("POST", "/domains", ZONE | change)]

    @pytest.mark.parametrize("name", ["xn--mile-9oa.org", "a_b.fedi-test.org", "fedi." + "x" * 16, "*.fedi-test.org"])
    def test_names_the_schema_allows(self, api, name):
        assert api("POST", "/domains", ZONE | {"domain": name})[1]["domain"] == name

    def test_several_problems_in_one_answer(self, api):
        assert {field for field, _ in api.refused("POST", "/domains", {})} == {"domain", "type"}

    def test_zone_of_another_account_is_refused_and_invisible(self, api):
        api.emulator.store.put_elsewhere("fedi-test.org", [])
        assert api.refused("POST", "/domains", ZONE)[0][0] == "domain"
        assert api("GET", "/domains")[1]["data"] == []

    def test_own_zone_cannot_be_made_twice(self, api):
        api.zone()
        assert api.refused("POST", "/domains", ZONE | {"domain": "FEDI-test.org"})[0][0] == "domain"

    def test_child_zone_beside_its_parent(self, api):
        api.zone()
        assert api.zone(domain="social.fedi-test.org")

    @pytest.mark.parametrize(("asked", "stored"), [(0, 0), (1, 30), (30, 30), (121, 300), (301, 3600), (10**8, 2419200)])
    def test_times_are_rounded_up(self, api, asked, stored):
        _, domain = api("POST", "/domains", ZONE | {"ttl_sec": asked, "refresh_sec": asked})
        assert (domain["ttl_sec"], domain["refresh_sec"]) == (stored, stored)

    def test_live_fields_outside_the_schema(self, api):
        domain = api("POST", "/domains", ZONE)[1]
        assert domain["errors"] == "" and domain["created"] and domain["updated"]

    @pytest.mark.parametrize("status", ["edit_mode", "has_errors"])
    def test_statuses_that_only_linode_sets(self, api, status):
        api.emulator.store.put_zone(ZONE | {"status": status, "domain": "Fedi-Test.org"}, [])
        (domain,) = api("GET", "/domains")[1]["data"]
        assert (domain["status"], domain["domain"]) == (status, "Fedi-Test.org")

    def test_put_changes_only_what_is_given(self, api):
        zone = api.zone(description="keep me", ttl_sec=3600)
        status, domain = api("PUT", f"/domains/{zone}", {"ttl_sec": 300})
        assert status == 200
        assert (domain["ttl_sec"], domain["description"], domain["soa_email"]) == (300, "keep me", "admin@example.org")


class TestRecords:
    """linode.md §1.4, §1.5."""

    def test_apex_is_the_empty_name(self, api):
        assert api.record(api.zone(), type="A", name="", target=CALLER)["name"] == ""

    def test_at_sign_is_refused_with_two_reasons(self, api):
        refused = api.refused("POST", f"/domains/{api.zone()}/records", {"type": "A", "name": "@", "target": CALLER})
        assert refused == [("name", "Name contains invalid characters"), ("name", "Invalid hostname")]

    @pytest.mark.parametrize(
        ("name", "stored"),
        [("www.fedi-test.org", "www"), ("fedi-test.org", ""), ("a.b", "a.b"), ("xfedi-test.org", "xfedi-test.org")],
    )
    def test_zone_suffix_is_stripped(self, api, name, stored):
        assert api.record(api.zone(), type="A", name=name, target=CALLER)["name"] == stored

    def test_trailing_dot_of_a_target_is_removed(self, api):
        assert api.record(api.zone(), type="CNAME", name="www", target="fedi-test.org.")["target"] == "fedi-test.org"

    def test_remote_addr_is_the_caller(self, api):
        assert api.record(api.zone(), type="A", name="www", target="[remote_addr]")["target"] == CALLER

    @pytest.mark.parametrize(
        ("record", "field"),
        [
            ({"target": CALLER}, "type"),
            ({"type": "SPF", "target": "x"}, "type"),
            ({"type": "A", "name": "x" * 101, "target": CALLER}, "name"),
            ({"type": "A", "name": "bad name", "target": CALLER}, "name"),
            ({"type": "A", "target": "2001:db8::1"}, "target"),
            ({"type": "A", "target": CALLER + "."}, "target"),
            ({"type": "AAAA", "target": CALLER}, "target"),
            ({"type": "A", "target": ""}, "target"),
            ({"type": "TXT", "target": "x" * 65536}, "target"),
            ({"type": "MX", "target": "mail.example.org", "priority": 256}, "priority"),
            ({"type": "SRV", "target": "sip.example.org", "service": "sip", "protocol": "tcp"}, "priority"),
            ({"type": "SRV", "target": "s.org", "priority": 1, "protocol": "tcp", "port": 65536}, "port"),
            ({"type": "CAA", "target": "letsencrypt.org", "tag": "iodefs"}, "tag"),
            ({"type": "CAA", "target": "letsencrypt.org; x=y", "tag": "issue"}, "target"),
            ({"type": "A", "target": CALLER, "ttl": 300}, "ttl"),
        ],
    )
    def test_invalid_field_is_named(self, api, record, field):
        assert field in [name for name, _ in api.refused("POST", f"/domains/{api.zone()}/records", record)]

    def test_srv_gets_its_underscores(self, api):
        record = api.record(
            api.zone(), type="SRV", service="sip", protocol="tcp", priority=5, port=5060, target="sip.example.org"
        )
        assert (record["service"], record["protocol"]) == ("_sip", "_tcp")

    def test_mx_priority_defaults_to_0(self, api):
        assert api.record(api.zone(), type="MX", target="mail.example.org")["priority"] == 0

    def test_null_mx_conflicts_with_any_other(self, api):
        zone = api.zone()
        api.record(zone, type="MX", name="", target="")
        assert api.refused("POST", f"/domains/{zone}/records", {"type": "MX", "target": "mail.example.org"})

    def test_cname_beside_another_record(self, api):
        zone = api.zone()
        api.record(zone, type="A", name="www", target=CALLER)
        conflict = [("name", "Record conflict - CNAMES must be unique")]
        path = f"/domains/{zone}/records"
        assert api.refused("POST", path, {"type": "CNAME", "name": "www", "target": "x.org"}) == conflict
        api.record(zone, type="CNAME", name="blog", target="x.org")
        assert api.refused("POST", path, {"type": "A", "name": "blog", "target": CALLER}) == conflict

    def test_no_cname_at_the_apex(self, api):
        body = {"type": "CNAME", "name": "", "target": "x.org"}
        assert api.refused("POST", f"/domains/{api.zone()}/records", body)[0][0] == "name"

    def test_several_a_records_of_one_name(self, api):
        zone = api.zone()
        for target in ("203.0.113.9", CALLER):
            api.record(zone, type="A", name="www", target=target)
        assert api("GET", f"/domains/{zone}/records")[1]["results"] == 2

    def test_name_servers_of_the_zone_are_not_listed(self, api):
        assert api("GET", f"/domains/{api.zone()}/records")[1]["data"] == []

    @pytest.mark.parametrize(("asked", "stored"), [(0, 0), (30, 30), (120, 120), (200, 120), (3000, 3600), (9**9, 2419200)])
    def test_ttl_is_rounded_to_the_nearest(self, api, asked, stored):
        assert api.record(api.zone(), type="A", target=CALLER, ttl_sec=asked)["ttl_sec"] == stored

    def test_ttl_left_out_is_0(self, api):
        assert api.record(api.zone(), type="A", target=CALLER)["ttl_sec"] == 0


class TestListing:
    """linode.md §1.6."""

    def test_envelope_and_default_size(self, api):
        for number in range(101):
            api.emulator.store.put_zone(ZONE | {"domain": f"z{number}.org"}, [])
        _, first = api("GET", "/domains")
        assert (len(first["data"]), first["page"], first["pages"], first["results"]) == (100, 1, 2, 101)
        assert [d["domain"] for d in api("GET", "/domains?page=2")[1]["data"]] == ["z100.org"]

    @pytest.mark.parametrize("size", [24, 501, "x", ""])
    def test_page_size_outside_25_to_500(self, api, size):
        assert api.refused("GET", f"/domains?page_size={size}")[0][0] == "page_size"

    @pytest.mark.parametrize("size", [25, 500])
    def test_page_size_limits(self, api, size):
        zone = api.emulator.store.put_zone(ZONE, [{"type": "A", "name": f"n{n}", "target": CALLER} for n in range(501)])
        _, answer = api("GET", f"/domains/{zone['id']}/records?page_size={size}")
        assert len(answer["data"]) == size and answer["pages"] == -(-501 // size)

    def test_page_0(self, api):
        assert api.refused("GET", "/domains?page=0")[0][0] == "page"

    def _names(self, api, filter) -> list[str]:
        status, answer = api("GET", "/domains", filter=filter)
        assert status == 200, answer
        return [domain["domain"] for domain in answer["data"]]

    def test_filter_by_name_is_exact(self, api):
        api.zone(domain="fedi-test.org")
        api.zone(domain="not-fedi-test.org")
        assert self._names(api, {"domain": "fedi-test.org"}) == ["fedi-test.org"]

    def test_operators(self, api):
        for name in ("a.org", "b.org", "c.net"):
            api.zone(domain=name, tags=["kept"] if name == "b.org" else [])
        assert self._names(api, {"domain": {"+contains": ".org"}}) == ["a.org", "b.org"]
        assert self._names(api, {"domain": {"+neq": "a.org"}}) == ["b.org", "c.net"]
        assert self._names(api, {"domain": {"+gt": "a.org", "+lte": "b.org"}}) == ["b.org"]
        assert self._names(api, {"domain": {"+gte": "b.org", "+lt": "c.net"}}) == ["b.org"]
        assert self._names(api, {"+or": [{"domain": "a.org"}, {"domain": "c.net"}]}) == ["a.org", "c.net"]
        assert self._names(api, {"+and": [{"tags": "kept"}, {"domain": {"+contains": "org"}}]}) == ["b.org"]
        assert self._names(api, {"+order_by": "domain", "+order": "desc"}) == ["c.net", "b.org", "a.org"]

    def test_filterable_keys_of_records(self, api):
        zone = api.zone()
        api.record(zone, type="A", name="www", target=CALLER)
        api.record(zone, type="TXT", name="www", target="hello")
        path = f"/domains/{zone}/records"
        wanted = {"type": "TXT", "name": "www", "target": "hello"}
        assert [r["type"] for r in api("GET", path, filter=wanted)[1]["data"]] == ["TXT"]

    @pytest.mark.parametrize("key", ["soa_email", "status", "+nonsense"])
    def test_other_keys_cannot_be_filtered_on(self, api, key):
        assert api.refused("GET", "/domains", filter={key: "x"}) == [("X-Filter", f"Cannot filter on {key}")]

    def test_record_content_cannot_be_filtered_on(self, api):
        path = f"/domains/{api.zone()}/records"
        assert api.refused("GET", path, filter={"ttl_sec": 0}) == [("X-Filter", "Cannot filter on ttl_sec")]

    def test_filter_that_is_no_json(self, api):
        assert api.refused("GET", "/domains", filter="domain=x")[0][0] == "X-Filter"


class TestLimits:
    """linode.md §1.7."""

    def test_headers(self, api):
        api("GET", "/domains")
        assert api.headers["x-ratelimit-limit"] == str(GENERAL)
        assert api.headers["x-ratelimit-remaining"] == str(GENERAL - 1)
        assert 0 < int(api.headers["x-ratelimit-reset"]) - time.time() <= 61

    def test_paginated_gets_have_a_lower_limit(self, api):
        for _ in range(PAGINATED):
            assert api("GET", "/domains?page=1")[0] == 200
        status, answer = api("GET", "/domains?page=1")
        assert status == 429 and answer["errors"]
        assert 1 <= int(api.headers["retry-after"]) <= 60
        assert api("GET", "/domains")[0] == 200


class TestBodies:
    """linode.md §1.7: error bodies."""

    @pytest.mark.parametrize("body", [b"", b"{", b"[]"])
    def test_no_json_object(self, api, body):
        request = Request("POST", "/v4/domains", "", {"authorization": f"Bearer {DEFAULT_TOKEN}"}, body, CALLER)
        response = api.emulator.answer(request)
        assert response.status == 400 and json.loads(response.body)["errors"][0]["reason"].startswith("Invalid JSON")

    def test_field_is_absent_where_none_is_meant(self, api):
        assert api("GET", "/domains/1")[1]["errors"] == [{"reason": "Not found"}]


class TestFaults:
    """linode.md §1.7, and the list of issue 3."""

    @pytest.mark.parametrize(
        ("kind", "status", "reason"),
        [
            ("unauthorized", 401, "Invalid Token"),
            ("forbidden", 403, "Unauthorized"),
            ("missing_scope", 401, "Your OAuth token is not authorized to use this endpoint."),
            ("rate_limited", 429, "Too many requests"),
            ("request_timeout", 408, "Request Timeout"),
            ("server_error", 500, "Internal Server Error"),
            ("bad_gateway", 502, "Bad Gateway"),
            ("unavailable", 503, "Service Unavailable"),
            ("busy", 400, "Linode busy."),
        ],
    )
    def test_answers_once_then_works(self, api, kind, status, reason):
        api.emulator.faults.add(ApiFault(kind, method="POST", times=1))
        assert api("POST", "/domains", ZONE) == (status, {"errors": [{"reason": reason}]})
        assert api.emulator.store.domains() == []
        assert api("POST", "/domains", ZONE)[0] == 200

    def test_retry_after_and_maintenance(self, api):
        api.emulator.faults.add(ApiFault("rate_limited", times=1, retry_after=7))
        api("GET", "/domains")
        assert api.headers["retry-after"] == "7"
        api.emulator.faults.add(ApiFault("unavailable", times=1, maintenance=True))
        api("GET", "/domains")
        assert api.headers["x-maintenance-mode"] == "true"

    def _raw(self, api, method="GET", body=b""):
        headers = {"authorization": f"Bearer {DEFAULT_TOKEN}", "x-filter": '{"domain": "nothing.org"}'}
        return api.emulator.answer(Request(method, "/v4/domains", "", headers, body, CALLER))

    def test_html_page(self, api):
        api.emulator.faults.add(ApiFault("html"))
        response = self._raw(api)
        assert response.status == 502 and response.headers["Content-Type"].startswith("text/html")
        assert response.body.startswith(b"<html>")

    def test_hang_does_nothing_and_hang_after_has_done_it(self, api):
        api.emulator.faults.add(ApiFault("hang", method="POST", times=1, seconds=5))
        assert self._raw(api, "POST", json.dumps(ZONE).encode()).hang == 5
        assert api.emulator.store.domains() == []
        api.emulator.faults.add(ApiFault("hang_after", method="POST", times=1, seconds=6))
        assert self._raw(api, "POST", json.dumps(ZONE).encode()).hang == 6
        assert [domain["domain"] for domain in api.emulator.store.domains()] == ["fedi-test.org"]

    def test_ignored_filter(self, api):
        api.zone()
        assert json.loads(self._raw(api).body)["results"] == 0
        api.emulator.faults.add(ApiFault("ignore_filter"))
        assert json.loads(self._raw(api).body)["results"] == 1

    def test_path_and_skip(self, api):
        zone = api.zone()
        api.emulator.faults.add(ApiFault("busy", path=r"/records$", skip=1, times=1))
        assert [api("GET", f"/domains/{zone}/records")[0] for _ in range(3)] == [200, 400, 200]
        assert api("GET", f"/domains/{zone}")[0] == 200

    def test_unknown_kind_is_an_error(self):
        with pytest.raises(ValueError, match="nonsense"):
            ApiFault("nonsense")
