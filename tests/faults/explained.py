"""Why each remaining finding of lynis, ssh-audit and testssl.sh is left, by the finding's id (regular expressions). Written by hand."""

from __future__ import annotations

WHY_LEFT: dict[str, dict[str, str]] = {
    "lynis": {
        r"LYNIS": "Debian's own lynis is used, as old as the release.",
        r"DEB-0280|DEB-0810|DEB-0811|DEB-0831|DEB-0870|DEB-0875|PKGS-7370": (
            "One more package that watches packages or sessions. Security updates are installed by unattended-upgrades; more is the owner's choice."
        ),
        r"DEB-0880": "fail2ban's settings stand in jail.d, beside Debian's jail.conf: that is where they survive an upgrade of the package.",
        r"TOOL-5002": "tootstrap itself is the automation, which lynis does not know.",
        r"BOOT-5264": "The systemd units are Debian's and Docker's. What faces the network runs in containers with every capability dropped.",
        r"KRNL-5788": "The machine of the test bed has no kernel of its own; a real one has the provider's or Debian's.",
        r"KRNL-5820": "tootstrap forbids core dumps of itself; for other programs they are the owner's to forbid.",
        r"KRNL-6000": "Docker needs forwarding and bridges; the other values are Debian's, as kernel lock-down is not asked for.",
        r"AUTH-9230|AUTH-9262|AUTH-9282|AUTH-9286": (
            "Password ageing, strength rules and lock-out shut people out of servers. The password of the sudo user is 32 random characters."
        ),
        r"AUTH-9328": "Another umask for everybody breaks installers; secrets are written with 0600 from their first moment instead.",
        r"FILE-6310": "Partitions are made by the provider, before anything of ours runs.",
        r"FILE-7524": "Modes of Debian's own files (cron, SSH); an upgrade of their package would set them back.",
        r"NETW-3200|STRG-1846|USB-1000": "Kernel modules of devices and protocols that a virtual machine does not have; they are loaded by nobody.",
        r"FIRE-4513": "Rules of ufw and Docker that no packet has met yet, a minute after they were made.",
        r"SSH-7408": "Forwarding, numbers of sessions and another port are the owner's choice; who gets in is decided, and read back with `sshd -T`.",
        r"LOGG-2154": "Sending logs elsewhere needs an elsewhere.",
        r"BANN-7126|BANN-7130": "Legal banners deter nobody.",
        r"ACCT-9622|ACCT-9626|ACCT-9628": "Accounting and auditd cost memory on a small machine and help only those who read them.",
        r"FINT-4350": "Debian offers a file integrity database (aide); it is work for its owner at each upgrade.",
        r"HRDN-7230": "Scanners for malware on servers look for other systems' malware, with all rights.",
    },
    "ssh-audit": {
        r"(kex|key) ecd.*nistp\d+": "OpenSSH's defaults. The doubt about the curves' origin is old and unproven, and some hardware keys know no others.",
        r"kex kex-strict-s-v00@openssh\.com": "The mark of the cure for the Terrapin attack, which is younger than this ssh-audit.",
        r"key ssh-rsa": "Debian 11's OpenSSH offers it last, for old clients; taking it away can lock an owner out of a running server.",
        r"mac .*": "OpenSSH prefers ciphers that authenticate by themselves; these come last in its order, for old clients.",
    },
    "testssl": {
        r"engine_problem|secure_renego": "About the OpenSSL of the computer that looks. Go, and so Caddy, knows no renegotiation in TLS 1.3 and refuses it in 1.2.",
        r"cert_revocation|cert_validityPeriod": "The certificate authority of the test bed (Pebble); Let's Encrypt's certificates last 90 days and name a revocation list.",
        r"BREACH": "Answers are compressed; Mastodon masks its authenticity tokens anew in every answer, which is the cure.",
        r"TLS_session_ticket": "The seven days are announced by Go; Caddy changes the keys of its tickets twice a day.",
    },
}
