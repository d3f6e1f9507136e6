"""Linode's API.

The records of the site are gone, and the API makes trouble while `install` makes them again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cases import Case
from product import DONE, STEP_FAILED, Product
from recovery import Block, Undisturbed, failed, run_plainly, waits
from testbed import layout as where
from testbed.bed import Bed
from testbed.services import ApiFault, Rr, Token

LEAVES_IT_AS_IT_WAS = True

RECORDS = rf"/domains/\d+/records"
WANTED = {("A", where.MACHINE_V4), ("AAAA", where.MACHINE_V6)}


@pytest.fixture(scope="module")
def undisturbed(installed: Bed) -> Undisturbed:
    return Undisturbed.of(installed)


@pytest.fixture
def without_records(installed: Bed, undisturbed: Undisturbed) -> Iterator[Bed]:
    """The installed machine, whose records somebody deleted."""
    control = installed.services.control
    control.set_publication_delay(0)
    for kind in ("A", "AAAA"):
        control.delete_records(where.DOMAIN, where.SUBDOMAIN, kind)
    control.clear_api_requests()
    control.flush_caches()
    yield installed
    control.clear_api_faults()
    control.set_tokens(Token())


def ours(bed: Bed) -> list[tuple[str, str]]:
    """Type and target of every record at the site's name: with duplicates."""
    records = bed.services.control.records(where.DOMAIN)
    return sorted((record["type"], record["target"]) for record in records if record["name"] == where.SUBDOMAIN)


def install(bed: Bed):
    return run_plainly(Product(bed.machine))


def after_all(bed: Bed, case: Case, undisturbed: Undisturbed, *, checks: bool = False) -> None:
    """The API works again: a later run makes exactly the records that were missing."""
    bed.services.control.clear_api_faults()
    undisturbed.recovered(bed, case, checks=checks)
    assert ours(bed) == sorted(WANTED)


def by_itself(bed: Bed, case: Case, undisturbed: Undisturbed) -> None:
    """The run under the fault itself ended well, with one record a family."""
    with case.timed():
        run = install(bed)
    assert run.status == DONE, run.text[-3000:]
    assert ours(bed) == sorted(WANTED)
    bed.services.control.clear_api_faults()
    undisturbed.same(bed, checks=False)
    case.recovered = "by itself, in the same run"


def faults(bed: Bed) -> int:
    """How many requests met the fault."""
    return sum(request["fault"] is not None for request in bed.services.control.api_requests())


# --- the token

REFUSALS = {
    "401": (ApiFault("unauthorized"), r"does not accept the API token \(Invalid Token\)"),
    "403": (ApiFault("forbidden"), r"the API token may not do this \(Unauthorized\): it needs the scope domains:read_write"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_the_token_is_refused(without_records: Bed, undisturbed: Undisturbed, case: Case, status: str) -> None:
    case.tried = f"every request is answered {status}"
    fault, said = REFUSALS[status]
    without_records.services.control.add_api_fault(fault)
    block = waits(install(without_records), r"dns/zone.*dns/record-a-", said, r"make a token in Cloud Manager .*--linode-token-file FILE.*or create the records by hand")
    assert ours(without_records) == []
    case.happened = f"exit 4, everything else is done; waits for {block.parts['for'].partition(':')[0]}, says how to make one"
    after_all(without_records, case, undisturbed)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("scopes", ["domains:read_only", "linodes:read_write"])
def test_the_token_lacks_the_scope(without_records: Bed, undisturbed: Undisturbed, case: Case, scopes: str, status: int) -> None:
    case.tried = f"a token with `{scopes}` only; a missing scope is answered {status}"
    without_records.services.control.set_tokens(Token(scopes=scopes), refusal_status=status)
    waits(install(without_records), r"dns/record-a-", r"the API token may not do this .*: it needs the scope domains:read_write", r"Domains: Read/Write")
    assert ours(without_records) == []
    case.happened = "exit 4: the scope that is missing is named, and how to make a token that has it"
    without_records.services.control.set_tokens(Token())
    after_all(without_records, case, undisturbed)


# --- passing troubles

PASSING = {
    "429 with Retry-After: 3": ApiFault("rate_limited", retry_after=3, times=2),
    "408": ApiFault("request_timeout", times=2),
    "502": ApiFault("bad_gateway", times=2),
    "503": ApiFault("unavailable", times=2),
    "502 with a web page": ApiFault("html", times=2),
    "200 with a web page": ApiFault("html_200", times=2),
    "400 `Linode busy.`": ApiFault("busy", times=2),
    "503 to each POST, once": ApiFault("unavailable", method="POST", path=RECORDS, times=2),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_trouble_that_passes(without_records: Bed, undisturbed: Undisturbed, case: Case, name: str) -> None:
    case.tried = f"two requests are answered {name}"
    fault = PASSING[name]
    without_records.services.control.add_api_fault(fault)
    by_itself(without_records, case, undisturbed)
    assert faults(without_records) == 2
    if fault.kind == "rate_limited":
        asked = sorted(request["time"] for request in without_records.services.control.api_requests())
        assert asked[1] - asked[0] >= fault.retry_after, asked
    case.happened = "it is tried again, no sooner than the API says"


LASTING = {
    "503": (ApiFault("unavailable"), r"the Linode API is busy: Service Unavailable"),
    "a web page": (ApiFault("html"), r"the Linode API is busy: a web page with status 502"),
    "500": (ApiFault("server_error"), r"the Linode API answered 500: Internal Server Error"),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_trouble_that_lasts(without_records: Bed, undisturbed: Undisturbed, case: Case, name: str) -> None:
    case.tried = f"every request is answered {name}"
    fault, why = LASTING[name]
    without_records.services.control.add_api_fault(fault)
    block = failed(install(without_records), r"dns/zone", why, r"wait a minute")
    tries = faults(without_records)
    case.happened = f"exit 1 after {tries} {'try' if tries == 1 else 'tries'}: {block.parts['why']}"
    after_all(without_records, case, undisturbed)


@pytest.mark.quick
def test_the_answer_to_a_creation_is_lost(without_records: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the record is created, but the answer never comes (time-out)"
    without_records.services.control.add_api_fault(ApiFault("hang_after", method="POST", path=RECORDS, times=2, seconds=30))
    by_itself(without_records, case, undisturbed)
    posts = [request for request in without_records.services.control.api_requests() if request["method"] == "POST"]
    assert len(posts) == len(WANTED), posts
    case.happened = "the zone is read again first: no second record is made"


# --- unusual accounts


def test_a_zone_of_another_account(without_records: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the zone belongs to another Linode account"
    control = without_records.services.control
    zone, records = next(zone for zone in control.domains() if zone["domain"] == where.DOMAIN), control.records(where.DOMAIN)
    control.delete_zone(where.DOMAIN)
    control.put_zone_elsewhere(where.DOMAIN)
    block = waits(install(without_records), r"dns/zone", r"Linode does not let this account have the zone fedi-test.org", r"create these records where the domain is managed")
    assert where.MACHINE_V4 in block.parts["do"] and where.MACHINE_V6 in block.parts["do"], block
    case.happened = "exit 4: says so, with the records to make there"
    control.put_zone_elsewhere(where.DOMAIN, [Rr(where.SITE, kind, 300, target) for kind, target in sorted(WANTED)])
    control.flush_caches()
    undisturbed.recovered(without_records, case, checks=False)
    case.recovered = "once the other account has the records, `tootstrap install` has nothing to do"
    control.reset()
    made = [{key: record[key] for key in ("name", "type", "target", "ttl_sec")} for record in records]
    control.put_zone(where.DOMAIN, made, soa_email=zone["soa_email"], ttl_sec=zone["ttl_sec"])


@pytest.fixture
def many_zones(without_records: Bed) -> Iterator[Bed]:
    """600 more zones; the site's is the newest, so that it is on the second page."""
    control = without_records.services.control
    zone = next(zone for zone in control.domains() if zone["domain"] == where.DOMAIN)
    others = [f"zone-{number}.example" for number in range(600)]
    for name in others:
        control.put_zone(name)
    control.put_zone(where.DOMAIN, soa_email=zone["soa_email"], ttl_sec=zone["ttl_sec"])
    control.clear_api_requests()
    yield without_records
    for name in others:
        control.delete_zone(name)


@pytest.mark.quick
def test_a_filter_that_is_ignored_and_several_pages(many_zones: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "601 zones in the account, and the API ignores the filter"
    control = many_zones.services.control
    control.add_api_fault(ApiFault("ignore_filter"))
    by_itself(many_zones, case, undisturbed)
    pages = {request["query"] for request in control.api_requests() if request["path"].endswith("/domains")}
    assert any("page=2" in query for query in pages), pages
    assert len(control.domains()) == 601
    case.happened = "every page is read, and the zone found on the second; no other is touched"


@pytest.fixture
def full_zone(without_records: Bed) -> Iterator[Bed]:
    """11,998 records of others in the site's zone: two short of Linode's limit."""
    control = without_records.services.control
    zone = next(zone for zone in control.domains() if zone["domain"] == where.DOMAIN)
    others = [{"name": f"host-{number}", "type": "A", "target": "203.0.113.200"} for number in range(11_998)]
    control.put_zone(where.DOMAIN, others, soa_email=zone["soa_email"], ttl_sec=zone["ttl_sec"])
    control.clear_api_requests()
    yield without_records
    wanted = [{"name": where.SUBDOMAIN, "type": kind, "target": target, "ttl_sec": 300} for kind, target in sorted(WANTED)]
    control.put_zone(where.DOMAIN, wanted, soa_email=zone["soa_email"], ttl_sec=zone["ttl_sec"])


def test_twelve_thousand_records(full_zone: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the zone has 12,000 records with ours"
    by_itself(full_zone, case, undisturbed)
    assert len(full_zone.services.control.records(where.DOMAIN)) == 12_000
    case.happened = "all pages are read, ours are added, the others stay"


def test_a_zone_that_is_full(full_zone: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the zone has 12,000 records without ours: no more are allowed"
    control = full_zone.services.control
    for number in range(2):
        control.add_record(where.DOMAIN, f"more-{number}", "A", "203.0.113.200")
    run = install(full_zone)
    assert run.status == STEP_FAILED, run.text[-3000:]
    said: list[Block] = [failed(run, rf"dns/record-{kind}-", r"A domain may have at most 12000 active records", r"Cloud Manager") for kind in ("a", "aaaa")]
    case.happened = f"exit 1: {said[0].parts['why']}"
    for number in range(2):
        control.delete_records(where.DOMAIN, f"more-{number}", "A")
    # The last one: the client looks, too.
    after_all(full_zone, case, undisturbed, checks=True)
