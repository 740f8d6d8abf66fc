#include "registry/home.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(home, .timeout = 30);

static const char *const nodes[] = {"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"};
enum { NODES = 8, NAMES = 8000 };

static const char *name_at(int number, char out[24]) {
    snprintf(out, 24, "account-%d", number);
    return out;
}

/* Nodes of all versions must agree: these numbers are part of the protocol. */
Test(home, weights_are_fixed) {
    cr_assert(home_weight("bank", "n1") == UINT64_C(0x9a0f56e36c3852b4));
    cr_assert(home_weight("ab", "c") != home_weight("a", "bc"));
}

Test(home, names_spread_evenly) {
    int counts[NODES] = {0};
    char name[24];
    for (int i = 0; i < NAMES; i++) counts[home_of(name_at(i, name), nodes, NODES)]++;
    for (int i = 0; i < NODES; i++) {
        cr_assert(counts[i] > 850 && counts[i] < 1150, "%s has %d", nodes[i], counts[i]);
    }
}

Test(home, the_order_of_the_list_does_not_matter) {
    static const char *const other_order[] = {"n5", "n8", "n1", "n3", "n2", "n7", "n6", "n4"};
    char name[24];
    for (int i = 0; i < NAMES; i++) {
        const char *one = nodes[home_of(name_at(i, name), nodes, NODES)];
        const char *two = other_order[home_of(name, other_order, NODES)];
        cr_assert(one[1] == two[1]);
    }
}

Test(home, only_the_names_of_the_one_that_goes_move) {
    char name[24];
    for (int i = 0; i < NAMES; i++) {
        size_t before = home_of(name_at(i, name), nodes, NODES);
        size_t after = home_of(name, nodes, NODES - 1);
        cr_assert(before == NODES - 1 || before == after);
    }
}
