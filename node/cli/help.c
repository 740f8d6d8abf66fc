/*
 * help.c - printing the grammar for people and for bash.
 */
#include "node/cli/help.h"

#include <string.h>

enum { WIDTH = 96, SUMMARY_COLUMN = 38, FLAG_COLUMN = 30 };

/* Prints text wrapped at WIDTH, at `indent`; the cursor stands at `column`. */
static void print_wrapped(const char *text, int column, int indent, FILE *out) {
    bool first = true;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (!first && column + 1 + (int)word > WIDTH) {
            fputc('\n', out);
            column = 0;
            first = true;
        }
        if (first) column += fprintf(out, "%*s", column < indent ? indent - column : 0, "");
        column += fprintf(out, "%s%.*s", first ? "" : " ", (int)word, text);
        first = false;
        text += word + strspn(text + word, " ");
    }
    fputc('\n', out);
}

static int print_name(const struct command *command, FILE *out) {
    int bytes = 0;
    if (command->group != NULL) bytes += fprintf(out, "%s ", command->group);
    bytes += fprintf(out, "%s", command->name);
    if (*command->arguments != '\0') bytes += fprintf(out, " %s", command->arguments);
    return bytes;
}

static void print_line(const struct command *command, FILE *out) {
    fputs("  ", out);
    int column = 2 + print_name(command, out);
    if (column >= SUMMARY_COLUMN) {
        fputc('\n', out);
        column = 0;
    }
    print_wrapped(command->summary, column, SUMMARY_COLUMN, out);
}

static void print_flags(const struct flag *flags, const char *title, FILE *out) {
    bool first = true;
    for (; flags != NULL && flags->name != NULL; flags++) {
        if (flags->later) continue;
        if (first) fprintf(out, "\n%s\n", title);
        first = false;
        int column = flags->letter != 0 ? fprintf(out, "  -%c, --%s", flags->letter, flags->name)
                                        : fprintf(out, "      --%s", flags->name);
        if (flags->kind == FLAG_DURATION_OPT)
            column += fprintf(out, "[=%s]", flags->value);
        else if (flags->kind != FLAG_SWITCH)
            column += fprintf(out, " %s", flags->value);
        if (column >= FLAG_COLUMN) {
            fputc('\n', out);
            column = 0;
        }
        print_wrapped(flags->help, column, FLAG_COLUMN, out);
    }
}

static void print_examples(const char *examples, FILE *out) {
    fputs("Examples:\n", out);
    for (const char *at = examples; *at != '\0';) {
        size_t bytes = strcspn(at, "\n");
        fprintf(out, "  %.*s\n", (int)bytes, at);
        at += bytes + (at[bytes] == '\n');
    }
}

void help_overview(const struct grammar *grammar, FILE *out) {
    print_examples(
        "troupe up 3 --load build/examples/bank.so\n"
        "troupe spawn account --name alice --state '{\"cents\": 100}'\n"
        "troupe ask alice get\n"
        "troupe snapshot create\n"
        "troupe down\n",
        out);
    fputs("\nUsage: troupe COMMAND [WORD...] [--flag VALUE...]\n\nCommands:\n", out);
    for (size_t i = 0; i < grammar->command_count; i++)
        if (grammar->commands[i].run != NULL) print_line(&grammar->commands[i], out);
    print_flags(grammar->flags, "Flags of all commands:", out);
    fputs(
        "\nExit codes: 0 ok; 1 a check failed; 64 usage; 65 bad data; 66 no such thing; 69 node "
        "unreachable;\n70 internal; 75 timed out or full; 77 refused; 78 configuration; 130 "
        "interrupted.\n`troupe help COMMAND` says more.\n",
        out);
}

void help_command(const struct grammar *grammar, const struct command *command, FILE *out) {
    print_examples(command->examples, out);
    fputs("\nUsage: troupe ", out);
    print_name(command, out);
    fputs(" [flags]\n\n", out);
    char summary[128];
    snprintf(summary, sizeof summary, "%s.", command->summary);
    if (summary[0] >= 'a' && summary[0] <= 'z') summary[0] = (char)(summary[0] - 'a' + 'A');
    print_wrapped(summary, 0, 0, out);
    if (command->details != NULL) print_wrapped(command->details, 0, 0, out);
    print_flags(command->flags, "Flags:", out);
    print_flags(grammar->flags, "Flags of all commands:", out);
}

bool help_group(const struct grammar *grammar, const char *group, FILE *out) {
    bool found = false;
    for (size_t i = 0; i < grammar->command_count; i++) {
        const struct command *command = &grammar->commands[i];
        if (command->run == NULL || command->group == NULL || strcmp(command->group, group) != 0)
            continue;
        if (!found) fputs("Commands:\n", out);
        found = true;
        print_line(command, out);
    }
    if (found) fprintf(out, "\n`troupe help %s COMMAND` says more.\n", group);
    return found;
}

/* ---- completion ------------------------------------------------------------------------------ */

static bool seen_group(const struct grammar *grammar, size_t before) {
    for (size_t i = 0; i < before; i++) {
        const char *group = grammar->commands[i].group;
        if (grammar->commands[i].run != NULL && group != NULL &&
            strcmp(group, grammar->commands[before].group) == 0)
            return true;
    }
    return false;
}

static void print_flag_words(const struct flag *flags, FILE *out) {
    for (; flags != NULL && flags->name != NULL; flags++)
        if (!flags->later) fprintf(out, " --%s", flags->name);
}

static void print_first_words(const struct grammar *grammar, FILE *out) {
    for (size_t i = 0; i < grammar->command_count; i++) {
        const struct command *command = &grammar->commands[i];
        if (command->run == NULL) continue;
        if (command->group == NULL)
            fprintf(out, " %s", command->name);
        else if (!seen_group(grammar, i))
            fprintf(out, " %s", command->group);
    }
}

static void print_groups(const struct grammar *grammar, FILE *out) {
    for (size_t i = 0; i < grammar->command_count; i++) {
        const struct command *group = &grammar->commands[i];
        if (group->run == NULL || group->group == NULL || seen_group(grammar, i)) continue;
        fprintf(out, "        %s) words=\"", group->group);
        for (size_t j = i; j < grammar->command_count; j++) {
            const struct command *command = &grammar->commands[j];
            if (command->run != NULL && command->group != NULL &&
                strcmp(command->group, group->group) == 0)
                fprintf(out, " %s", command->name);
        }
        fputs("\" ;;\n", out);
    }
}

static void print_command_flags(const struct grammar *grammar, FILE *out) {
    for (size_t i = 0; i < grammar->command_count; i++) {
        const struct command *command = &grammar->commands[i];
        if (command->run == NULL || command->flags == NULL) continue;
        if (command->group == NULL)
            fprintf(out, "            %s\\ *|%s) flags+=\"", command->name, command->name);
        else
            fprintf(out, "            %s\\ %s) flags+=\"", command->group, command->name);
        print_flag_words(command->flags, out);
        fputs("\" ;;\n", out);
    }
}

void help_bash(const struct grammar *grammar, FILE *out) {
    fputs(
        "# bash completion for troupe; `source <(troupe completion bash)`\n"
        "_troupe() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} words= flags= path=() word\n"
        "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
        "        [[ $word == -* ]] || path+=(\"$word\")\n"
        "    done\n"
        "    flags=\"",
        out);
    print_flag_words(grammar->flags, out);
    fputs("\"\n    if [[ $current == -* ]]; then\n        case \"${path[0]} ${path[1]}\" in\n",
          out);
    print_command_flags(grammar, out);
    fputs(
        "        esac\n        COMPREPLY=($(compgen -W \"$flags\" -- \"$current\"))\n"
        "        return\n    fi\n    case \"${path[0]}\" in\n        '') words=\"",
        out);
    print_first_words(grammar, out);
    fputs("\" ;;\n", out);
    print_groups(grammar, out);
    fputs("        help) words=\"", out);
    print_first_words(grammar, out);
    fputs(
        "\" ;;\n        completion) words=bash ;;\n"
        "        bench) words=$(\"${COMP_WORDS[0]}\" bench --list --no-headers 2>/dev/null |"
        " cut -d ' ' -f 1)\n            path=(bench) ;;\n    esac\n"
        "    [[ ${#path[@]} -le 1 ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
        "    [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default 2>/dev/null\n"
        "}\ncomplete -F _troupe troupe\n",
        out);
}
