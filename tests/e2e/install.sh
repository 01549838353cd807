#!/usr/bin/env bash
# Installs what the end-to-end tests need beside Go and Python, on Debian and where it is missing: a browser. Elsewhere it has to
# be there already, under the name `chromium`.
set -eu -o pipefail

if ! command -v chromium > /dev/null; then
    if ! command -v apt-get > /dev/null; then
        echo "the end-to-end tests need chromium on the PATH" >&2
        exit 1
    fi
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium
fi
