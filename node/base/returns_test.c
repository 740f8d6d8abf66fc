/* returns_test.c - what comes back goes out again, and no more waits than is useful. */
#include "node/base/returns.h"

#include <criterion/criterion.h>

TestSuite(returns, .timeout = 30);

Test(returns, each_item_comes_out_once) {
    struct returns returns = {.max = 10};
    struct returned items[4];
    for (int i = 0; i < 3; i++) cr_assert(returns_push(&returns, &items[i]));
    cr_assert_not_null(returns_take(&returns));
    cr_assert(returns_push(&returns, &items[3])); /* beside the owner's part */
    int count = 1;
    while (returns_take(&returns) != NULL) count++;
    cr_assert_eq(count, 4);
    cr_assert_null(returns_take(&returns));
}

Test(returns, beyond_its_bound_nothing_is_taken) {
    struct returns returns = {.max = 2};
    struct returned items[3];
    cr_assert(returns_push(&returns, &items[0]));
    cr_assert(returns_push(&returns, &items[1]));
    cr_assert_not(returns_push(&returns, &items[2]));
    returns_take(&returns);
    cr_assert(returns_push(&returns, &items[2]));
}
