"""The relay, asked as Mastodon asks it."""

import smtplib
import socket
import ssl
from email.message import EmailMessage

import pytest

from testbed.services import addresses
from testbed.services.conftest import Bed
from testbed.services.namespace import inside
from testbed.services.relay import LOGIN, PASSWORD, UNKNOWN

SENDER, READER = f"notifications@social.{addresses.TEST_DOMAIN}", "reader@example.org"


def relay(bed: Bed, port: int, name: str = addresses.RELAY) -> smtplib.SMTP:
    """Connected and encrypted; `name` is what the certificate must be for."""
    trust = ssl.create_default_context(cafile=bed.ca)
    with inside(bed.namespace):
        raw = socket.create_connection((addresses.RELAY_V4, port), timeout=5)
    client = smtplib.SMTP(timeout=5)
    client._host = name
    client.sock = trust.wrap_socket(raw, server_hostname=name) if port == 465 else raw
    assert client.getreply()[0] == 220
    if port != 465:
        assert client.starttls(context=trust)[0] == 220
    return client


@pytest.mark.parametrize("port", [25, 465, 587, 2525])
def test_mail_is_taken_on_every_port_once_signed_in(bed: Bed, port: int) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, READER, f"port {port}"
    message.set_content("text\n")
    with relay(bed, port) as client:
        client.login(LOGIN, PASSWORD)
        client.send_message(message)
    [taken] = bed.control.mail()
    assert (taken["from"], taken["to"], taken["body"]) == (SENDER, [READER], "text\n")
    assert taken["headers"]["subject"] == f"port {port}"
    bed.control.reset()
    assert bed.control.mail() == []


def test_what_a_provider_refuses_is_refused(bed: Bed) -> None:
    with relay(bed, 587) as client:
        client.ehlo()
        assert client.mail(SENDER)[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(LOGIN, "wrong")
        assert refused.value.smtp_code == 535
        client.login(LOGIN, PASSWORD)
        assert client.mail("me@example.org")[0] == 553
        assert client.mail(SENDER)[0] == 250
        assert client.rcpt(f"{UNKNOWN}@example.org")[0] == 550
        assert client.rcpt(READER)[0] == 250


def test_no_login_without_encryption(bed: Bed) -> None:
    with inside(bed.namespace):
        raw = socket.create_connection((addresses.RELAY_V4, 25), timeout=5)
    client = smtplib.SMTP(timeout=5)
    client.sock = raw
    client.getreply()
    client.ehlo()
    assert client.has_extn("starttls") and not client.has_extn("auth")
    client.close()


def test_a_certificate_for_its_names_only(bed: Bed) -> None:
    relay(bed, 587, addresses.POSTMARK).close()
    with pytest.raises(ssl.SSLCertVerificationError):
        relay(bed, 587, addresses.MISNAMED_RELAY)


def test_a_blocked_port_says_nothing_until_it_is_free_again(bed: Bed) -> None:
    bed.control.block_mail([25, 587])
    with pytest.raises(TimeoutError):
        relay(bed, 587)
    relay(bed, 2525).close()
    bed.control.block_mail([])
    relay(bed, 587).close()


def test_its_names_lead_to_it(bed: Bed) -> None:
    for name in (addresses.RELAY, addresses.POSTMARK, addresses.MISNAMED_RELAY):
        assert bed.answers(addresses.RECURSOR_MACHINE, name) == [addresses.RELAY_V4]
