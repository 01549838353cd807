#!/usr/bin/env bash
# Builds a Go program that needs nothing but the standard library, and prints its path: `build_go.sh listwatch` is what is in
# tests/listwatch. The binary is kept outside the checkout, by the digest of its sources.
set -euo pipefail
name=$1
here=$(dirname "${BASH_SOURCE[0]}")
script=$(cd "$here" && pwd)/build_go.sh
cd "$here/../$name"

export CGO_ENABLED=0
digest=$({ go env GOVERSION GOOS GOARCH; cat go.mod "$script" *.go; } | sha256sum | cut -c1-16)
out=${XDG_CACHE_HOME:-$HOME/.cache}/fleetgate/$name
binary=$out/$name-$digest

mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
if ! [[ -x $binary ]]; then
  go build -trimpath -buildvcs=false -o "$binary.partial" . >&2
  mv "$binary.partial" "$binary"
fi
echo "$binary"
