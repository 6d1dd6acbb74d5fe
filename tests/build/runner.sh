#!/bin/sh
# The counts of tests/run-tests are true: programs that pass, fail, skip, crash in the middle, hang, or fail after a good
# report. The programs here only speak like GoogleTest.
set -eu
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fake NAME: a program from standard input; $report is where GoogleTest would write its report
fake() {
    { echo '#!/bin/sh'; echo 'report=${1#--gtest_output=xml:}'; cat; } > "$scratch/$1"
    chmod +x "$scratch/$1"
}
# expect STATUS "LAST LINE" ITEM...
expect() {
    status=$1 line=$2; shift 2
    got=0
    BUILD=$scratch/build RHEA_TEST_TIMEOUT=2 tests/run-tests "$@" > "$scratch/out" 2>&1 || got=$?
    if [ "$(tail -n 1 "$scratch/out")" != "$line" ] || { [ "$status" = 0 ] && [ $got -ne 0 ]; } || { [ "$status" != 0 ] && [ $got -eq 0 ]; }; then
        echo "expected status $status and: $line"
        echo "got status $got and:"
        cat "$scratch/out"
        exit 1
    fi
}

fake good <<'E1'
cat > "$report" <<'X'
<testsuites tests="3" failures="0" disabled="1">
<testcase name="A" status="run" result="completed" />
<testcase name="B" status="run" result="skipped"><skipped message="no FUSE" /></testcase>
<testcase name="C" status="notrun" result="suppressed" />
X
echo '[  SKIPPED ] Suite.B (0 ms)'
E1
fake bad <<'E1'
cat > "$report" <<'X'
<testcase name="A" status="run" result="completed" />
<testcase name="B" status="run" result="completed">
<failure message="one" />
<failure message="two of the same test" />
</testcase>
X
printf '[ RUN      ] S.A\nhidden\n[       OK ] S.A (0 ms)\n[ RUN      ] S.B\nwrong value\n[  FAILED  ] S.B (0 ms)\n'
exit 1
E1
fake crash <<'E1'
printf '[ RUN      ] S.A\n[       OK ] S.A (0 ms)\n[ RUN      ] S.B\n'
kill -SEGV $$
E1
fake leak <<'E1'
echo '<testcase name="A" status="run" result="completed" />' > "$report"
exit 23
E1
fake hang <<'E1'
printf '[ RUN      ] S.A\n'
exec sleep 60
E1

expect 0 '1 passed, 0 failed, 1 skipped' "gtest:$scratch/good"
grep -q 'skipped: Suite.B' "$scratch/out" || { echo 'the name of a skipped test is not shown'; exit 1; }
expect 1 '1 passed, 1 failed, 0 skipped' "gtest:$scratch/bad"
grep -q 'wrong value' "$scratch/out" || { echo 'the output of a failed test is not shown'; exit 1; }
! grep -q hidden "$scratch/out" || { echo 'the output of a passed test is shown'; exit 1; }
expect 1 '1 passed, 1 failed, 0 skipped' "gtest:$scratch/crash"
expect 1 '1 passed, 1 failed, 0 skipped' "gtest:$scratch/leak"
expect 1 '0 passed, 1 failed, 0 skipped' "gtest:$scratch/hang"
expect 1 '0 passed, 1 failed, 0 skipped' "gtest:$scratch/does-not-exist"
expect 1 '4 passed, 3 failed, 2 skipped' "gtest:$scratch/good" "gtest:$scratch/bad" "gtest:$scratch/crash" 'command:yes:true' 'command:no:exit 3' 'command:skip:exit 77'
