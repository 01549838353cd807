#!/usr/bin/env bash
# Builds the oracles and gator, and prints the directory that holds them: `opa`, `gatekeeper` and `gator`.
# Needs only Go (a Go older than go.mod's fetches that toolchain itself). The binaries are kept outside the checkout, by
# the digest of what they are built from, so that a second checkout on the same machine builds nothing.
# With arguments, builds only those and prints the directory all the same: `build.sh opa`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export CGO_ENABLED=0 GOFLAGS=-mod=readonly
# The compiler spends a fifth of its time collecting garbage that it could keep: memory for time, within a bound.
export GOGC=400 GOMEMLIMIT=2GiB
gator=github.com/open-policy-agent/gatekeeper/v3/cmd/gator
gatekeeper_version=$(cd gatekeeper && go list -m -f '{{.Version}}' github.com/open-policy-agent/gatekeeper/v3)

root=${XDG_CACHE_HOME:-$HOME/.cache}/fleetgate/oracle
bin=$root/$({ go env GOVERSION GOOS GOARCH; cat build.sh {opa,gatekeeper}/*.go {opa,gatekeeper}/go.{mod,sum}; } | sha256sum | cut -c1-16)
mkdir -p "$root" "$bin"
exec 9>"$root/.lock"
flock 9

# Each program is kept by the digest of its own sources: a change of one oracle does not build the others.
build() { # name, digest's files…, then -- and the arguments of `go build`
  local name=$1 files=()
  shift
  while [[ $1 != -- ]]; do files+=("$1"); shift; done
  shift
  local kept
  kept=$root/$name-$({ go env GOVERSION GOOS GOARCH; cat build.sh "${files[@]}"; } | sha256sum | cut -c1-16)
  if ! [[ -x $kept ]]; then
    echo "building $name (minutes when the build cache is cold)" >&2
    (cd "$(dirname "${files[0]}")" && go build -trimpath -buildvcs=false "$@" -o "$kept.partial" "${package:-.}") >&2
    mv "$kept.partial" "$kept"
  fi
  ln -sf "$kept" "$bin/$name"
}

for name in "${@:-opa gatekeeper gator}"; do
  for name in $name; do
    case $name in
      opa) build opa opa/go.mod opa/go.sum opa/*.go -- -ldflags "-s -w" ;;
      gatekeeper) build gatekeeper gatekeeper/go.mod gatekeeper/go.sum gatekeeper/*.go -- -ldflags "-s -w" ;;
      gator)
        package=$gator build gator gatekeeper/go.mod gatekeeper/go.sum -- \
          -ldflags "-s -w -X github.com/open-policy-agent/gatekeeper/v3/pkg/version.Version=$gatekeeper_version"
        ;;
      *) echo "unknown program: $name" >&2; exit 2 ;;
    esac
  done
done
echo "$bin"
