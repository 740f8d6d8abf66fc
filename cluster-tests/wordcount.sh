#!/usr/bin/env bash
# Counts words on three nodes and compares with the shell: real texts, and files made to hit the
# borders (words across chunks and files, one file of blanks, no last newline, bytes that are no
# text). Then what cannot be counted: a refusal with a reason, and the cluster goes on.
# Prints `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(realpath "${TROUPE_BUILD:-build}")
wordcount=$PWD/node/examples/wordcount.py
scratch=$(mktemp -d)
export TROUPE_DIR=$scratch/cluster TROUPE_BUILD=$build
passed=0 failed=0
finish() {
    "$build/troupe" -q down >/dev/null 2>"$scratch/down" || cat "$scratch/down"
    rm -rf "$scratch"
}
trap finish EXIT

verdict() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $2"
    fi
}

by_shell() {
    # shellcheck disable=SC2018,SC2019 # ASCII letters are meant
    cat "$@" | LC_ALL=C tr -cs 'A-Za-z' '\n' | LC_ALL=C tr A-Z a-z | LC_ALL=C sort | uniq -c
}

# same NAME FILE...: troupe and the shell count the same, to the byte.
same() {
    local name=$1
    shift
    by_shell "$@" >"$scratch/expected"
    "$wordcount" "$@" >"$scratch/found" 2>"$scratch/said"
    local code=$?
    cat "$scratch/said"
    diff "$scratch/expected" "$scratch/found" >"$scratch/differences" || code=1
    head -n 5 "$scratch/differences"
    verdict $code "$name: not what the shell counts"
}

# refused NAME WORDS FILE...: the count fails with a reason that has these words.
refused() {
    local name=$1 words=$2
    shift 2
    "$wordcount" "$@" >"$scratch/found" 2>"$scratch/said" && verdict 1 "$name: counted"
    grep -q "$words" "$scratch/said"
    verdict $? "$name: the reason is not '$words' but '$(cat "$scratch/said")'"
}

"$build/troupe" -q up 3 --load "$build/examples/wordcount.so" >/dev/null || exit 1

same "the licenses" /usr/share/common-licenses/*
same "one small file" /usr/share/common-licenses/BSD

cd "$scratch" || exit 1
: >empty
printf '\n\n -- 42 --\n' >blank
printf 'no last newl' >half
printf 'ine, and Another' >rest
head -c 300000 /dev/urandom >noise
python3 -c 'print("x" * 100000, "word " * 60000, "y" * 40000, end="")' >long
python3 -c 'import itertools
for letters in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=3): print("".join(letters))' >distinct
same "an empty file" empty
same "a file without words" blank
same "a word in two files" half rest empty half
same "bytes that are no text" noise
same "words longer than a chunk" long half long
same "17,576 different words, several times" distinct distinct blank distinct
python3 -c 'print("z" * 400000)' >endless
refused "a word without end" "more than 262144 bytes" half endless
refused "a missing file" "No such file" half missing
refused "a folder" "directory" half "$scratch"
same "after the refusals" half rest

# Nothing is left over: each splitter has stopped what it started.
for _ in $(seq 50); do
    left=$("$build/troupe" -q actor list --no-headers | wc -l)
    [ "$left" -eq 0 ] && break
    sleep 0.1
done
[ "$left" -eq 0 ]
verdict $? "$left actors are left over"

echo "$passed passed, $failed failed"
((failed == 0))
