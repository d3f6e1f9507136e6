"""The TLS front with what stands behind it, and its faults."""

import base64
import http.client
import http.server
import json
import re
import socket
import ssl
import threading
import time

import pytest

from testbed.services import DEFAULT_TOKEN, ApiFault, ControlError, HostFault, addresses

from .storage_for_tests import MANIFEST_TYPE, digest, layer

RELEASES, API, GHCR, HUB = addresses.RELEASES, addresses.API, addresses.GHCR, addresses.DOCKER_HUB
TOKEN = f"Bearer {DEFAULT_TOKEN}"
FILE = bytes(range(256)) * 4000


@pytest.fixture
def url(bed):
    """A release file of a megabyte."""
    (bed.dist / "file").write_bytes(FILE)
    return f"{RELEASES}/file"


def _curl(bed, url, *options):
    """A download by curl, through the machine's recursor."""
    return bed.run("curl", "-4sS", "--cacert", str(bed.ca), "-o", "/dev/null", *options, f"https://{url}")


class TestFiles:
    @pytest.mark.parametrize("family", [4, 6])
    def test_whole_file_over_both_families(self, bed, url, family):
        reply = bed.https("GET", url, family=family)
        assert (reply.status, reply.body) == (200, FILE)

    @pytest.mark.parametrize(
        ("wanted", "status", "body", "content_range"),
        [
            ("bytes=10-19", 206, FILE[10:20], f"bytes 10-19/{len(FILE)}"),
            ("bytes=1023990-", 206, FILE[1023990:], f"bytes 1023990-1023999/{len(FILE)}"),
            ("bytes=-5", 206, FILE[-5:], f"bytes 1023995-1023999/{len(FILE)}"),
            ("bytes=1024000-", 416, b"", f"bytes */{len(FILE)}"),
            ("lines=1-2", 200, FILE, None),
        ],
    )
    def test_ranges(self, bed, url, wanted, status, body, content_range):
        reply = bed.https("GET", url, Range=wanted)
        assert (reply.status, reply.body, reply.headers.get("content-range")) == (status, body, content_range)

    def test_head_has_the_length_and_no_body(self, bed, url):
        reply = bed.https("HEAD", url)
        assert (reply.status, reply.headers["content-length"], reply.body) == (200, str(len(FILE)), b"")

    @pytest.mark.parametrize("path", ["nothing", "../output", "%2e%2e/output", ""])
    def test_nothing_else_is_served(self, bed, path):
        assert bed.https("GET", f"{RELEASES}/{path}").status == 404

    def test_apt_repository(self, bed):
        assert bed.https("GET", f"{addresses.DOCKER_APT}/linux/debian/gpg").body == b"a key\n"

    def test_speed(self, bed):
        """The brief: blobs at more than 100 MB/s; on a busy machine of two cores half of it is demanded."""
        size = 200_000_000
        with (bed.dist / "big").open("wb") as file:
            file.truncate(size)
        done = _curl(bed, f"{RELEASES}/big", "-w", "%{size_download} %{speed_download}")
        downloaded, speed = done.stdout.split()
        assert int(downloaded) == size and float(speed) > 50_000_000, done


    def test_request_log(self, bed, url):
        bed.control.clear_front_requests()
        bed.https("GET", url, Range="bytes=0-9")
        (line,) = bed.control.front_requests()
        assert (line["host"], line["path"], line["range"], line["status"]) == (RELEASES, "/file", "bytes=0-9", 206)


class TestTls:
    def test_unknown_name_is_an_alert(self, bed):
        context = ssl.create_default_context(cafile=bed.ca)
        with bed.socket() as sock:
            sock.connect((addresses.FRONT_V4, 443))
            with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
                context.wrap_socket(sock, server_hostname="example.net")

    def test_http_redirects(self, bed):
        connection = http.client.HTTPConnection(addresses.DOCKER_APT)
        connection.sock = bed.socket()
        connection.sock.connect((addresses.FRONT_V4, 80))
        connection.request("GET", "/linux/debian/gpg")
        reply = connection.getresponse()
        assert (reply.status, reply.getheader("Location")) == (301, "https://download.docker.com/linux/debian/gpg")
        connection.close()


class TestApi:
    def test_whole_way_from_post_to_dns(self, bed):
        zone = {"domain": "fedi-test.org", "type": "master", "soa_email": "a@example.org", "ttl_sec": 300}
        made = json.loads(bed.https("POST", f"{API}/v4/domains", json.dumps(zone), Authorization=TOKEN).body)
        record = json.dumps({"type": "A", "name": "social", "target": "203.0.113.10"})
        reply = bed.https("POST", f"{API}/v4/domains/{made['id']}/records", record, Authorization=TOKEN)
        assert reply.status == 200 and reply.headers["x-oauth-scopes"] == "domains:read_write"
        deadline = time.monotonic() + 4
        while bed.answers("198.51.100.4", "social.fedi-test.org") != ["203.0.113.10"]:
            assert time.monotonic() < deadline, "the record is not published after 4 s"
            time.sleep(0.05)
        log = bed.control.api_requests()
        assert [(line["method"], line["status"]) for line in log] == [("POST", 200), ("POST", 200)]
        assert log[1]["body"]["target"] == "203.0.113.10" and DEFAULT_TOKEN not in json.dumps(log)

    def test_filter_header_arrives(self, bed):
        for name in ("a-test.org", "b-test.org"):
            bed.control.put_zone(name)
        reply = bed.https("GET", f"{API}/v4/domains", Authorization=TOKEN, X_Filter='{"domain": "b-test.org"}')
        assert [domain["domain"] for domain in json.loads(reply.body)["data"]] == ["b-test.org"]

    def test_answer_is_lost_after_the_record_was_created(self, bed):
        bed.control.put_zone("fedi-test.org")
        zone = bed.control.domains()[0]["id"]
        bed.control.add_api_fault(ApiFault("hang_after", method="POST", times=1, seconds=30))
        record = json.dumps({"type": "A", "name": "social", "target": "203.0.113.10"})
        with pytest.raises(TimeoutError):
            bed.https("POST", f"{API}/v4/domains/{zone}/records", record, timeout=0.5, Authorization=TOKEN)
        assert [record["name"] for record in bed.control.records("fedi-test.org")] == ["social"]

    def test_12000_records_come_in_24_pages(self, bed):
        bed.control.put_zone("fedi-test.org", [{"type": "TXT", "name": f"n{n}", "target": "x"} for n in range(12000)])
        zone = bed.control.domains()[0]["id"]
        page = bed.https("GET", f"{API}/v4/domains/{zone}/records?page_size=500&page=24", Authorization=TOKEN)
        answer = json.loads(page.body)
        assert (answer["pages"], answer["results"], answer["data"][-1]["name"]) == (24, 12000, "n11999")


class TestRegistry:
    """Anonymous pulls with the token protocol."""

    def _token(self, bed, host) -> str:
        challenge = bed.https("GET", f"{host}/v2/")
        assert challenge.status == 401
        realm = re.search(r'realm="https://([^"]+)",service="([^"]+)"', challenge.headers["www-authenticate"])
        reply = bed.https("GET", f"{realm[1]}?service={realm[2]}&scope=repository:x:pull")
        return "Bearer " + json.loads(reply.body)["token"]

    @pytest.mark.parametrize(("host", "name"), [(GHCR, "mastodon/mastodon"), (HUB, "library/postgres")])
    def test_manifest_and_layer(self, bed, host, name):
        token = self._token(bed, host)
        manifest = bed.https("GET", f"{host}/v2/{name}/manifests/test", Authorization=token, Accept=MANIFEST_TYPE)
        assert manifest.status == 200 and manifest.headers["docker-content-digest"] == digest(manifest.body)
        described = json.loads(manifest.body)["layers"][0]
        blob = bed.https("GET", f"{host}/v2/{name}/blobs/{described['digest']}", Authorization=token)
        assert blob.body == layer() and digest(blob.body) == described["digest"]

    @pytest.mark.parametrize("name", ["ghcr.io/mastodon/mastodon:test", "docker.io/library/postgres:test"])
    def test_real_client_pulls(self, bed, tmp_path, name):
        trusted = tmp_path / "trusted"
        trusted.mkdir()
        (trusted / "ca.crt").write_bytes(bed.ca.read_bytes())
        argv = ["skopeo", "copy", "--insecure-policy", "--src-cert-dir", str(trusted), f"docker://{name}"]
        done = bed.run(*argv, f"dir:{tmp_path}/image")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "image" / digest(layer()).removeprefix("sha256:")).read_bytes() == layer()

    def test_layer_is_resumed_with_a_range(self, bed):
        token = self._token(bed, GHCR)
        path = f"{GHCR}/v2/mastodon/mastodon/blobs/{digest(layer())}"
        reply = bed.https("GET", path, Authorization=token, Range="bytes=1000000-")
        assert (reply.status, reply.body) == (206, layer()[1000000:])

    def test_reset_in_the_middle_of_a_layer_then_resume(self, bed):
        token = self._token(bed, GHCR)
        bed.control.add_host_fault(HostFault(GHCR, path="/blobs/", reset_after=1_000_000, times=1))
        path = f"{GHCR}/v2/mastodon/mastodon/blobs/{digest(layer())}"
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            bed.https("GET", path, Authorization=token)
        assert bed.https("GET", path, Authorization=token).body == layer()

    def test_nothing_can_be_pushed(self, bed):
        token = self._token(bed, GHCR)
        reply = bed.https("POST", f"{GHCR}/v2/mastodon/mastodon/blobs/uploads/", "", Authorization=token)
        assert reply.status == 405

    def test_unknown_image(self, bed):
        reply = bed.https("GET", f"{GHCR}/v2/nobody/nothing/manifests/x", Authorization=self._token(bed, GHCR))
        assert reply.status == 404 and json.loads(reply.body)["errors"][0]["code"] == "MANIFEST_UNKNOWN"


class TestAcme:
    @pytest.mark.parametrize("host", [addresses.ACME, addresses.ACME_STAGING])
    def test_directory_names_the_production_host(self, bed, host):
        directory = json.loads(bed.https("GET", f"{host}/directory").body)
        assert directory["newOrder"].startswith(f"https://{host}/")

    def test_root_certificate(self, bed):
        assert bed.control.pebble_root().startswith("-----BEGIN CERTIFICATE-----")

    def test_certificate_by_http_01(self, bed, tmp_path):
        """A real ACME client gets a certificate for a name of the emulator's zone."""
        bed.control.set_publication_delay(0)
        bed.control.put_zone("fedi-test.org", [{"type": "A", "name": "social", "target": addresses.MACHINE_V4}])
        for name in ("account", "site"):
            bed.run("openssl", "genrsa", "-out", str(tmp_path / name), "2048").check_returncode()
        subject = ["-subj", "/", "-addext", "subjectAltName=DNS:social.fedi-test.org"]
        request = ["openssl", "req", "-new", "-key", str(tmp_path / "site"), *subject, "-out", str(tmp_path / "csr")]
        bed.run(*request).check_returncode()
        with _challenges(bed, tmp_path):
            done = bed.run(
                "acme-tiny", "--account-key", str(tmp_path / "account"), "--csr", str(tmp_path / "csr"),
                "--acme-dir", str(tmp_path), "--disable-check",
                "--directory-url", f"https://{addresses.ACME}/directory", SSL_CERT_FILE=str(bed.ca),
            )  # fmt: skip
        assert done.stdout.startswith("-----BEGIN CERTIFICATE-----"), done.stderr
        (tmp_path / "chain").write_text(done.stdout)
        (tmp_path / "root").write_text(bed.control.pebble_root())
        chain, root = str(tmp_path / "chain"), str(tmp_path / "root")
        check = ["openssl", "verify", "-verify_hostname", "social.fedi-test.org"]
        assert bed.run(*check, "-CAfile", root, "-untrusted", chain, chain).stdout.endswith("OK\n")

    def _order(self, bed, name) -> dict:
        """The problem that a new order without a valid signature gets."""
        payload = base64.urlsafe_b64encode(json.dumps({"identifiers": [{"type": "dns", "value": name}]}).encode())
        body = json.dumps({"protected": "", "payload": payload.decode().rstrip("="), "signature": ""})
        reply = bed.https("POST", f"{addresses.ACME}/order-plz", body, Content_Type="application/jose+json")
        return json.loads(reply.body)

    @pytest.mark.parametrize(
        ("name", "tag", "value", "forbidden"),
        [
            ("", "issue", "ca.example.net", True),
            ("social", "issue", ";", True),
            ("", "issue", "letsencrypt.org", False),
            ("", "iodef", "mailto:a@example.org", False),
        ],
    )
    def test_caa_record_forbids_us(self, bed, name, tag, value, forbidden):
        bed.control.set_publication_delay(0)
        bed.control.put_zone("fedi-test.org", [{"type": "CAA", "name": name, "tag": tag, "target": value}])
        problem = self._order(bed, "social.fedi-test.org")
        assert (problem["type"] == "urn:ietf:params:acme:error:caa") is forbidden, problem

    def test_authority_is_rate_limited(self, bed):
        problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates"}
        headers = {"Content-Type": "application/problem+json", "Retry-After": "3600"}
        bed.control.add_host_fault(
            HostFault(addresses.ACME, path="order-plz", status=429, headers=headers, body=json.dumps(problem))
        )
        reply = bed.https("POST", f"{addresses.ACME}/order-plz", "{}")
        assert (reply.status, reply.headers["retry-after"], json.loads(reply.body)) == (429, "3600", problem)
        assert bed.https("GET", f"{addresses.ACME_STAGING}/directory").status == 200


def _challenges(bed, directory):
    """The machine's web server on port 80: tokens of http-01 from a directory."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = (directory / self.path.rsplit("/", 1)[-1]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """pytest shows failures, not requests."""

    class Server(http.server.ThreadingHTTPServer):
        def __init__(self):
            super().__init__((addresses.MACHINE_V4, 80), Handler, bind_and_activate=False)
            self.socket.close()
            self.socket = bed.socket()
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(self.server_address)
            self.server_activate()
            threading.Thread(target=self.serve_forever, daemon=True).start()

        def __exit__(self, *details):
            self.shutdown()
            super().__exit__(*details)

    return Server()


class TestWebsite:
    """The operator's own site on the bare domain."""

    QUESTION = f"{addresses.TEST_DOMAIN}/.well-known/webfinger?resource=acct:a@{addresses.TEST_DOMAIN}"

    def test_it_is_a_site_that_knows_no_handles(self, bed):
        assert b"A site of its own" in bed.https("GET", f"{addresses.TEST_DOMAIN}/").body
        assert bed.https("GET", self.QUESTION).status == 404

    def test_it_redirects_questions_about_handles_until_it_is_told_not_to(self, bed):
        bed.control.set_webfinger_redirect("social.fedi-test.org")
        reply = bed.https("GET", self.QUESTION)
        wanted = f"https://social.fedi-test.org/.well-known/webfinger?resource=acct:a@{addresses.TEST_DOMAIN}"
        assert (reply.status, reply.headers["location"]) == (301, wanted)
        bed.control.reset()
        assert bed.https("GET", self.QUESTION).status == 404


class TestFaults:
    @pytest.mark.parametrize("status", [404, 429, 500])
    def test_status(self, bed, url, status):
        bed.control.add_host_fault(HostFault(RELEASES, status=status, times=1, headers={"Retry-After": "1"}, body="no"))
        reply = bed.https("GET", url)
        assert (reply.status, reply.body, reply.headers["retry-after"]) == (status, b"no", "1")
        assert bed.https("GET", url).status == 200

    def test_wrong_byte(self, bed, url):
        bed.control.add_host_fault(HostFault(RELEASES, flip_at=700_000))
        body = bed.https("GET", url).body
        assert [at for at in range(len(FILE)) if body[at] != FILE[at]] == [700_000] and len(body) == len(FILE)

    def test_truncation_promises_more_than_comes(self, bed, url):
        bed.control.add_host_fault(HostFault(RELEASES, truncate_after=300_000))
        with pytest.raises(http.client.IncompleteRead) as caught:
            bed.https("GET", url)
        assert caught.value.partial == FILE[:300_000]
        assert "724000 bytes remaining" in _curl(bed, url).stderr

    @pytest.mark.parametrize("after", [0, 300_000])
    def test_reset(self, bed, url, after):
        bed.control.add_host_fault(HostFault(RELEASES, reset_after=after))
        assert "reset by peer" in _curl(bed, url).stderr

    @pytest.mark.parametrize("after", [0, 300_000])
    def test_stall(self, bed, url, after):
        bed.control.add_host_fault(HostFault(RELEASES, stall_after=after))
        with pytest.raises(TimeoutError):
            bed.https("GET", url, timeout=0.5)

    def test_bytes_per_second(self, bed, url):
        bed.control.add_host_fault(HostFault(RELEASES, bytes_per_second=2_000_000))
        start = time.monotonic()
        assert bed.https("GET", url).body == FILE
        assert 0.4 < time.monotonic() - start < 3

    def test_delay(self, bed, url):
        bed.control.add_host_fault(HostFault(RELEASES, delay=0.3))
        start = time.monotonic()
        assert bed.https("GET", url).status == 200
        assert time.monotonic() - start > 0.3

    def test_only_ipv6_is_broken(self, bed, url):
        bed.control.add_host_fault(HostFault(RELEASES, family=6, reset_after=0))
        with pytest.raises(ConnectionResetError):
            bed.https("GET", url, family=6)
        assert bed.https("GET", url, family=4).body == FILE

    def test_path_skip_and_clear(self, bed, url):
        bed.control.add_host_fault(HostFault(RELEASES, path="^/file$", skip=1, status=500))
        assert [bed.https("GET", url).status for _ in range(3)] == [200, 500, 500]
        assert bed.https("GET", f"{RELEASES}/nothing").status == 404
        bed.control.clear_host_faults(RELEASES)
        assert bed.https("GET", url).status == 200

    def test_host_that_the_front_does_not_serve(self, bed):
        with pytest.raises(ControlError, match="does not serve"):
            bed.control.add_host_fault(HostFault("example.net", status=500))
