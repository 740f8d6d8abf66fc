#!/usr/bin/env bash
# What a user's own compiler makes of the public header and of the examples: no warning, in C with
# gcc and clang and in C++ with g++ and clang++; the account example is as short as is promised, and
# runs unchanged linked into a main. Prints `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${TROUPE_BUILD:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

# expect WHAT COMMAND...: the command succeeds and says nothing on stderr.
expect() {
    local what=$1
    shift
    if "$@" 2>"$scratch/errors" && [ ! -s "$scratch/errors" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $what: $*"
    cat "$scratch/errors"
}

# C++ uses the types and the functions; the macros that make records are for C.
cat >"$scratch/user.cc" <<'CODE'
#include <troupe.h>

namespace {
struct deposit {
    int64_t cents;
};
const tr_field deposit_fields[] = {
    {"cents", TR_KIND_I64, offsetof(deposit, cents), sizeof(int64_t), nullptr},
    {nullptr, TR_KIND_NONE, 0, 0, nullptr},
};
const tr_record deposit_record = {"deposit", sizeof(deposit), alignof(deposit), deposit_fields};

tr_status on_deposit(tr_actor *self, void *, const tr_message *message) {
    const deposit *body = static_cast<const deposit *>(tr_body(message));
    return tr_send_record(self, tr_sender(message), &deposit_record, body);
}
const tr_handler handlers[] = {{&deposit_record, on_deposit}, {nullptr, nullptr}};
const tr_behavior echo_behavior = {"echo", 1, nullptr, handlers, nullptr, nullptr};
}  // namespace

tr_status offer_echo(tr_node *node, tr_error *error);
tr_status offer_echo(tr_node *node, tr_error *error) {
    return tr_node_offer(node, &echo_behavior, error);
}
CODE

strict=(-Wall -Wextra -Wpedantic -Werror)
for compiler in g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    for standard in c++11 c++20; do
        expect "C++ includes the header and offers a behavior" \
            "$compiler" -std=$standard "${strict[@]}" -c -Inode/include "$scratch/user.cc" \
            -o "$scratch/user.o"
    done
done
for compiler in gcc clang; do
    for file in node/examples/*.c; do
        case $file in *_main.c) kind=(-c) ;; *) kind=(-shared -fPIC) ;; esac
        expect "an example compiles with the header alone" \
            "$compiler" "${strict[@]}" "${kind[@]}" -Inode/include "$file" -o "$scratch/example"
    done
done
expect "the account example has at most 40 lines" \
    [ "$(wc -l <node/examples/account.c)" -le 40 ]

# The same account.c, linked into account_main.c instead of loaded.
run_account() {
    "$build/examples/account" "$scratch/node" | grep -qx 'the purse holds 5050 cents after 100 deposits'
}
expect "the account example runs linked into a main" run_account

echo "$passed passed, $failed failed"
((failed == 0))
