# file: transport/link_receive.c
# A message that was delivered already is delivered again.
s/first <= receiver->delivered && cursor_left/false \&\& cursor_left/
