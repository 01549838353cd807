#!/usr/bin/env bash
# Installs what the end-to-end tests need beside Go and Python, on Debian and where it is missing: a browser, and the programs of
# PostgreSQL, which the tests start themselves. Elsewhere they have to be there already, the browser under the name `chromium`.
set -eu -o pipefail

missing=()
command -v chromium > /dev/null || missing+=(chromium)
compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || command -v initdb > /dev/null || missing+=(postgresql)

if [ ${#missing[@]} != 0 ]; then
    if ! command -v apt-get > /dev/null; then
        echo "the end-to-end tests need ${missing[*]}" >&2
        exit 1
    fi
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
