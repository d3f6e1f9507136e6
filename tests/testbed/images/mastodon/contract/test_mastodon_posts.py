"""Posting: what an app's POST /api/v1/statuses leaves behind once it is acknowledged."""

from __future__ import annotations

import json

from conftest import make_user
from mastodon_stack import Reply, Stack, request, wait_for

TOKEN = "posting-token"
MAKE_TOKEN = f"""
user = User.find_by!(email: 'poster@mail.test')
OauthAccessToken.create!(application: OauthApplication.find_by!(superapp: true), resource_owner_id: user.id, token: '{TOKEN}', scopes: 'read write')
"""


def post(port: int, text: str, token: str | None = TOKEN) -> Reply:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}" if token else None}
    return request(port, "/api/v1/statuses", "POST", headers, json.dumps({"status": text}))


def test_a_post_is_a_row_and_a_job(stack: Stack, web: int, sidekiq: str) -> None:
    assert make_user(stack, "poster", "poster@mail.test").code == 0
    assert stack.runner(MAKE_TOKEN).code == 0
    reply = post(web, "hello <world>")
    assert reply.status == 200, reply.body
    said = reply.json()
    assert said["content"] == "<p>hello &lt;world&gt;</p>" and said["account"]["acct"] == "poster"
    assert stack.sql(f"SELECT text, local FROM statuses WHERE id = {int(said['id'])}") == "hello <world>|t"
    wait_for("the job", lambda: stack.redis("SISMEMBER", "stand-in:distributed", said["id"]) == "1", seconds=20)


def test_refusals(web: int) -> None:
    for token in (None, "wrong"):
        assert post(web, "x", token).status == 401
    empty = post(web, " ")
    assert (empty.status, empty.json()["error"]) == (422, "Validation failed: Text can't be blank")
