#!/bin/sh
# The manual pages are made, whole (no include left open) and as mandoc wants them; options and commands stand in them.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
[ -d "$build/gen/docs" ] || { echo 'nothing has been generated yet'; exit 77; }
command -v mandoc > /dev/null 2>&1 || { echo 'no mandoc'; exit 77; }
BUILD=$build docs/make-docs
status=0
for page in rhea.1 rhea-shell.1 rhea-io.1 rhea-qmp-ref.7; do
    file=$build/docs/man/$page
    [ -s "$file" ] || { echo "$page was not made"; status=1; continue; }
    if grep -n '^\.\\" include ' "$file"; then echo "$page: an include was not found in $build/gen/docs"; status=1; fi
    mandoc -Tlint -W warning "$file" || status=1
done
grep -q '^\.Ss "-machine' "$build/docs/man/rhea.1" || { echo 'rhea.1 has no -machine'; status=1; }
grep -q '^\.Ss "block_resize' "$build/docs/man/rhea-shell.1" || { echo 'rhea-shell.1 has no block_resize'; status=1; }
grep -q 'block_resize' "$build/docs/man/rhea-qmp-ref.7" || { echo 'rhea-qmp-ref.7 has no block_resize'; status=1; }
exit $status
