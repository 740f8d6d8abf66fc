# file: node/unborn.c
# An actor is born without what waited for it.
s/made->local = cradle->mail;/(void)0;/
s/atomic_init\(&made->box\.taken, count\);/(void)0;/
