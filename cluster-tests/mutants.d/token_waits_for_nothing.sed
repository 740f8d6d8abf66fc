# file: node/actor.c
# Who has mail to handle says at once that it is recorded.
s/actor_extra\(actor\)->token_last = actor->local.last;/token_taken(actor->runtime);/
