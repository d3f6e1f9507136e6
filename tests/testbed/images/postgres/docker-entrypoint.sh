#!/usr/bin/env bash
# The documented contract of the official image's entrypoint, written anew: POSTGRES_USER, _PASSWORD, _DB,
# _INITDB_ARGS (each also as _FILE), POSTGRES_INITDB_WALDIR, POSTGRES_HOST_AUTH_METHOD, PGDATA, scripts in
# /docker-entrypoint-initdb.d, and a server that is never reachable by TCP before it is ready.
set -Eeo pipefail

# Sets $1 from itself, from the file that $1_FILE names, or to the default $2.
from_file() {
	local file="$1_FILE"
	if [ "${!1:-}" ] && [ "${!file:-}" ]; then
		printf >&2 'error: both %s and %s are set (but are exclusive)\n' "$1" "$file"
		exit 1
	fi
	local value="${!1:-${2:-}}"
	[ -z "${!file:-}" ] || value="$(<"${!file}")"
	export "$1=$value"
	unset "$file"
}

read_settings() {
	from_file POSTGRES_PASSWORD
	from_file POSTGRES_USER postgres
	from_file POSTGRES_DB "$POSTGRES_USER"
	from_file POSTGRES_INITDB_ARGS
}

make_directories() {
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || true # as the official one: PostgreSQL itself will say what is wrong
	mkdir -p /var/run/postgresql || true
	chmod 03775 /var/run/postgresql || true
	local owned=("$PGDATA" /var/run/postgresql)
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		owned+=("$POSTGRES_INITDB_WALDIR")
	fi
	if [ "$(id -u)" = 0 ]; then
		find "${owned[@]}" ! -user postgres -exec chown postgres '{}' +
	fi
	[ -z "${POSTGRES_INITDB_WALDIR:-}" ] || chmod 700 "$POSTGRES_INITDB_WALDIR"
}

refuse_without_password() {
	[ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ] || return 0
	cat >&2 <<-'END'
		Error: Database is uninitialized and superuser password is not specified.
		       You must specify POSTGRES_PASSWORD to a non-empty value for the
		       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

		       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
		       connections without a password. This is *not* recommended.

		       See PostgreSQL documentation about "trust":
		       https://www.postgresql.org/docs/current/auth-trust.html
	END
	exit 1
}

# initdb wants its user in the user database; any other uid gets a name from nss_wrapper.
name_this_uid() {
	! getent passwd "$(id -u)" >/dev/null || return 0
	NSS_WRAPPER_PASSWD="$(mktemp)" NSS_WRAPPER_GROUP="$(mktemp)"
	LD_PRELOAD="$(echo /usr/lib/*/libnss_wrapper.so)"
	export LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
	printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" >"$NSS_WRAPPER_PASSWD"
	printf 'postgres:x:%s:\n' "$(id -g)" >"$NSS_WRAPPER_GROUP"
}

forget_name() {
	[ -z "${NSS_WRAPPER_PASSWD:-}" ] || rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
	unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

init_database() {
	name_this_uid
	local wal=()
	[ -z "${POSTGRES_INITDB_WALDIR:-}" ] || wal=(--waldir "$POSTGRES_INITDB_WALDIR")
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"' "${wal[@]}"'
	forget_name
}

# Arguments: the server's, because they can set password_encryption.
allow_network_clients() {
	local method
	method="$(postgres -C password_encryption "$@")"
	printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-$method}" >>"$PGDATA/pg_hba.conf"
}

sql() {
	PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "$@"
}

make_database() {
	local there
	there="$(sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")"
	[ -n "$there" ] || sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
}

run_init_files() {
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case "$file" in
		*/\*) ;;
		*.sh) if [ -x "$file" ]; then echo "$0: running $file"; "$file"; else echo "$0: sourcing $file"; . "$file"; fi ;;
		*.sql) echo "$0: running $file"; sql --dbname "$POSTGRES_DB" -f "$file" ;;
		*.sql.gz) echo "$0: running $file"; gunzip -c "$file" | sql --dbname "$POSTGRES_DB" ;;
		*.sql.xz) echo "$0: running $file"; xzcat "$file" | sql --dbname "$POSTGRES_DB" ;;
		*.sql.zst) echo "$0: running $file"; zstd -dc "$file" | sql --dbname "$POSTGRES_DB" ;;
		*) echo "$0: ignoring $file" ;;
		esac
	done
}

# Arguments: the server's. A server on the socket alone makes the database and runs the scripts.
fill_database() {
	export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
	set -- "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
	NOTIFY_SOCKET='' PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
	make_database
	run_init_files
	PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
	unset PGPASSWORD
}

# Whether postgres would only print something and end.
only_prints() {
	local argument
	for argument; do
		case "$argument" in
		-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

[ "${1:0:1}" != - ] || set -- postgres "$@"

if [ "$1" = postgres ] && ! only_prints "$@"; then
	read_settings
	make_directories
	if [ "$(id -u)" = 0 ]; then
		exec gosu postgres "${BASH_SOURCE[0]}" "$@"
	fi
	if [ -s "$PGDATA/PG_VERSION" ]; then
		printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
	else
		refuse_without_password
		init_database
		allow_network_clients "${@:2}"
		fill_database "${@:2}"
		printf '\nPostgreSQL init process complete; ready for start up.\n\n'
	fi
fi

exec "$@"
