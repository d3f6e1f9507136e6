#!/bin/sh
# Fills the ways in with version, address and hash of a release: render.sh DIST VERSION URL. DIST holds the binary already.
set -eu

dist=$1 version=$2 url=$3
here=$(dirname "$0")
binary=tootstrap-x86_64-linux-musl
sum=$(sha256sum "$dist/$binary")
sum=${sum%% *}

for name in stackscript.sh install.sh cloud-init.yaml; do
    sed -e "s|@VERSION@|$version|g" -e "s|@URL@|$url|g" -e "s|@SHA256@|$sum|g" "$here/$name" >"$dist/$name.new"
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
cd "$dist" && sha256sum "$binary" stackscript.sh install.sh cloud-init.yaml >SHA256SUMS
