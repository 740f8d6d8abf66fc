#include <criterion/criterion.h>

#include "node/base/environment.h"

TestSuite(environment_real, .timeout = 30);

Test(environment_real, gives_the_real_world) {
    struct environment environment;
    environment_real(&environment, NULL);
    uint64_t before_ns = environment_now_ns(&environment);
    cr_assert_geq(environment_now_ns(&environment), before_ns);
    cr_assert_gt(environment_wall_ns(&environment), UINT64_C(1577836800000000000));
    uint8_t bytes[32] = {0};
    environment_random(&environment, bytes, sizeof bytes);
    cr_assert_neq(memcmp(bytes, (uint8_t[32]){0}, 32), 0);
    cr_assert_null(environment.observer);
    cr_assert_null(environment.logger);
}
