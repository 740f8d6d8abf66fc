// workload.hpp - what the workloads for CAF share: figures, the finish line, the clock.
//
// They are those of `troupe bench`: same sizes, payloads and end conditions. Each runs once in a
// fresh process and prints "METRIC VALUE" for each figure. Written for CAF 0.17 (Debian's).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>

#include <caf/all.hpp>

namespace peers {

// Two workers, as troupe and Erlang have. The policy is CAF's default unless a workload says why
// not.
struct config : caf::actor_system_config {
    explicit config(const char *policy = "stealing");
};

// Opens when as many have arrived as were announced.
class finish_line {
   public:
    explicit finish_line(long awaited) : awaited_(awaited) {
    }
    void arrive() {
        if (awaited_.fetch_sub(1) == 1) open_.set_value();
    }
    void wait() {
        open_.get_future().wait();
    }

   private:
    std::atomic<long> awaited_;
    std::promise<void> open_;
};

// Nanoseconds since some fixed moment.
inline int64_t now_ns() {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

inline double per_second(double count, int64_t ns) {
    return count * 1e9 / static_cast<double>(ns);
}

// Prints a figure.
void report(const char *metric, double value);

// Each runs the workload of that name and reports; false when there is none.
bool run_local(const std::string &name);
bool run_remote(const std::string &name);

// The other process of a remote workload: tells its port on standard output, and serves until
// standard input ends. False when there is no such workload.
bool serve_remote(const std::string &name);

}  // namespace peers
