// main.cpp - runs one workload: caf WORKLOAD. A remote one starts `caf WORKLOAD --serve` itself.
#include "workload.hpp"

#include <cstdio>
#include <unistd.h>

namespace peers {

config::config(const char *policy) {
    set("scheduler.max-threads", 2);
    set("scheduler.policy", caf::atom_from_string(policy));
}

void report(const char *metric, double value) {
    std::printf("%s %.4f\n", metric, value);
    std::fflush(stdout);
}

}  // namespace peers

int main(int argc, char **argv) {
    std::string name = argc > 1 ? argv[1] : "";
    bool serve = argc == 3 && argv[2] == std::string("--serve");
    if (argc != 2 && !serve) {
        std::fprintf(stderr, "usage: caf WORKLOAD\n");
        return 64;
    }
    bool known =
        serve ? peers::serve_remote(name) : peers::run_local(name) || peers::run_remote(name);
    if (!known) std::fprintf(stderr, "error: there is no workload %s\n", name.c_str());
    return known ? 0 : 66;
}
