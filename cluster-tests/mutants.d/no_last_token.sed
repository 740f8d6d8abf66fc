# file: node/cutter.c
# Nobody looks for what is still older in the queues.
s/recording_token_begin\(/(void)(/
