#!/bin/sh
# make uninstall takes away exactly what make install put in place, below DESTDIR and nowhere else.
set -eu
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset MAKEFLAGS MAKELEVEL
build=${BUILD:-build}
[ -x "$build/bin/rhea" ] || { echo 'there is no rhea to install'; exit 77; }
fail() { echo "$1"; find "$scratch/root"; exit 1; }

mkdir "$scratch/root"
make BUILD="$build" DESTDIR="$scratch/root" install > "$scratch/out" 2>&1 || { cat "$scratch/out"; exit 1; }
bin=$scratch/root$(sed -n 's/^BINDIR := //p' "$build/config.mk")
man=$scratch/root$(sed -n 's/^MANDIR := //p' "$build/config.mk")
[ -x "$bin/rhea" ] || fail 'rhea is not installed'
[ "$(readlink "$bin/rhea-system-x86_64")" = rhea ] || fail 'rhea-system-x86_64 is not a link to rhea'
"$bin/rhea-system-x86_64" -version > "$scratch/version" || fail 'the installed program does not run'
grep -q "$(sed -n 's/^RHEA_VERSION := //p' "$build/config.mk" | cut -d. -f1,2)" "$scratch/version" || fail '-version does not tell the version'
for page in man1/rhea.1 man1/rhea-shell.1 man1/rhea-io.1; do [ -f "$man/$page" ] || fail "$page is not installed"; done
make BUILD="$build" DESTDIR="$scratch/root" uninstall > "$scratch/out" 2>&1 || { cat "$scratch/out"; exit 1; }
[ -z "$(find "$scratch/root" ! -type d)" ] || fail 'left behind after make uninstall:'
