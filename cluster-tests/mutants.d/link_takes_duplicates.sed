# file: transport/link_receive.c
# A parcel that was delivered already is delivered again.
s/envelope\.sequence <= receiver->delivered\)/false)/
s/envelope\.sequence != receiver->delivered \+ 1\)/envelope.sequence > receiver->delivered + 1)/
