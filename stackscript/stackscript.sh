#!/bin/bash
#
# Mastodon on a bare Debian machine, by tootstrap @VERSION@.
# Watch it in Lish or in /var/log/stackscript.log; it ends with "Installation Complete".
#
# <UDF name="user_name" label="The limited sudo user to be created for the Linode: small letters, digits, - and _ (its password is generated)" default="" example="alice" />
# <UDF name="disable_root" label="Disable root access over SSH? Only done if the sudo user can log in." oneOf="Yes,No" default="No" />
# <UDF name="domain" label="Domain of your site. PERMANENT: it is part of every handle (@you@domain) and can NEVER be changed later. Empty: the name that Linode gives to this machine's address." default="" example="example.org" />
# <UDF name="subdomain" label="Subdomain for the site, PERMANENT as well. Empty: the domain itself. www: the domain itself, with www redirecting to it." default="" example="social" />
# <UDF name="token_password" label="Linode API token with read and write access to Domains, to make the DNS records. Used only now and not stored. Empty: you make the records yourself." default="" />
# <UDF name="soa_email_address" label="Your e-mail address: contact of the site, of the DNS zone and for the certificate" example="you@example.net" />
# <UDF name="owner_username" label="User name of the owner of the Mastodon server: letters, digits and _" example="alice" />
# <UDF name="owner_email" label="E-mail address of the owner, which is also the sign-in. It must be able to receive mail. Empty: the address above." default="" example="you@example.net" />
# <UDF name="single_user_mode" label="Single-user mode: only the owner has an account? No: anyone may join." oneOf="Yes,No" default="No" />

VERSION='@VERSION@'
URL='@URL@/tootstrap-x86_64-linux-musl'
SHA256='@SHA256@'
PUBKEY='@PUBKEY@'

LOG=/var/log/stackscript.log
PROGRAM=/usr/local/bin/tootstrap

REACHABLE='wait: a trouble of the release server or of the network passes. If it does not, take the newest version of this script'
WRITABLE='have it writable, with room in it (df -h tells)'
NEWEST='take the newest version of this script, and if that does not help, tell who publishes it; do not run that file'

tell() {
    sed 's/^/[stackscript] /; s/ *$//'
}

say() {
    printf '%s\n' "$*" | fold -s -w 64 | tell
}

part() { # NAME TEXT
    printf '%s\n' "$2" | fold -s -w 52 | sed "1s/^/  $1/; 1!s/^/            /" | tell
}

give_up() { # WHY REMEDY
    say 'FAILED: tootstrap could not be installed'
    part 'why       ' "$1"
    part 'done      ' 'nothing was installed, and nothing is lost if you rebuild'
    part 'do        ' "$2"
    part 'go on     ' "rebuild with the same form; or log in as root: curl -fsSL ${URL%/*}/install.sh | sh"
    exit 1
}

check_machine() {
    [ "$(id -u)" = 0 ] || give_up "this script must run as root." "start it as root"
    local machine
    machine=$(uname -m)
    [ "$machine" = x86_64 ] || give_up "this machine's processor ($machine) is not supported." "choose a plan with an x86-64 processor"
    local free
    free=$(df --output=avail -k "${PROGRAM%/*}" | tail -n 1)
    [ "$free" -gt 65536 ] || give_up "the disk is full: ${PROGRAM%/*} has only $free KB left, 65536 are needed." "make room (df -h tells where), or choose a bigger plan"
    command -v curl >/dev/null || command -v wget >/dev/null || install_curl
}

install_curl() {
    say "neither curl nor wget is here; installing curl"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install curl ca-certificates; } >/dev/null ||
        give_up "curl could not be installed: see the lines above." "$REACHABLE"
}

# One try. What went wrong is left in $problem, what to do in $remedy; what another try cannot cure sets $hopeless too.
fetch() { # FILE ANY_FAMILY [URL]
    local status code family=() url=${3:-$URL}
    [ "$2" = 1 ] || family=(-4)
    remedy=$REACHABLE
    if command -v curl >/dev/null; then
        code=$(curl "${family[@]}" --silent --location --fail --proto '=https' --tlsv1.2 --connect-timeout 15 --max-time 600 \
            --write-out '%{http_code}' --output "$1" "$url")
        status=$?
        case $status in
        0) return 0 ;;
        18) problem="the download of $url broke off" ;;
        22) problem="the release server answers $code for $url" ;;
        23) problem="the file could not be written: the disk is full" remedy=$WRITABLE hopeless=yes ;;
        60) problem="the certificate of the release server is not trusted ($url)" ;;
        *) problem="the release server could not be reached (curl: $status, $url)" ;;
        esac
        case $code in 404 | 410) hopeless=yes ;; esac
    else
        wget "${family[@]}" --quiet --secure-protocol=TLSv1_2 --timeout=30 --tries=1 --output-document="$1" "$url"
        status=$?
        case $status in
        0) return 0 ;;
        3) problem="the file could not be written: the disk is full" remedy=$WRITABLE hopeless=yes ;;
        8) problem="the release server answers with an error for $url" ;;
        *) problem="the release server could not be reached (wget: $status, $url)" ;;
        esac
    fi
    return 1
}

download() { # FILE
    local problem='' remedy='' hopeless='' try
    for try in 1 2 3 4 5; do
        # In some regions one of the two ways to a server is broken: every other try takes IPv4 only.
        fetch "$1" $((try % 2)) && matches "$1" && return 0
        [ -z "$hopeless" ] || break
        [ "$try" = 5 ] || { say "$problem; trying again" && sleep $((try * 2)); }
    done
    give_up "$problem." "$remedy"
}

matches() { # FILE
    local sum
    sum=$(sha256sum "$1")
    [ "${sum%% *}" = "$SHA256" ] && return 0
    problem="the file from $URL is not the one that this script was made for (SHA-256 ${sum%% *}, wanted $SHA256)" remedy=$NEWEST
    return 1
}

# With minisign on the machine the release must be signed too: the sums by the key, and this program's sum among them.
check_signature() { # DIRECTORY
    local problem='' remedy='' name
    for name in SHA256SUMS SHA256SUMS.minisig; do
        fetch "$1/$name" 1 "${URL%/*}/$name" || fetch "$1/$name" 0 "${URL%/*}/$name" || give_up "$problem." "$remedy"
    done
    minisign -Vqm "$1/SHA256SUMS" -P "$PUBKEY" >/dev/null 2>&1 ||
        give_up "the signature of ${URL%/*}/SHA256SUMS is not by the key $PUBKEY." "$NEWEST"
    grep -qxF "$SHA256  ${URL##*/}" "$1/SHA256SUMS" ||
        give_up "the signed ${URL%/*}/SHA256SUMS does not name the program that this script is for." "$NEWEST"
    say "tootstrap $VERSION is signed by $PUBKEY"
}

get_program() {
    local file sums
    sums=$(mktemp -d) || give_up "no directory can be made in ${TMPDIR:-/tmp}." "$WRITABLE"
    file=$(mktemp "$PROGRAM.XXXXXX") || give_up "no file can be made in ${PROGRAM%/*}." "$WRITABLE"
    # shellcheck disable=SC2064 # the names as they are now
    trap "rm -rf '$file' '$sums'" EXIT
    say "downloading tootstrap $VERSION"
    download "$file"
    if [ -n "$PUBKEY" ] && command -v minisign >/dev/null; then check_signature "$sums"; fi
    { chmod 0755 "$file" && mv -f "$file" "$PROGRAM"; } || give_up "tootstrap could not be put into ${PROGRAM%/*}." "$WRITABLE"
    say "tootstrap $VERSION is in place, its SHA-256 is right"
}

main() {
    # The token goes to tootstrap and to nothing else.
    export -n TOKEN_PASSWORD
    check_machine
    get_program
    TOKEN_PASSWORD="${TOKEN_PASSWORD:-}" "$PROGRAM" install --harden
    local status=$?
    case $status in
    0) say "Installation Complete" ;;
    4) say "Installed, but something outside this machine is still waited for: see WAITING above; later: sudo tootstrap status" ;;
    2) say "NOT INSTALLED: the form cannot be used as it is (see above). The machine is untouched, no need to delete it: log in as root and give the command above." ;;
    *) say "FAILED with status $status: see above. What is done stays done; to go on, log in as root: tootstrap install" ;;
    esac
    [ $status = 4 ] || exit $status
}

umask 077
touch "$LOG" && chmod 0600 "$LOG"
# Linode ties this script to the console; where something else runs it, the serial console is told too.
console=/dev/null
if [ ! -t 1 ] && { : >/dev/ttyS0; } 2>/dev/null; then console=/dev/ttyS0; fi
main </dev/null 2>&1 | tee -a "$LOG" "$console"
exit "${PIPESTATUS[0]}"
