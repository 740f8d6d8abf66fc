# file: transport/link_send.c
# seeds: 300
# A marker goes before what is queued on the link.
/^tr_status link_send/,/^}/s/^    item->next = NULL;/&\n    if (item->data[1] == ENVELOPE_SNAPSHOT \&\& sender->next != NULL) {\n        struct parcel **place = \&sender->first;\n        while (*place != sender->next) place = \&(*place)->next;\n        item->next = *place;\n        sender->next = *place = item;\n        sender->queued++;\n        sender->queued_bytes += item->bytes;\n        *parcel = NULL;\n        return TR_OK;\n    }/
