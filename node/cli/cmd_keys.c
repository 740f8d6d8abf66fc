/*
 * cmd_keys.c - keys list, keys make.
 */
#include <string.h>

#include "node/base/keys.h"
#include "node/base/memory.h"
#include "node/base/random.h"
#include "node/cli/app.h"
#include "node/cli/commands.h"

static const struct output_column columns[] = {{"NAME", "name", OUTPUT_VALUE},
                                               {"ROLE", "role", OUTPUT_VALUE},
                                               {"CURVE KEY", "curve", OUTPUT_VALUE},
                                               {0}};

static const char *role_of(const char *name) {
    if (strncmp(name, "operate.", 8) == 0) return "operate";
    return strncmp(name, "observe.", 8) == 0 ? "observe" : "node";
}

static json_t *describe(const char *name, const uint8_t curve[KEYS_BYTES]) {
    char text[KEYS_TEXT_BYTES];
    keys_text(curve, text);
    return json_pack("{s:s, s:s, s:s}", "name", name, "role", role_of(name), "curve", text);
}

tr_status cmd_keys_list(struct app *app) {
    public_keys *list = NULL;
    size_t count = 0;
    tr_status status = keys_list(app->folder.keys, &list, &count, &app->failure.error);
    if (status != TR_OK) return status;
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, describe(list[i].name, list[i].curve));
    output_data(&app->output, "KeyList", data, data, columns);
    output_note(&app->output, "%zu keys in %s", count, app->folder.keys);
    json_decref(data);
    mem_free(list);
    return TR_OK;
}

static void draw(void *context, void *out, size_t bytes) {
    (void)context;
    random_system(out, bytes);
}

tr_status cmd_keys_make(struct app *app) {
    const char *name = args_word(app->args, 0);
    key_pair pair;
    tr_status status =
        keys_load_or_make(app->folder.keys, name, draw, NULL, &pair, &app->failure.error);
    if (status != TR_OK) return status;
    json_t *data = describe(name, pair.curve_public);
    keys_wipe(&pair);
    output_data(&app->output, "Key", data, data, columns);
    output_note(&app->output, "keys of %s are in %s; give %s.pub to the others, keep %s.key", name,
                app->folder.keys, name, name);
    json_decref(data);
    return TR_OK;
}
