#!/bin/sh
# The contract of the official image's entrypoint: options or a configuration file mean redis-server; a server started
# as root gives /data to redis and goes on as redis; files are made with umask 077.
set -e

case "$1" in
-* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
	find . ! -user redis -exec chown redis '{}' +
	exec gosu redis "$0" "$@"
fi

[ "$(umask)" != 0022 ] || umask 0077

# The official image is compiled with protected mode off. Debian's is not, so it is switched off here,
# unless it is spoken of in the arguments or in the configuration file.
if [ "$1" = redis-server ]; then
	case "$*" in
	*protected-mode* | *--version* | *--help* | *--test-memory*) ;;
	*)
		if [ ! -f "$2" ] || ! grep -q '^[[:space:]]*protected-mode' "$2"; then
			set -- "$@" --protected-mode no
		fi
		;;
	esac
fi

exec "$@"
