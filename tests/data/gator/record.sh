#!/bin/sh
# Record again what gator answers: record.sh PATH-TO-GATOR (v3.23.1). Times are cut off.
set -eu
cd "$(dirname "$0")"
gator=$1
times='s/\t([0-9.]*s)$//; s/\t[0-9.]*s$//'
"$gator" verify suites/... -v 2>/dev/null | sed "$times; s|[^ \"]*/tests/data/gator/||g" >verify.txt || true
"$gator" test -f manifests -o json </dev/null >test.json || true
"$gator" test -f manifests </dev/null >test.txt || true
"$gator" test -f manifests --deny-only </dev/null >test-deny-only.txt || true
