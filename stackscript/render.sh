#!/bin/sh
# Fills the ways in with version, address and hash of a release: render.sh DIST VERSION URL [KEY PUBKEY]. DIST holds the binary already.
# KEY and PUBKEY are the files of a minisign key pair, which then signs the sums. Equal input gives equal output, byte for byte.
set -eu

dist=$1 version=$2 url=$3 key=${4:-} public=
if [ -n "$key" ]; then
    public=$(sed -n 2p "$5")
    [ -n "$public" ] || { echo "$5 is no public key of minisign" >&2; exit 1; }
fi
here=$(dirname "$0")
binary=tootstrap-x86_64-linux-musl
sum=$(sha256sum "$dist/$binary")
sum=${sum%% *}

for name in stackscript.sh install.sh cloud-init.yaml; do
    sed -e "s|@VERSION@|$version|g" -e "s|@URL@|$url|g" -e "s|@SHA256@|$sum|g" -e "s|@PUBKEY@|$public|g" "$here/$name" >"$dist/$name.new"
    if LC_ALL=C grep -n '[^[:print:][:space:]]' "$dist/$name.new"; then
        echo "$name must be pure ASCII: Linode refuses anything else" >&2
        exit 1
    fi
    if grep -n '@[A-Z0-9]*@' "$dist/$name.new"; then
        echo "$name has a placeholder that nothing fills" >&2
        exit 1
    fi
    mv "$dist/$name.new" "$dist/$name"
done
chmod 0755 "$dist/stackscript.sh" "$dist/install.sh"
[ "$(wc -c <"$dist/stackscript.sh")" -lt 16384 ] || { echo "stackscript.sh is larger than 16 kB" >&2; exit 1; }

(cd "$dist" && sha256sum "$binary" stackscript.sh install.sh cloud-init.yaml >SHA256SUMS)
rm -f "$dist/SHA256SUMS.minisig"
if [ -n "$key" ]; then
    # The default comment holds the time; Ed25519 itself always signs alike.
    minisign -S -q -s "$key" -m "$dist/SHA256SUMS" -c "tootstrap $version" -t "tootstrap $version SHA256SUMS"
    if ! minisign -V -q -m "$dist/SHA256SUMS" -P "$public"; then
        rm "$dist/SHA256SUMS.minisig"
        echo "$5 is not the public key of $key" >&2
        exit 1
    fi
    echo "SHA256SUMS is signed by $public"
else
    echo "SHA256SUMS is not signed: make dist MINISIGN_KEY=FILE signs it (minisign -G makes a key pair)"
fi
