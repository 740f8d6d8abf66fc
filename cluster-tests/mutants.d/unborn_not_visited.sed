# file: node/cutter.c
# The last token passes by what waits for births.
s/unborn_record\(/(void)(/
