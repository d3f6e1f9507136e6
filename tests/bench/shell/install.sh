#!/bin/sh
# The floor: the same commands, one after the other, without looking first, without waiting for anybody, without checking anything. It works
# once, on a bare machine where nothing goes wrong.
set -eu
state=/opt/bench/state
export DEBIAN_FRONTEND=noninteractive
value() { sed -n "s/^ \"$1\": \"\(.*\)\",\{0,1\}$/\1/p" "$state/state.json"; }
apt() { apt-get -q -y -o DPkg::Lock::Timeout=60 "$@"; }
compose() { docker compose --project-directory /opt/mastodon "$@"; }

apt update
apt install --no-install-recommends ca-certificates curl sudo
api() { # PATH [OPTION …]
    path=$1
    shift
    printf 'Authorization: Bearer %s\n' "$LINODE_TOKEN" | curl -fsS -H @- -H 'Content-Type: application/json' "https://api.linode.com/v4/$path" "$@"
}
site=$(value site)
zone=$(api domains -d "{\"domain\":\"$(value domain)\",\"type\":\"master\",\"soa_email\":\"$(value contact)\",\"ttl_sec\":300}" | sed 's/.*"id": *\([0-9]*\).*/\1/')
api "domains/$zone/records" -d "{\"type\":\"A\",\"name\":\"$(value subdomain)\",\"target\":\"$(value address4)\",\"ttl_sec\":300}" >/dev/null
api "domains/$zone/records" -d "{\"type\":\"AAAA\",\"name\":\"$(value subdomain)\",\"target\":\"$(value address6)\",\"ttl_sec\":300}" >/dev/null

tar -xpf "$state/files.tar" -C /
apt update
apt install --no-install-recommends pigz fail2ban python3-systemd unattended-upgrades ufw docker-ce docker-ce-cli containerd.io docker-compose-plugin
apt dist-upgrade
hostname "$(value hostname)"
value hostname >/etc/hostname
echo "127.0.1.1 $site $(value hostname)" >>/etc/hosts
useradd --create-home --shell /bin/bash --groups sudo --password "$(value user_password)" "$(value user)"
chmod 700 "/home/$(value user)"
systemctl reload ssh
for port in 22/tcp 80/tcp 443/tcp 443/udp; do ufw allow $port; done
ufw --force enable
systemctl daemon-reload
systemctl enable --now tootstrap-metadata docker fail2ban
systemctl restart fail2ban
compose up --detach --no-deps --quiet-pull --wait caddy db redis
compose run --rm -T --no-deps web bundle exec rails db:prepare
compose up --detach --no-deps --quiet-pull --wait web streaming sidekiq
compose run --rm -T --no-deps web tootctl accounts create "$(value owner)" --email "$(value owner_email)" --confirmed --approve --role Owner
