# file: node/cutter.c
# Nobody looks for what is still older in the queues.
/^static void op_token_start/,/^}/s/recording_token_begin\(.*\);/(void)node;/
