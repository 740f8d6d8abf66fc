# file: node/unborn.c
# What waits for a birth is filed newest first.
s/^    message_list_push\(&cradle->mail, item\);/    item->next = cradle->mail.first;\n    cradle->mail.first = item;\n    if (cradle->mail.last == NULL) cradle->mail.last = item;/
