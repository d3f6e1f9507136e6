#!/bin/sh
# Mastodon on a Debian machine of yours, by tootstrap @VERSION@:
#
#   curl -fsSL @URL@/install.sh | sudo sh
#   curl -fsSL @URL@/install.sh | sudo sh -s -- --domain social.example.org --email you@example.net --owner you
#
# You need not trust this: download it, read it, run it with --dry-run, then without. It downloads one program, checks its SHA-256,
# puts it into /usr/local/bin and starts `tootstrap install` with what you give it. Whatever is done once is not done again.
set -eu

VERSION='@VERSION@'
URL='@URL@/tootstrap-x86_64-linux-musl'
SHA256='@SHA256@'
PUBKEY='@PUBKEY@'
PROGRAM=/usr/local/bin/tootstrap

REACHABLE='see why it cannot be had from here: the reason above, name servers, a firewall, a proxy'
WRITABLE='have it writable, with room in it (df -h tells)'
NEWEST='get this script anew, and if that does not help, tell who publishes it; do not run that file'

part() { # NAME TEXT
    printf '%s\n' "$2" | fold -s -w 66 | sed "1s/^/  $1/; 1!s/^/            /; s/ *$//" >&2
}

give_up() { # WHY REMEDY
    echo 'install.sh: tootstrap could not be installed' >&2
    part 'why       ' "$1"
    part 'done      ' 'nothing was installed'
    part 'do        ' "$2"
    part 'go on     ' 'the same command again'
    exit 1
}

check_machine() {
    [ "$(id -u)" = 0 ] || give_up "this needs root." "put sudo before sh"
    machine=$(uname -m)
    [ "$machine" = x86_64 ] || give_up "this machine's processor ($machine) is not supported yet, only x86_64 is." "take another machine"
    free=$(df -Pk "${PROGRAM%/*}" | awk 'NR == 2 { print $4 }')
    [ "$free" -gt 65536 ] || give_up "the disk is full: ${PROGRAM%/*} has only $free KB left, 65536 are needed." "make room (df -h tells where)"
}

fetch() { # FILE URL
    if command -v curl >/dev/null; then
        curl --silent --show-error --location --fail --proto '=https' --tlsv1.2 --connect-timeout 15 --max-time 600 --retry 4 --output "$1" "$2"
    elif command -v wget >/dev/null; then
        wget --quiet --secure-protocol=TLSv1_2 --timeout=30 --tries=5 --output-document="$1" "$2"
    else
        give_up "neither curl nor wget is here." "apt-get install curl"
    fi
}

# With minisign on the machine the release must be signed too: the sums by the key, and this program's sum among them.
check_signature() {
    { [ -n "$PUBKEY" ] && command -v minisign >/dev/null; } || return 0
    sums=$(mktemp -d) || give_up "no directory can be made in ${TMPDIR:-/tmp}." "$WRITABLE"
    trap 'rm -rf "$file" "$sums"' EXIT
    for name in SHA256SUMS SHA256SUMS.minisig; do
        fetch "$sums/$name" "${URL%/*}/$name" || give_up "${URL%/*}/$name could not be downloaded." "$REACHABLE"
    done
    minisign -Vqm "$sums/SHA256SUMS" -P "$PUBKEY" >/dev/null 2>&1 ||
        give_up "the signature of ${URL%/*}/SHA256SUMS is not by the key $PUBKEY." "$NEWEST"
    grep -qxF "$SHA256  ${URL##*/}" "$sums/SHA256SUMS" ||
        give_up "the signed ${URL%/*}/SHA256SUMS does not name the program that this script is for." "$NEWEST"
    rm -rf "$sums"
    printf 'tootstrap %s is signed by %s\n' "$VERSION" "$PUBKEY"
}

get_program() {
    file=$(mktemp "$PROGRAM.XXXXXX") || give_up "no file can be made in ${PROGRAM%/*}." "$WRITABLE"
    trap 'rm -f "$file"' EXIT
    fetch "$file" "$URL" || give_up "$URL could not be downloaded." "$REACHABLE"
    sum=$(sha256sum "$file")
    [ "${sum%% *}" = "$SHA256" ] ||
        give_up "the file from $URL is not the one that this script was made for (SHA-256 ${sum%% *}, wanted $SHA256)." "$NEWEST"
    check_signature
    chmod 0755 "$file"
    mv -f "$file" "$PROGRAM"
    trap - EXIT
    printf 'tootstrap %s is in %s\n' "$VERSION" "$PROGRAM"
}

main() {
    # A shell that a signal ends does not clean up by itself.
    trap 'exit 130' INT && trap 'exit 143' TERM HUP
    check_machine
    get_program
    # Through a pipe standard input is this script itself; questions go to the terminal, if there is one.
    # (In a subshell: a redirection of `:` that fails ends the shell.)
    if [ ! -t 0 ] && (: </dev/tty) 2>/dev/null; then
        exec "$PROGRAM" install "$@" </dev/tty
    fi
    exec "$PROGRAM" install "$@"
}

# A download that broke off runs nothing: only this line does, and only if it is whole.
{ main "$@"; }
