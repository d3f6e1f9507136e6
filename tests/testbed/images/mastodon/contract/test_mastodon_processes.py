"""Sidekiq and streaming: mastodon.md §1.4, §1.7, §6."""

from __future__ import annotations

import base64
import json
import re
import socket
from pathlib import Path

import pytest
from mastodon_browser import Browser
from mastodon_stack import CONFINED, Reply, Stack, request, wait_for

READY = "tmp/sidekiq_process_has_started_and_will_begin_processing_jobs"
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
}


def test_sidekiq_does_the_work(stack: Stack, sidekiq: str) -> None:
    """The owner's bootstrap job was enqueued before Sidekiq ran."""
    wait_for("the job", lambda: stack.redis("GET", "stand-in:bootstrapped:admin") != "", seconds=20)
    assert stack.redis("GET", "stand-in:bootstrapped:admin").startswith("20")
    assert stack.redis("SCARD", "processes") == "1"


def test_official_health_check_of_sidekiq(stack: Stack, sidekiq: str) -> None:
    done = stack.run("sh", "-c", r"ps aux | grep '[s]idekiq\ 8' || false", name=sidekiq)
    assert done.code == 0 and "sidekiq 8." in done.stdout


def test_queues(stack: Stack, sidekiq: str) -> None:
    code = "puts Sidekiq::ProcessSet.new.first['queues'].sort.join(' ')"
    assert stack.ruby(code) == "default fasp ingress mailers pull push scheduler\n"


def test_ready_file_goes_with_sidekiq(stack: Stack) -> None:
    stack.start("brief", "mastodon", ["bundle", "exec", "sidekiq"], CONFINED)
    wait_for("sidekiq", lambda: stack.run("test", "-e", READY, name="brief").code == 0)
    stack.run("sh", "-c", "kill -TERM $(pgrep -f '^sidekiq 8')", name="brief")
    wait_for("the end", lambda: "Bye!" in stack.logs("brief"), seconds=30)
    assert "Shutting down" in stack.logs("brief")


@pytest.fixture(scope="module")
def streaming(stack: Stack, prepared: object) -> int:
    options = [option for option in CONFINED if "opt/mastodon" not in option]
    stack.start("streaming", "streaming", [], options, env={**stack.env, "PORT": str(stack.streaming_port), "BIND": "127.0.0.1"})
    wait_for("streaming", lambda: request(stack.streaming_port, "/api/v1/streaming/health").status == 200)
    return stack.streaming_port


def handshake(port: int, path: str) -> Reply:
    return request(port, path, headers=UPGRADE)


def test_streaming_health(streaming: int) -> None:
    reply = request(streaming, "/api/v1/streaming/health")
    assert (reply.status, reply.body, reply.headers["cache-control"]) == (200, "OK", "private, no-store")
    assert reply.headers["content-type"] == "text/plain"


def test_streaming_without_token(streaming: int) -> None:
    reply = handshake(streaming, "/api/v1/streaming")
    assert (reply.status, reply.headers["x-error-message"]) == (401, "Missing access token")
    assert reply.headers["content-type"] == "text/plain"


def test_streaming_with_a_wrong_token(streaming: int) -> None:
    assert handshake(streaming, "/api/v1/streaming?access_token=wrong").headers["x-error-message"] == "Invalid access token"


def test_streaming_without_upgrade(streaming: int) -> None:
    reply = request(streaming, "/api/v1/streaming")
    assert (reply.status, reply.json()) == (400, {"error": "Unknown channel requested"})


def test_streaming_metrics(streaming: int) -> None:
    assert re.search(r"^connected_clients\{type=\"websocket\"\} \d+$", request(streaming, "/metrics").body, re.MULTILINE)


def test_streaming_passes_on_what_is_published(streaming: int, signed_in: Browser, stack: Stack) -> None:
    """A token from the signed-in page opens a WebSocket, on which Redis' messages arrive."""
    token = re.search(r'"access_token":"([\w-]+)"', signed_in.get("/").body)
    assert token
    account = stack.sql("SELECT id FROM accounts WHERE username = 'admin'")
    with socket.create_connection(("127.0.0.1", streaming), timeout=10) as connection:
        lines = [f"GET /api/v1/streaming?access_token={token[1]} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in UPGRADE.items())]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        wait_for("the subscription", lambda: stack.redis("PUBLISH", f"timeline:{account}", '{"event":"update"}') == "1", seconds=10)
        assert b'"event":"update"' in connection.recv(4096)


def test_streaming_stops_at_once(stack: Stack, streaming: int) -> None:
    """SIGTERM ends it with 0, so that a stop does not take docker's 10 seconds."""
    stack.stop("streaming")
    assert stack.exit_code("streaming") == 0


def test_the_fate_of_a_test_message_is_told(stack: Stack, sidekiq: str) -> None:
    """The product's script (assets/mastodon/test_message.rb): without a relay no login is set."""
    script = (Path(__file__).parents[5] / "assets/mastodon/test_message.rb").read_text()
    given = json.dumps({"to": "reader@mail.test", "subject": "Test", "body": "text"})
    told = stack.ruby(f"TOOTSTRAP_GIVEN = '{given}'\n{script}")
    [line] = [line for line in told.splitlines() if line.startswith("tootstrap-mail: ")]
    fate = json.loads(line.partition(" ")[2])
    assert (fate["fate"], fate["message"]) == ("failed", "SMTP-AUTH requested but missing user name"), fate
    # What tells a message that was sent from one that was lost: the log says of every job by its name how it ended.
    ends = re.findall(rf"\bjid={fate['job']}\b.*: (done|fail)$", stack.logs(sidekiq), re.MULTILINE)
    assert ends == ["fail"], ends
    assert re.search(r"\bclass=BootstrapTimelineWorker\b.*: done$", stack.logs(sidekiq), re.MULTILINE)
    assert "reader@mail.test" not in stack.ruby("puts Sidekiq::RetrySet.new.map(&:value)"), "it would be tried again"
