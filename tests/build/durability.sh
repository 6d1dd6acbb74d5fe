#!/bin/sh
# The contract's table in docs/durability.md is what proofs of now say, and a dropped flush makes a proof fail.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
[ -x "$build/bin/rhea-img" ] || { echo 'no rhea-img'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PROVE_OPTIONS='--requests=120 --states=200' docs/make-durability --check
for format in raw qcow2; do
    status=0
    "$build/bin/rhea-img" prove -f $format -t writeback --no-changes --requests=120 --states=200 --drop-flush=3 "$work" > "$work/report" || status=$?
    [ "$status" = 2 ] || { cat "$work/report"; echo "a dropped flush of $format gave status $status, not 2"; exit 1; }
    grep -q 'THE PROMISE WAS BROKEN' "$work/report"
done
