"""What the web process answers: mastodon.md §2.4, §2.5, §2.10, §5.2, §6."""

from __future__ import annotations

import re
import time

import pytest
from mastodon_browser import Browser
from mastodon_stack import CONFINED, DOMAIN, Outcome, Stack, free_port, request, wait_for

HSTS = "max-age=63072000; includeSubDomains"


def test_health_for_any_host_and_plain_http(web: int) -> None:
    reply = request(web, "/health", headers={"Host": "localhost:3000", "X-Forwarded-Proto": None})
    assert (reply.status, reply.body) == (200, "OK")
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["x-stand-in"] == "tootstrap test bed"


@pytest.mark.parametrize("headers", [{"Host": "elsewhere.test"}, {"X-Forwarded-Host": "elsewhere.test"}])
def test_other_hosts_are_refused(web: int, headers: dict[str, str]) -> None:
    reply = request(web, "/api/v2/instance", headers=headers)
    assert (reply.status, reply.body) == (403, "")


def test_plain_http_is_redirected(web: int) -> None:
    reply = request(web, "/about", headers={"X-Forwarded-Proto": None})
    assert (reply.status, reply.headers["location"]) == (301, f"https://{DOMAIN}/about")


def test_headers(web: int) -> None:
    headers = request(web, "/").headers
    expected = {"server": "Mastodon", "x-frame-options": "DENY", "x-content-type-options": "nosniff", "x-xss-protection": "0",
                "referrer-policy": "same-origin", "strict-transport-security": HSTS}
    assert expected.items() <= headers.items()


def test_instance_v2(web: int, stack: Stack) -> None:
    reply = request(web, "/api/v2/instance")
    assert reply.status == 200
    assert "public" in reply.headers["cache-control"] and "max-age=300" in reply.headers["cache-control"]
    instance = reply.json()
    assert (instance["domain"], instance["version"]) == (DOMAIN, "4.7.4")
    assert instance["configuration"]["urls"]["streaming"] == f"wss://{DOMAIN}"
    assert instance["configuration"]["vapid"]["public_key"] == stack.env["VAPID_PUBLIC_KEY"]
    assert instance["registrations"].keys() == {"enabled", "approval_required", "reason_required", "message", "min_age", "url"}


def test_instance_v1(web: int) -> None:
    reply = request(web, "/api/v1/instance")
    assert reply.status == 200 and "deprecation" in reply.headers
    instance = reply.json()
    assert instance["uri"] == DOMAIN
    assert instance["urls"]["streaming_api"] == f"wss://{DOMAIN}"
    assert instance["stats"]["user_count"] >= 1


def test_instance_is_cached_for_three_minutes(web: int, stack: Stack) -> None:
    """A setting changed by the proper setter shows only after 3 minutes or `tootctl cache clear` (§6)."""
    before = request(web, "/api/v2/instance").json()["title"]
    title = f"Renamed {time.time()}"
    stack.ruby(f"Setting.site_title = '{title}'")
    assert request(web, "/api/v2/instance").json()["title"] == before
    assert 0 < int(stack.redis("TTL", "cache:rendered/api/v2/instance")) <= 180
    assert stack.run("tootctl", "cache", "clear").code == 0
    assert request(web, "/api/v2/instance").json()["title"] == title


def test_contact_account(web: int, stack: Stack) -> None:
    stack.ruby("Setting.site_contact_username = 'admin'; Setting.site_contact_email = 'owner@mail.test'; Rails.cache.clear")
    contact = request(web, "/api/v2/instance").json()["contact"]
    assert (contact["email"], contact["account"]["username"]) == ("owner@mail.test", "admin")


def test_webfinger(web: int, stack: Stack) -> None:
    reply = request(web, f"/.well-known/webfinger?resource=acct:admin@{DOMAIN}")
    assert reply.status == 200 and reply.headers["content-type"].startswith("application/jrd+json")
    document = reply.json()
    assert document["subject"] == f"acct:admin@{DOMAIN}"
    own = next(link for link in document["links"] if link["rel"] == "self")
    number = stack.sql("SELECT id FROM accounts WHERE username = 'admin'")
    assert (own["type"], own["href"]) == ("application/activity+json", f"https://{DOMAIN}/ap/users/{number}")
    actor = request(web, f"/ap/users/{number}").json()
    assert "PUBLIC KEY" in actor["publicKey"]["publicKeyPem"]


@pytest.mark.parametrize(("query", "status"), [
    (f"?resource=acct:ghost@{DOMAIN}", 404), ("?resource=acct:admin@elsewhere.test", 404), ("?resource=nonsense", 400), ("", 400)])
def test_webfinger_refusals(web: int, query: str, status: int) -> None:
    assert request(web, f"/.well-known/webfinger{query}").status == status


def test_webfinger_of_a_suspended_account(web: int, stack: Stack) -> None:
    stack.ruby("Account.create!(username: 'banned', suspended_at: Time.now.utc)")
    assert request(web, f"/.well-known/webfinger?resource=acct:banned@{DOMAIN}").status == 410


def test_instance_actor(web: int) -> None:
    reply = request(web, f"/.well-known/webfinger?resource=acct:{DOMAIN}@{DOMAIN}")
    assert reply.json()["subject"] == f"acct:{DOMAIN}@{DOMAIN}"
    actor = request(web, "/actor", headers={"Accept": "application/activity+json"})
    assert actor.status == 200 and actor.headers["content-type"].startswith("application/activity+json")
    assert actor.json()["publicKey"]["publicKeyPem"].startswith("-----BEGIN PUBLIC KEY-----")


def test_nodeinfo(web: int, stack: Stack) -> None:
    href = request(web, "/.well-known/nodeinfo").json()["links"][0]["href"]
    assert href == f"https://{DOMAIN}/nodeinfo/2.0"
    info = request(web, "/nodeinfo/2.0").json()
    assert (info["software"]["name"], info["software"]["version"]) == ("mastodon", "4.7.4")
    assert info["usage"]["users"]["total"] >= 1
    assert 180 < int(stack.redis("TTL", "cache:rendered/nodeinfo/2.0")) <= 1800


def test_host_meta(web: int) -> None:
    reply = request(web, "/.well-known/host-meta")
    assert reply.status == 200 and reply.headers["content-type"].startswith("application/xrd+xml")
    assert f"https://{DOMAIN}/.well-known/webfinger?resource={{uri}}" in reply.body


@pytest.mark.parametrize("path", ["/", "/about", "/@admin"])
def test_pages_carry_the_initial_state(web: int, path: str) -> None:
    reply = request(web, path)
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/html")
    assert '<script id="initial-state" type="application/json">' in reply.body


@pytest.mark.parametrize("path", ["/packs/application.js", "/500.html", "/robots.txt"])
def test_files(web: int, path: str) -> None:
    reply = request(web, path)
    assert reply.status == 200
    assert reply.headers["cache-control"] == "public, max-age=2419200, must-revalidate"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_service_worker_and_precompressed_files(web: int) -> None:
    assert request(web, "/sw.js").headers["cache-control"] == "public, max-age=604800, must-revalidate"
    assert request(web, "/packs/application.css", method="HEAD", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_unknown_paths_and_manifest(web: int) -> None:
    assert request(web, "/no/such/page").status == 404
    assert request(web, "/manifest").json()["display"] == "standalone"
    assert request(web, "/api/v1/streaming").json() == {"error": "Not Found"}


def test_spoofed_address_is_an_error(web: int, stack: Stack) -> None:
    """Forwarding headers from a peer that is no trusted proxy: 500 (§2.10). 192.0.2.9 is the only trusted one here."""
    port = free_port()
    env = {**stack.env, "PORT": str(port), "BIND": "127.0.0.1", "TRUSTED_PROXY_IP": "192.0.2.9"}
    stack.start("distrustful", "mastodon", ["bundle", "exec", "puma", "-C", "config/puma.rb"], [], env=env)
    wait_for("web", lambda: request(port, "/health").status == 200)
    assert request(port, "/about").status == 200
    assert request(port, "/about", headers={"X-Forwarded-For": "203.0.113.9"}).status == 500
    assert "IpSpoofAttackError" in stack.logs("distrustful")


def test_single_user_mode(web: int, stack: Stack) -> None:
    """§2.5: registrations closed whatever the setting, `/` stays 200, the owner is named in the initial state."""
    port = free_port()
    env = {**stack.env, "PORT": str(port), "BIND": "127.0.0.1", "SINGLE_USER_MODE": "true"}
    stack.ruby("Setting.registrations_mode = 'open'; Rails.cache.clear")
    assert request(web, "/api/v2/instance").json()["registrations"]["enabled"] is True
    stack.ruby("Rails.cache.clear")
    stack.start("single", "mastodon", ["bundle", "exec", "puma", "-C", "config/puma.rb"], CONFINED, env=env)
    wait_for("web", lambda: request(port, "/health").status == 200)
    assert request(port, "/api/v2/instance").json()["registrations"]["enabled"] is False
    assert request(port, "/nodeinfo/2.0").json()["openRegistrations"] is False
    page = request(port, "/")
    owner = stack.sql("SELECT min(id) FROM accounts WHERE id > 0 AND suspended_at IS NULL AND domain IS NULL")
    assert page.status == 200 and f'"owner":"{owner}"' in page.body
    assert request(port, "/auth/sign_up").status == 302
    stack.ruby("Setting.registrations_mode = 'none'; Rails.cache.clear")


def test_sign_in_needs_the_token(web: int, owner: Outcome) -> None:
    browser = Browser(web)
    browser.get("/auth/sign_in")
    body = "user[email]=owner@mail.test&user[password]=x"
    reply = request(web, "/auth/sign_in", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, body, browser.cookies)
    assert reply.status == 422


def test_wrong_password_leaves_no_session(web: int, stack: Stack) -> None:
    browser = Browser(web)
    reply = browser.sign_in("owner@mail.test", "wrong")
    assert "Invalid E-mail address or password." in reply.body
    assert "_session_id" not in browser.cookies
    assert stack.sql("SELECT success, failure_reason FROM login_activities ORDER BY id DESC LIMIT 1") == "f|invalid_password"


def test_sign_in_records_the_client(signed_in: Browser, stack: Stack) -> None:
    assert re.search(r'"access_token":"[\w-]+"', signed_in.get("/").body)
    assert stack.sql("SELECT current_sign_in_at IS NOT NULL FROM users WHERE email = 'owner@mail.test'") == "t"
    seen = stack.sql("SELECT DISTINCT host(ip) FROM session_activations JOIN users ON users.id = user_id WHERE email = 'owner@mail.test'")
    assert seen == signed_in.client
    assert signed_in.client in stack.sql("SELECT host(ip) FROM user_ips").splitlines()


@pytest.mark.parametrize("path", ["/admin/settings", "/admin/settings/edit", "/admin/settings/registrations", "/sidekiq"])
def test_owner_may(signed_in: Browser, path: str) -> None:
    assert signed_in.follow(path).status == 200


def test_sidekiq_page_is_sidekiqs(signed_in: Browser) -> None:
    assert "<title>" in signed_in.get("/sidekiq").body and "Sidekiq" in signed_in.get("/sidekiq").body


@pytest.mark.parametrize(("path", "status"), [("/admin/settings", 403), ("/admin/settings/edit", 403), ("/sidekiq", 404)])
def test_other_users_may_not(stranger: Browser, path: str, status: int) -> None:
    assert stranger.get("/about").status == 200
    assert stranger.follow(path).status == status


def test_visitors_may_not(web: int) -> None:
    assert Browser(web).follow("/admin/settings").status == 403
    reply = Browser(web).get("/sidekiq")
    assert (reply.status, reply.headers["location"]) == (302, f"https://{DOMAIN}/auth/sign_in")


def test_unapproved_users_are_led_to_their_account_page(web: int, stack: Stack, stranger: Browser) -> None:
    stack.sql("UPDATE users SET approved = false WHERE email = 'nobody@mail.test'")
    assert stranger.get("/").headers["location"] == f"https://{DOMAIN}/auth/edit"
    assert "pending review" in stranger.follow("/").body
    stack.sql("UPDATE users SET approved = true WHERE email = 'nobody@mail.test'")


def test_settings_saved_in_the_browser(signed_in: Browser, stack: Stack) -> None:
    """They write the rows and refresh the cache, as an operator's later run must find them."""
    page = "/admin/settings/registrations"
    saved = signed_in.submit(page, page, {"form_admin_settings[registrations_mode]": "approved"}, "PATCH")
    assert saved.status == 302
    assert stack.sql("SELECT value FROM settings WHERE var = 'registrations_mode'") == "--- approved"
    assert stack.ruby("puts Setting.registrations_mode") == "approved\n"
    refused = signed_in.submit(page, page, {"form_admin_settings[registrations_mode]": "sometimes"}, "PATCH")
    assert refused.status == 422
    stack.ruby("Setting.registrations_mode = 'none'; Rails.cache.clear")
