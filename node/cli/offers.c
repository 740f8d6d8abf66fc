/*
 * offers.c - joining the nodes' lists of behaviors.
 */
#include "node/cli/offers.h"

#include <string.h>

#include "node/base/error.h"
#include "node/cli/suggest.h"

enum { NAMES_MAX = 512 };

static const char *name_of(json_t *offer) {
    const char *name = json_string_value(json_object_get(offer, "name"));
    return name == NULL ? "" : name;
}

static json_t *find_same(json_t *offers, json_t *behavior) {
    size_t index;
    json_t *offer;
    json_array_foreach(offers, index, offer) {
        if (strcmp(name_of(offer), name_of(behavior)) == 0 &&
            json_equal(json_object_get(offer, "version"), json_object_get(behavior, "version")))
            return offer;
    }
    return NULL;
}

/* Inserts in the order of names. */
static json_t *insert(json_t *offers, json_t *behavior) {
    json_t *offer = json_copy(behavior);
    size_t place = 0;
    while (place < json_array_size(offers) &&
           strcmp(name_of(json_array_get(offers, place)), name_of(offer)) <= 0)
        place++;
    json_object_set_new(offer, "nodes", json_array());
    json_array_insert_new(offers, place, offer);
    return offer;
}

json_t *offers_ask(struct app *app, struct remote *remote) {
    struct remote_answer *answers = remote_ask_all(remote, "behaviors", NULL, 0);
    json_t *offers = NULL;
    if (remote_answers_note(remote, answers) > 0) offers = json_array();
    for (size_t i = 0; offers != NULL && i < remote_member_count(remote); i++) {
        size_t index;
        json_t *behavior;
        json_array_foreach(json_object_get(answers[i].data, "behaviors"), index, behavior) {
            json_t *offer = find_same(offers, behavior);
            if (offer == NULL) offer = insert(offers, behavior);
            json_array_append_new(json_object_get(offer, "nodes"), json_string(answers[i].node));
        }
    }
    remote_answers_free(remote, answers);
    (void)app;
    return offers;
}

tr_status offers_refuse(struct app *app, json_t *offers, const char *behavior) {
    const char *names[NAMES_MAX];
    size_t index, count = 0;
    json_t *offer;
    json_array_foreach(offers, index, offer) {
        if (count < NAMES_MAX) names[count++] = name_of(offer);
    }
    const char *nearest = suggest_nearest(behavior, names, count);
    failure_set(
        &app->failure, TR_ENOENT,
        count == 0 ? "launch the nodes with --load FILE.so" : "`troupe behavior list` lists them",
        "no node offers a behavior `%s`", behavior);
    if (nearest != NULL) error_hint(&app->failure.error, "did you mean `%s`?", nearest);
    return TR_ENOENT;
}

json_t *offers_nodes(struct app *app, json_t *offers, const char *behavior) {
    json_t *nodes = json_array(), *offer;
    size_t index;
    json_array_foreach(offers, index, offer) {
        if (strcmp(name_of(offer), behavior) == 0)
            json_array_extend(nodes, json_object_get(offer, "nodes"));
    }
    if (json_array_size(nodes) > 0) return nodes;
    json_decref(nodes);
    offers_refuse(app, offers, behavior);
    return NULL;
}
