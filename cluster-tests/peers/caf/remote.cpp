// remote.cpp - the workloads between two processes over loopback tcp.
#include "workload.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <caf/io/all.hpp>

using namespace caf;

namespace peers {
namespace {

const char *const loopback = "127.0.0.1";

behavior idle(event_based_actor *self) {
    return {[self](ok_atom) { self->quit(); }};
}

struct remote_config : config {
    remote_config() {
        load<io::middleman>();
        add_actor_type("idle", idle);
    }
};

[[noreturn]] void fail(const char *what) {
    std::fprintf(stderr, "error: %s\n", what);
    _exit(70);
}

// ---- the other process -------------------------------------------------------------------------

// Started before this process has any thread of CAF; it ends when this one does, as its standard
// input then does.
class other_process {
   public:
    explicit other_process(const char *workload) {
        int to[2], from[2];
        if (pipe(to) != 0 || pipe(from) != 0) fail("no pipe to the other process");
        pid_ = fork();
        if (pid_ < 0) fail("no other process");
        if (pid_ == 0) become(workload, to, from);
        close(to[0]);
        close(from[1]);
        input_ = to[1];
        if (read(from[0], &port_, sizeof port_) != sizeof port_)
            fail("the other process has ended");
        close(from[0]);
    }

    uint16_t port() const {
        return port_;
    }

    // Reports are out by now. Neither process winds down, as actors hold each other's handles.
    [[noreturn]] void end_both() {
        close(input_);
        waitpid(pid_, nullptr, 0);
        _exit(0);
    }

   private:
    [[noreturn]] static void become(const char *workload, const int to[2], const int from[2]) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        for (int end : {to[0], to[1], from[0], from[1]}) close(end);
        execl("/proc/self/exe", "caf", workload, "--serve", static_cast<char *>(nullptr));
        fail("cannot start the other process");
    }

    pid_t pid_ = 0;
    int input_ = -1;
    uint16_t port_ = 0;
};

// Tells the port that `open` has opened. Never returns: the system's actors would be waited for.
template <class Open>
[[noreturn]] void serve(Open open) {
    remote_config settings;
    actor_system system{settings};
    char byte;
    expected<uint16_t> port = open(system);
    if (!port) fail("cannot listen");
    if (write(STDOUT_FILENO, &*port, sizeof *port) != sizeof *port) _exit(70);
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    _exit(0);
}

[[noreturn]] void serve_actor(actor (*make)(actor_system &)) {
    serve([=](actor_system &system) {
        return system.middleman().publish(make(system), 0, loopback);
    });
}

[[noreturn]] void serve_spawns() {
    serve([](actor_system &system) { return system.middleman().open(0, loopback); });
}

actor reach(actor_system &system, uint16_t port) {
    auto found = system.middleman().remote_actor(loopback, port);
    if (!found) fail("the other process does not answer");
    return *found;
}

// ---- rcounting ---------------------------------------------------------------------------------

behavior counting(event_based_actor *self, uint64_t left, actor sender) {
    return {[=](uint64_t, const std::string &) mutable {
        if (--left == 0) self->send(sender, ok_atom_v);
    }};
}

// What changes with each message is in the behavior, as in local.cpp.
behavior remote_counter(event_based_actor *self) {
    return {[=](put_atom, uint64_t awaited) {
        actor sender = actor_cast<actor>(self->current_sender());
        self->become(counting(self, awaited, sender));
        self->send(sender, ok_atom_v);
    }};
}

// Sends everything when the counter is ready; the counter says when the last is there.
class flooder : public event_based_actor {
   public:
    flooder(actor_config &config, actor counter, uint64_t messages, size_t bytes,
            std::promise<int64_t> &took_ns)
        : event_based_actor(config),
          counter_(std::move(counter)),
          messages_(messages),
          payload_(bytes, 'x'),
          took_ns_(took_ns) {
    }

    behavior make_behavior() override {
        send(counter_, put_atom_v, messages_);
        return {[this](ok_atom) {
            if (begin_ns_ == 0)
                flood();
            else
                took_ns_.set_value(now_ns() - begin_ns_);
        }};
    }

   private:
    void flood() {
        begin_ns_ = now_ns();
        for (uint64_t i = 0; i < messages_; i++) send(counter_, i, payload_);
    }

    actor counter_;
    uint64_t messages_;
    std::string payload_;
    int64_t begin_ns_ = 0;
    std::promise<int64_t> &took_ns_;
};

void rcounting(const char *name, uint64_t messages, size_t bytes) {
    other_process other{name};
    remote_config settings;
    actor_system system{settings};
    std::promise<int64_t> took_ns;
    system.spawn<flooder>(reach(system, other.port()), messages, bytes, std::ref(took_ns));
    report("per_s", per_second(static_cast<double>(messages), took_ns.get_future().get()));
    other.end_both();
}

// ---- rpingpong ---------------------------------------------------------------------------------

behavior remote_mirror(event_based_actor *self) {
    return {[self](uint64_t trip) { self->send(actor_cast<actor>(self->current_sender()), trip); }};
}

// Notes the time before the first trip and after each.
class traveller : public event_based_actor {
   public:
    traveller(actor_config &config, actor mirror, size_t trips, std::vector<int64_t> &at,
              finish_line &finish)
        : event_based_actor(config),
          mirror_(std::move(mirror)),
          trips_(trips),
          at_(at),
          finish_(finish) {
    }

    behavior make_behavior() override {
        return {[this](ok_atom) { depart(); }, [this](uint64_t) { depart(); }};
    }

   private:
    void depart() {
        at_.push_back(now_ns());
        if (at_.size() <= trips_)
            send(mirror_, static_cast<uint64_t>(at_.size()));
        else
            finish_.arrive();
    }

    actor mirror_;
    size_t trips_;
    std::vector<int64_t> &at_;
    finish_line &finish_;
};

void report_trips(const std::vector<int64_t> &at, size_t warm, size_t trips) {
    std::vector<int64_t> took;
    for (size_t i = warm; i < warm + trips; i++) took.push_back(at[i + 1] - at[i]);
    std::sort(took.begin(), took.end());
    report("p50_us", static_cast<double>(took[trips * 50 / 100]) / 1e3);
    report("p99_us", static_cast<double>(took[trips * 99 / 100]) / 1e3);
    report("trips_per_s", per_second(static_cast<double>(trips), at[warm + trips] - at[warm]));
}

void rpingpong() {
    const size_t warm = 2000, trips = 20000;
    other_process other{"rpingpong"};
    remote_config settings;
    actor_system system{settings};
    std::vector<int64_t> at;
    finish_line finish{1};
    at.reserve(warm + trips + 1);
    actor mirror = reach(system, other.port());
    anon_send(system.spawn<traveller>(mirror, warm + trips, std::ref(at), std::ref(finish)),
              ok_atom_v);
    finish.wait();
    report_trips(at, warm, trips);
    other.end_both();
}

// ---- rspawn ------------------------------------------------------------------------------------

// Half as many as the others', since each takes several times as long.
void rspawn() {
    const int actors = 10000;
    other_process other{"rspawn"};
    remote_config settings;
    actor_system system{settings};
    auto node = system.middleman().connect(loopback, other.port());
    if (!node) fail("the other process does not answer");
    std::vector<actor> all;
    int64_t begin = now_ns();
    for (int i = 0; i < actors; i++) {
        auto spawned = system.middleman().remote_spawn<actor>(*node, "idle", make_message(),
                                                              std::chrono::seconds(10));
        if (!spawned) fail("a spawn was refused");
        all.push_back(std::move(*spawned));
    }
    report("per_s", per_second(actors, now_ns() - begin));
    other.end_both();
}

}  // namespace

bool run_remote(const std::string &name) {
    if (name == "rcounting_64")
        rcounting(name.c_str(), 1000000, 64);
    else if (name == "rcounting_1k")
        rcounting(name.c_str(), 500000, 1024);
    else if (name == "rpingpong")
        rpingpong();
    else if (name == "rspawn")
        rspawn();
    else
        return false;
    return true;
}

bool serve_remote(const std::string &name) {
    if (name == "rspawn") serve_spawns();
    if (name == "rpingpong")
        serve_actor([](actor_system &system) { return system.spawn(remote_mirror); });
    if (name == "rcounting_64" || name == "rcounting_1k")
        serve_actor([](actor_system &system) { return system.spawn(remote_counter); });
    return false;
}

}  // namespace peers
