#!/usr/bin/env bash
# Builds callers and prints its path. The binary is kept outside the checkout, by the digest of its sources.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export CGO_ENABLED=0
digest=$({ go env GOVERSION GOOS GOARCH; cat go.mod build.sh *.go; } | sha256sum | cut -c1-16)
out=${XDG_CACHE_HOME:-$HOME/.cache}/fleetgate/callers
binary=$out/callers-$digest

mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
if ! [[ -x $binary ]]; then
  go build -trimpath -buildvcs=false -o "$binary.partial" . >&2
  mv "$binary.partial" "$binary"
fi
echo "$binary"
