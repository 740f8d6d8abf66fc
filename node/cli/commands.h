/*
 * commands.h - the commands, one function each; grammar.c names them.
 *
 * Each takes what the line says from app->args, prints data on stdout, says on stderr what changed
 * and what may come next, and returns TR_OK or the status that app->failure explains.
 */
#ifndef TROUPE_CLI_COMMANDS_H
#define TROUPE_CLI_COMMANDS_H

#include "node/cli/args.h"

command_run cmd_up, cmd_down;
command_run cmd_status, cmd_node_list, cmd_node_show;
command_run cmd_node_stop, cmd_node_kill, cmd_node_start;
command_run cmd_behavior_list, cmd_behavior_show;
command_run cmd_spawn;
command_run cmd_send, cmd_ask;
command_run cmd_actor_list, cmd_actor_show, cmd_actor_stop;
command_run cmd_snapshot_create, cmd_snapshot_list, cmd_snapshot_show, cmd_snapshot_verify,
    cmd_snapshot_sum;
command_run cmd_logs;
command_run cmd_dead_list;
command_run cmd_bench;
command_run cmd_keys_list, cmd_keys_make;
command_run cmd_help, cmd_completion, cmd_version;

#endif
