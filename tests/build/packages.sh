#!/bin/sh
# What is missing is named with its Debian package and the line to type; AUTO_INSTALL=no installs nothing.
set -eu
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "$1"; cat "$scratch/out"; exit 1; }

# A machine with little on it: no compiler, no pkg-config, and an apt-get that must not be called.
mkdir "$scratch/bin"
for program in sh make awk sed grep cat mkdir mktemp rm cp mv cmp touch id dirname nproc find xargs head tail tr sort printf env; do
    ln -s "$(command -v $program)" "$scratch/bin/$program"
done
printf '#!/bin/sh\ntouch "%s/called"\nexit 1\n' "$scratch" > "$scratch/bin/apt-get"
chmod +x "$scratch/bin/apt-get"
bare() { env -u CXX -u PKG_CONFIG -u MAKEFLAGS -u MAKELEVEL -u BUILD PATH="$scratch/bin" "$@" > "$scratch/out" 2>&1; }

if bare ./configure --build-dir="$scratch/b"; then fail 'configure succeeds without a compiler'; fi
grep -q 'apt-get install g++ pkg-config rapidjson-dev' "$scratch/out" || fail 'configure does not tell what to install'
if bare make AUTO_INSTALL=no BUILD="$scratch/b" check; then fail 'make check succeeds without a compiler'; fi
grep -q 'apt-get install .*g++.*libgtest-dev' "$scratch/out" || fail 'make check AUTO_INSTALL=no does not print the command'
[ ! -e "$scratch/called" ] || fail 'AUTO_INSTALL=no called apt-get'
if bare make BUILD="$scratch/b" run; then fail 'make run succeeds where apt-get fails'; fi
[ -e "$scratch/called" ] || fail 'make run did not call apt-get'

# One library missing, the compiler there: only that one is named.
cat > "$scratch/no-fmt" <<'X'
#!/bin/sh
case "$*" in *fmt*) exit 1 ;; esac
exec pkg-config "$@"
X
chmod +x "$scratch/no-fmt"
mkdir -p "$scratch/empty/fmt"
echo '#error hidden by the test' > "$scratch/empty/fmt/format.h"
if PKG_CONFIG="$scratch/no-fmt" CPPFLAGS="-I$scratch/empty" ./configure --build-dir="$scratch/b" > "$scratch/out" 2>&1; then fail 'configure succeeds without fmt'; fi
grep -q 'apt-get install libfmt-dev$' "$scratch/out" || fail 'configure does not name libfmt-dev alone'

# An optional part that is asked for and missing is an error; left out, it is not in config.h.
rm -r "$scratch/empty/fmt"
echo '#error hidden by the test' > "$scratch/empty/liburing.h"
if CPPFLAGS="-I$scratch/empty" ./configure --build-dir="$scratch/b" --enable-uring > "$scratch/out" 2>&1; then fail '--enable-uring succeeds without liburing'; fi
grep -q 'liburing-dev' "$scratch/out" || fail '--enable-uring does not name its package'
CPPFLAGS="-I$scratch/empty" ./configure --build-dir="$scratch/b" > "$scratch/out" 2>&1 || fail 'configure fails without liburing'
grep -q 'RHEA_HAVE_URING 0' "$scratch/b/config.h" || fail 'config.h has io_uring though it was not found'
./configure --build-dir="$scratch/b" --disable-uring > "$scratch/out" 2>&1 || fail 'configure fails with --disable-uring'
grep -q 'RHEA_HAVE_URING 0' "$scratch/b/config.h" || fail 'config.h has io_uring though it was disabled'
if ./configure --build-dir="$scratch/b" --enable-nonsense > "$scratch/out" 2>&1; then fail 'an unknown option is accepted'; fi
