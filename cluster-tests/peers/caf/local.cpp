// local.cpp - the workloads within one process.
#include "workload.hpp"

#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <unistd.h>
#include <vector>

using namespace caf;

namespace peers {
namespace {

// Actors that hold each other's handles never end, and their system waits for them: so the figures
// are out first, and then the process ends without winding down.
[[noreturn]] void end_now() {
    std::fflush(stdout);
    _exit(0);
}

// Sends `begin` to every actor, waits at the finish line, reports nanoseconds per event.
template <class Begin>
void measure(const char *metric, long events, const std::vector<actor> &first, Begin begin,
             finish_line &finish) {
    int64_t begin_ns = now_ns();
    for (const actor &one : first) anon_send(one, begin);
    finish.wait();
    report(metric, static_cast<double>(now_ns() - begin_ns) / static_cast<double>(events));
}

// ---- pingpong ----------------------------------------------------------------------------------

behavior mirror(event_based_actor *self) {
    return {[=](ping_atom) { self->send(actor_cast<actor>(self->current_sender()), pong_atom_v); }};
}

// What changes with each message is in the behavior here and below: in the actor it would share a
// cache line with the mailbox, which costs CAF a tenth.
behavior player(event_based_actor *self, actor mirror, long trips, finish_line *finish) {
    return {[=](pong_atom) mutable {
        if (trips-- > 0)
            self->send(mirror, ping_atom_v);
        else
            finish->arrive();
    }};
}

void pingpong() {
    const long trips = 3000000;
    config settings;
    actor_system system{settings};
    finish_line finish{1};
    actor first = system.spawn(player, system.spawn(mirror), trips, &finish);
    measure("ns_per_msg", 2 * trips, {first}, pong_atom_v, finish);
    end_now();
}

// ---- counting, fork-join throughput ------------------------------------------------------------

behavior counter(event_based_actor *, long left, finish_line *finish) {
    return {[=](add_atom) mutable {
        if (--left == 0) finish->arrive();
    }};
}

// One producer, round robin over the counters; each of them counts to `each`.
void produce(int counters, long each) {
    config settings;
    actor_system system{settings};
    finish_line finish{counters};
    std::vector<actor> to;
    for (int i = 0; i < counters; i++) to.push_back(system.spawn(counter, each, &finish));
    actor producer = system.spawn([&](event_based_actor *self) -> behavior {
        return {[self, &to, each](ok_atom) {
            for (long round = 0; round < each; round++) {
                for (const actor &one : to) self->send(one, add_atom_v);
            }
        }};
    });
    measure("ns_per_msg", counters * each, {producer}, ok_atom_v, finish);
    end_now();
}

void counting() {
    produce(1, 5000000);
}

void fjthrput() {
    produce(60, 100000);
}

// ---- threadring --------------------------------------------------------------------------------

class link : public event_based_actor {
   public:
    link(actor_config &config, int64_t hops, finish_line &finish)
        : event_based_actor(config), hops_(hops), finish_(finish) {
    }

    behavior make_behavior() override {
        return {
            [this](link_atom, const actor &next) { next_ = next; },
            [this](ok_atom) { send(next_, hops_ - 1); },
            [this](int64_t left) {
                if (left > 1)
                    send(next_, left - 1);
                else
                    finish_.arrive();
            },
        };
    }

   private:
    actor next_;
    int64_t hops_;
    finish_line &finish_;
};

void threadring() {
    const int64_t hops = 8000000;
    const size_t actors = 100;
    config settings;
    actor_system system{settings};
    finish_line finish{1};
    std::vector<actor> ring;
    for (size_t i = 0; i < actors; i++) ring.push_back(system.spawn<link>(hops, std::ref(finish)));
    for (size_t i = 0; i < actors; i++) anon_send(ring[i], link_atom_v, ring[(i + 1) % actors]);
    measure("ns_per_hop", hops, {ring[0]}, ok_atom_v, finish);
    end_now();
}

// ---- fjcreate ----------------------------------------------------------------------------------

behavior worker(event_based_actor *self, finish_line *finish) {
    return {[=](ok_atom) {
        self->quit();
        finish->arrive();
    }};
}

// With CAF's default policy, "stealing", a thief walks the whole queue of its victim, so that the
// cost of an actor grows with the number of them; "sharing" has one queue and is what a user with
// such a load would choose.
void fjcreate() {
    const long actors = 1000000;
    config settings{"sharing"};
    actor_system system{settings};
    finish_line finish{actors};
    actor creator = system.spawn([&](event_based_actor *self) -> behavior {
        return {[self, &finish](ok_atom) {
            for (long i = 0; i < actors; i++) self->send(self->spawn(worker, &finish), ok_atom_v);
        }};
    });
    measure("ns_per_actor", actors, {creator}, ok_atom_v, finish);
    end_now();
}

// ---- big ---------------------------------------------------------------------------------------

// What one member still has to do.
struct turns {
    uint32_t id, seed;
    long left;
    const std::vector<actor> *all;
    finish_line *finish;

    // Any member but this one.
    const actor &draw() {
        auto members = static_cast<uint32_t>(all->size());
        seed = (seed * 1103515245u + 12345u) & 0x7fffffffu;
        return (*all)[(id + 1 + (seed >> 8) % (members - 1)) % members];
    }
};

// Sends its next ping when the pong of the one before is there; answers others until all are done.
behavior member(event_based_actor *self, turns mine) {
    return {
        [=](ping_atom) { self->send(actor_cast<actor>(self->current_sender()), pong_atom_v); },
        [=](pong_atom) mutable {
            if (mine.left-- > 0)
                self->send(mine.draw(), ping_atom_v);
            else
                mine.finish->arrive();
        },
    };
}

void big() {
    const uint32_t members = 120;
    const long pings = 40000;
    config settings;
    actor_system system{settings};
    finish_line finish{members};
    std::vector<actor> all(members);
    for (uint32_t id = 0; id < members; id++)
        all[id] = system.spawn(member, turns{id, id + 1, pings, &all, &finish});
    measure("ns_per_msg", 2 * members * pings, all, pong_atom_v, finish);
    end_now();
}

// ---- chameneos ---------------------------------------------------------------------------------

// The first to come waits here; the second is sent to the first, who changes both.
class mall : public event_based_actor {
   public:
    mall(actor_config &config, long meetings, int inside, finish_line &finish)
        : event_based_actor(config), meetings_(meetings), inside_(inside), finish_(finish) {
    }

    behavior make_behavior() override {
        return {
            [this](join_atom, int32_t colour, const actor &from) { enter(colour, from); },
            [this](leave_atom, int64_t met) {
                met_ += met;
                if (--inside_ == 0) finish_.arrive();
            },
        };
    }

   private:
    void enter(int32_t colour, const actor &from) {
        if (meetings_ == 0) {
            send(from, leave_atom_v);
        } else if (!waiting_) {
            waiting_ = from;
        } else {
            send(waiting_, join_atom_v, colour, from);
            waiting_ = nullptr;
            meetings_--;
        }
    }

    actor waiting_;
    long meetings_;
    int inside_;
    int64_t met_ = 0;
    finish_line &finish_;
};

class chameneo : public event_based_actor {
   public:
    chameneo(actor_config &config, actor mall, int32_t colour)
        : event_based_actor(config), mall_(std::move(mall)), colour_(colour) {
    }

    behavior make_behavior() override {
        return {
            [this](ok_atom) { enter(); },
            [this](join_atom, int32_t other, const actor &from) {
                int32_t both = colour_ == other ? colour_ : 3 - colour_ - other;
                send(from, update_atom_v, both);
                become_colour(both);
            },
            [this](update_atom, int32_t both) { become_colour(both); },
            [this](leave_atom) { send(mall_, leave_atom_v, met_); },
        };
    }

   private:
    void enter() {
        send(mall_, join_atom_v, colour_, actor{this});
    }

    void become_colour(int32_t colour) {
        colour_ = colour;
        met_++;
        enter();
    }

    actor mall_;
    int32_t colour_;
    int64_t met_ = 0;
};

void chameneos() {
    const long meetings = 2000000;
    const int inside = 100;
    config settings;
    actor_system system{settings};
    finish_line finish{1};
    actor place = system.spawn<mall>(meetings, inside, std::ref(finish));
    std::vector<actor> all;
    for (int32_t i = 0; i < inside; i++) all.push_back(system.spawn<chameneo>(place, i % 3));
    measure("ns_per_meeting", meetings, all, ok_atom_v, finish);
    end_now();
}

// ---- idlemem -----------------------------------------------------------------------------------

double resident_bytes() {
    long size = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> size >> pages;
    return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// The handles are kept, as CAF ends an actor that nobody refers to; they are 8 bytes each. An
// actor gets its behavior when it first runs, which spawn does not wait for.
void idlemem() {
    const long actors = 1000000;
    config settings;
    actor_system system{settings};
    finish_line all_run{actors};
    double before = resident_bytes();
    std::vector<actor> all;
    all.reserve(actors);
    for (long i = 0; i < actors; i++) {
        all.push_back(system.spawn([&all_run](event_based_actor *self) -> behavior {
            all_run.arrive();
            return {[self](ok_atom) { self->quit(); }};
        }));
    }
    all_run.wait();
    report("bytes_per_actor", (resident_bytes() - before) / static_cast<double>(actors));
    end_now();
}

}  // namespace

bool run_local(const std::string &name) {
    const std::map<std::string, void (*)()> workloads{
        {"pingpong", pingpong},   {"counting", counting}, {"threadring", threadring},
        {"fjcreate", fjcreate},   {"fjthrput", fjthrput}, {"big", big},
        {"chameneos", chameneos}, {"idlemem", idlemem},
    };
    auto found = workloads.find(name);
    if (found == workloads.end()) return false;
    found->second();
    return true;
}

}  // namespace peers
