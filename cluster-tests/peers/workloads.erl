%% The benchmark workloads of `troupe bench`, for Erlang/OTP: same sizes, payloads and end
%% conditions. One run of one workload in a fresh VM; scripts/bench-peers does this:
%%
%%   erl -noshell +S 2:2 +P 2000000 -pa build/peers -run workloads main counting
%%
%% prints "METRIC VALUE" for each figure. A remote workload starts its second node itself. Nodes
%% find each other by the port in -erl_epmd_port, so that no epmd is started, and none stays behind:
%%
%%   erl ... -start_epmd false -erl_epmd_port PORT -setcookie SECRET -run workloads main rspawn
-module(workloads).
-export([main/1, counter/2, idle/0, mirror/0]).

-define(RING, 100).
-define(COUNTERS, 60).
-define(BIG, 120).
-define(CHAMENEOS, 100).
-define(SETTLED_MS, 200).

main([Name]) ->
    Print = fun({Metric, Value}) -> io:format("~s ~.4f~n", [Metric, float(Value)]) end,
    lists:foreach(Print, workload(Name)),
    halt(0);
main(_) ->
    io:format(standard_error, "usage: erl ... -run workloads main WORKLOAD~n", []),
    halt(64).

workload("pingpong") -> [{ns_per_msg, pingpong(3_000_000)}];
workload("counting") -> [{ns_per_msg, counting(1, 5_000_000)}];
workload("threadring") -> [{ns_per_hop, threadring(8_000_000)}];
workload("fjcreate") -> [{ns_per_actor, fjcreate(1_000_000)}];
workload("fjthrput") -> [{ns_per_msg, counting(?COUNTERS, 100_000)}];
workload("big") -> [{ns_per_msg, big(40_000)}];
workload("chameneos") -> [{ns_per_meeting, chameneos(2_000_000)}];
workload("idlemem") -> [{bytes_per_actor, idlemem(1_000_000, fun idle/0)}];
workload("idlemem_hib") -> [{bytes_per_actor, idlemem(1_000_000, fun hibernate/0)}];
workload("rcounting_64") -> [{per_s, rcounting(1_000_000, 64)}];
workload("rcounting_1k") -> [{per_s, rcounting(500_000, 1024)}];
workload("rpingpong") -> rpingpong(2_000, 20_000);
workload("rspawn") -> [{per_s, rspawn(20_000)}];
workload(Name) ->
    io:format(standard_error, "error: there is no workload ~s~n", [Name]),
    halt(66).

%% ---- the frame ---------------------------------------------------------------------------------

%% Nanoseconds from Begin() until as many processes as `Ends` have said that they are at the end.
span(Begin, Ends) ->
    Start = erlang:monotonic_time(nanosecond),
    Begin(),
    ended(Ends),
    erlang:monotonic_time(nanosecond) - Start.

ended(0) -> ok;
ended(Ends) -> receive ended -> ended(Ends - 1) end.

per_second(Count, Ns) -> Count * 1.0e9 / Ns.

times(0, _) -> ok;
times(N, Do) -> Do(), times(N - 1, Do).

%% ---- within one VM -----------------------------------------------------------------------------

pingpong(Trips) ->
    Main = self(),
    Mirror = spawn(fun mirror/0),
    Player = spawn(fun() -> receive begin_now -> rally(Trips, Mirror, Main) end end),
    span(fun() -> Player ! begin_now end, 1) / (2 * Trips).

rally(0, _, Main) ->
    Main ! ended;
rally(Trips, Mirror, Main) ->
    Mirror ! {ping, self()},
    receive pong -> rally(Trips - 1, Mirror, Main) end.

mirror() ->
    receive
        {ping, From} -> From ! pong, mirror();
        {ping, From, Trip} -> From ! {pong, Trip}, mirror()
    end.

%% One producer, round robin over the counters; each of them counts to Each. With one counter this
%% is counting, with many fork-join throughput.
counting(Counters, Each) ->
    Main = self(),
    To = [spawn(?MODULE, counter, [Each, Main]) || _ <- lists:seq(1, Counters)],
    Producer = spawn(fun() -> receive begin_now -> produce(Each, To) end end),
    span(fun() -> Producer ! begin_now end, Counters) / (Counters * Each).

produce(0, _) -> ok;
produce(Rounds, To) -> increment_all(To), produce(Rounds - 1, To).

increment_all([]) -> ok;
increment_all([To | Rest]) -> To ! increment, increment_all(Rest).

counter(0, Main) ->
    Main ! ended;
counter(Left, Main) ->
    receive
        increment -> counter(Left - 1, Main);
        {increment, _, _} -> counter(Left - 1, Main)
    end.

threadring(Hops) ->
    Main = self(),
    Ring = [spawn(fun() -> receive {next, Next} -> pass_on(Next, Main) end end)
            || _ <- lists:seq(1, ?RING)],
    [First | Others] = Ring,
    lists:foreach(fun({Pid, Next}) -> Pid ! {next, Next} end, lists:zip(Ring, Others ++ [First])),
    span(fun() -> First ! Hops end, 1) / Hops.

pass_on(Next, Main) ->
    receive
        1 -> Main ! ended;
        Hops -> Next ! Hops - 1, pass_on(Next, Main)
    end.

%% Whoever works last tells the main process; a million messages to it would be part of the figure.
fjcreate(Actors) ->
    Main = self(),
    Left = atomics:new(1, []),
    ok = atomics:put(Left, 1, Actors),
    Worker = fun() -> receive work -> work(Left, Main) end end,
    span(fun() -> times(Actors, fun() -> spawn(Worker) ! work end) end, 1) / Actors.

work(Left, Main) ->
    case atomics:sub_get(Left, 1, 1) of
        0 -> Main ! ended;
        _ -> ok
    end.

%% Each sends its next ping when the pong of the one before is there; all answer until all are done.
big(Pings) ->
    Main = self(),
    Pids = [spawn(fun() -> receive {all, All} -> member(Id, Id + 1, Pings, All, Main) end end)
            || Id <- lists:seq(0, ?BIG - 1)],
    All = list_to_tuple(Pids),
    lists:foreach(fun(Pid) -> Pid ! {all, All} end, Pids),
    Begin = fun() -> lists:foreach(fun(Pid) -> Pid ! pong end, Pids) end,
    span(Begin, ?BIG) / (2 * ?BIG * Pings).

member(Id, Seed, Left, All, Main) ->
    receive
        {ping, From} ->
            From ! pong,
            member(Id, Seed, Left, All, Main);
        pong when Left > 0 ->
            Drawn = (Seed * 1103515245 + 12345) band 16#7fffffff,
            Other = (Id + 1 + (Drawn bsr 8) rem (?BIG - 1)) rem ?BIG,
            element(Other + 1, All) ! {ping, self()},
            member(Id, Drawn, Left - 1, All, Main);
        pong ->
            Main ! ended,
            member(Id, Seed, 0, All, Main)
    end.

%% The first to come waits at the mall; the second is sent to the first, who changes both.
chameneos(Meetings) ->
    Main = self(),
    Mall = spawn(fun() -> mall_open(Meetings, Main) end),
    Chameneos = [spawn(fun() -> receive begin_now -> chameneo(Mall, Id rem 3) end end)
                 || Id <- lists:seq(0, ?CHAMENEOS - 1)],
    Begin = fun() -> lists:foreach(fun(One) -> One ! begin_now end, Chameneos) end,
    span(Begin, 1) / Meetings.

mall_open(0, Main) ->
    mall_closed(?CHAMENEOS, 0, Main);
mall_open(Meetings, Main) ->
    receive {meet, _, First} ->
        receive {meet, _, _} = Second -> First ! Second end
    end,
    mall_open(Meetings - 1, Main).

mall_closed(0, _, Main) ->
    Main ! ended;
mall_closed(Inside, Met, Main) ->
    receive
        {meet, _, From} -> From ! closed, mall_closed(Inside, Met, Main);
        {met, Times} -> mall_closed(Inside - 1, Met + Times, Main)
    end.

chameneo(Mall, Colour) ->
    Mall ! {meet, Colour, self()},
    chameneo(Mall, Colour, 0).

chameneo(Mall, Colour, Met) ->
    receive
        {meet, Colour, From} -> From ! {become, Colour}, again(Mall, Colour, Met);
        {meet, Other, From} ->
            Third = 3 - Colour - Other,
            From ! {become, Third},
            again(Mall, Third, Met);
        {become, Changed} -> again(Mall, Changed, Met);
        closed -> Mall ! {met, Met}
    end.

again(Mall, Colour, Met) ->
    Mall ! {meet, Colour, self()},
    chameneo(Mall, Colour, Met + 1).

%% The processes' ids are not kept: the list of them would count as memory of the processes.
idlemem(Actors, Body) ->
    Before = resident(),
    times(Actors, fun() -> spawn(Body) end),
    (settled(Before) - Before) / Actors.

%% A process hibernates when it first runs, which spawn does not wait for.
settled(Last) ->
    timer:sleep(?SETTLED_MS),
    case resident() of
        Now when abs(Now - Last) < 1_000_000 -> Now;
        Now -> settled(Now)
    end.

resident() ->
    {ok, Text} = file:read_file("/proc/self/status"),
    {match, [KiB]} = re:run(Text, "VmRSS:\\s+(\\d+) kB", [{capture, all_but_first, list}]),
    list_to_integer(KiB) * 1024.

hibernate() -> erlang:hibernate(?MODULE, idle, []).

idle() -> receive stop -> ok end.

%% ---- between two nodes -------------------------------------------------------------------------

%% Starts the other node with as many schedulers, controlled over its standard input and output so
%% that the connection carries nothing but the workload; it ends with this VM.
other_node() ->
    Port = argument(erl_epmd_port),
    Cookie = argument(setcookie),
    Alone = #{name_domain => longnames, dist_listen => false},
    {ok, _} = net_kernel:start('bench@127.0.0.1', Alone),
    true = erlang:set_cookie(list_to_atom(Cookie)),
    {ok, _, Node} = peer:start_link(#{
        name => "other", host => "127.0.0.1", longnames => true, connection => standard_io,
        args => ["+S", "2:2", "+P", "2000000", "-pa", filename:dirname(code:which(?MODULE)),
                 "-start_epmd", "false", "-erl_epmd_port", Port, "-setcookie", Cookie,
                 "-kernel", "inet_dist_use_interface", "{127,0,0,1}"]}),
    true = net_kernel:connect_node(Node),
    Node.

argument(Name) ->
    {ok, [[Value] | _]} = init:get_argument(Name),
    Value.

rcounting(Messages, Bytes) ->
    Counter = spawn(other_node(), ?MODULE, counter, [Messages, self()]),
    Payload = binary:copy(<<"x">>, Bytes),
    per_second(Messages, span(fun() -> flood(Messages, Counter, Payload) end, 1)).

flood(0, _, _) -> ok;
flood(Left, To, Payload) -> To ! {increment, Left, Payload}, flood(Left - 1, To, Payload).

rpingpong(Warm, Trips) ->
    Mirror = spawn(other_node(), ?MODULE, mirror, []),
    _ = trips(Warm, Mirror, []),
    Begin = erlang:monotonic_time(nanosecond),
    Took = lists:sort(trips(Trips, Mirror, [])),
    Total = erlang:monotonic_time(nanosecond) - Begin,
    Percentile = fun(P) -> lists:nth(Trips * P div 100, Took) / 1000 end,
    [{p50_us, Percentile(50)}, {p99_us, Percentile(99)}, {trips_per_s, per_second(Trips, Total)}].

trips(0, _, Took) ->
    Took;
trips(Left, Mirror, Took) ->
    Begin = erlang:monotonic_time(nanosecond),
    Mirror ! {ping, self(), Left},
    receive {pong, Left} -> ok end,
    trips(Left - 1, Mirror, [erlang:monotonic_time(nanosecond) - Begin | Took]).

%% spawn/4 on another node returns when that node has answered with the pid.
rspawn(Actors) ->
    Node = other_node(),
    Begin = erlang:monotonic_time(nanosecond),
    times(Actors, fun() -> spawn(Node, ?MODULE, idle, []) end),
    per_second(Actors, erlang:monotonic_time(nanosecond) - Begin).
