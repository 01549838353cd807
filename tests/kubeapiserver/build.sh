#!/usr/bin/env bash
# Builds kube-apiserver, kubectl and testfleet, and prints the path of testfleet; the other two lie beside it.
# Needs only Go (a Go older than go.mod's fetches that toolchain itself). The binaries are kept outside the checkout, by
# the digest of what they are built from, so that a second checkout on the same machine builds nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export CGO_ENABLED=0 GOFLAGS=-mod=readonly
# The compiler spends a fifth of its time collecting garbage that it could keep: memory for time, within a bound.
export GOGC=400 GOMEMLIMIT=2GiB
kubernetes_version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
flags=(-trimpath -buildvcs=false -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$kubernetes_version")

digest() { { go env GOVERSION GOOS GOARCH; cat "$@"; } | sha256sum | cut -c1-16; }
out=${XDG_CACHE_HOME:-$HOME/.cache}/fleetgate/kubeapiserver/$(digest go.mod go.sum build.sh)
testfleet=$out/testfleet-$(digest cmd/testfleet/*.go)

mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
if ! [[ -x $out/kube-apiserver && -x $out/kubectl ]]; then
  echo "building kube-apiserver and kubectl $kubernetes_version (minutes, once per machine)" >&2
  mkdir -p "$out/partial"
  go build "${flags[@]}" -o "$out/partial/" k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl >&2
  mv "$out/partial/kube-apiserver" "$out/partial/kubectl" "$out/"
  rmdir "$out/partial"
fi
if ! [[ -x $testfleet ]]; then
  go build "${flags[@]}" -o "$testfleet.partial" ./cmd/testfleet >&2
  mv "$testfleet.partial" "$testfleet"
fi
echo "$testfleet"
