# file: transport/link_receive.c
# What has not arrived is acknowledged as soon as something behind it does.
s/if \(first > receiver->delivered \+ 1\) \{/if (first > receiver->delivered + 1) receiver->delivered = first - 1;\n    if (false) {/
