"""The questions, on a real terminal: answers are tried as they are typed, read back, and can be changed."""

from __future__ import annotations

import os
from pathlib import Path

from product import DONE, REFUSED, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.terminal import flowing, terminal
from tour import keep_text

#: What the answers end with when they are read back.
END = "q: end, and change nothing: "
#: Ctrl-C and Ctrl-Z.
INTERRUPT, SUSPEND = b"\x03", b"\x1a"
#: A token of somebody else's.
WRONG = "b" * 64

FILES = "find /etc/tootstrap /opt /usr/local/bin /var/lib/tootstrap -type f -exec sha256sum {} + 2>/dev/null || true"


def test_answers_are_tried_read_back_and_changed(bare: Bed, dist: Path) -> None:
    program = Product.uploaded(bare.machine, dist).program
    before = bare.machine.sh(FILES)
    with terminal(bare.machine.entering([program, "install"])) as person:
        person.answer("Name of your site", "https://nope.example.org")
        assert "is a web address" in flowing(person.answer("Name of your site", where.DOMAIN))
        news = flowing(person.answer("Type it again", "other.example.org"))
        assert f"{where.DOMAIN} is served by Linode's name servers" in news and f"@you@{where.DOMAIN}" in news, news
        assert "That is another name" in flowing(person.answer("Name of your site", where.DOMAIN))
        person.answer("Type it again", where.DOMAIN)
        person.answer("Your e-mail address", "ada@no-such-domain.invalid")
        assert "cannot receive mail" in flowing(person.answer("Your e-mail address", "ada@example.org"))
        person.key("Linode API token", SUSPEND)
        person.answer("Linode API token", WRONG)
        assert "Linode does not accept the API token" in flowing(person.answer("Linode API token", where.TOKEN))
        assert "It works: this account has no zone" in flowing(person.answer("Name of your account", "ada"))
        assert f"Your handle will be @ada@{where.DOMAIN}" in flowing(person.answer("Who may join?", "open"))
        person.answer("fresh server", "yes")

        news = person.answer("Enter: go on", "e")
        for line in (f"https://{where.DOMAIN}", f"@ada@{where.DOMAIN}  (for ever)", "ada@example.org", "made at Linode with your token", "open"):
            assert line in news, news
        assert f"[{where.DOMAIN}]" in flowing(person.answer("such as social.example.org [" + where.DOMAIN + "]", ""))
        person.answer("Your e-mail address", "")
        assert "the one that you gave" in person.until("the one that you gave")
        os.write(person.descriptor, b"\n")
        person.answer("[ada]", "grace")
        assert "@grace@" in flowing(person.answer("Who may join?", "just-me"))
        person.answer("fresh server", "")
        assert "just you" in flowing(person.answer("Enter: go on", "q"))
        assert "nothing was changed" in person.until("nothing was changed")
        keep_text("questions", "sudo tootstrap install", "".join(person.seen.partition(END)[:2]))
        assert person.process.wait(timeout=30) == REFUSED
        assert WRONG not in person.seen and where.TOKEN not in person.seen, "a secret was shown"
    assert bare.machine.sh(FILES) == before, "questions changed something"
    assert bare.services.control.domains() == [], "trying a token makes nothing"


def test_a_secret_that_is_not_typed_leaves_the_terminal_as_it_was(bare: Bed, dist: Path) -> None:
    program = Product.uploaded(bare.machine, dist).program
    with terminal(bare.machine.entering([program, "install", "--owner", "ada"])) as person:
        for prompt in ("Name of your site", "Type it again"):
            person.answer(prompt, where.DOMAIN)
        person.answer("Your e-mail address", "ada@example.org")
        person.until("Linode API token")
        assert person.hides()
        person.key("", INTERRUPT)
        assert person.process.wait(timeout=30) != DONE
        assert not person.hides()
