#!/usr/bin/env python3
"""Counts words with the actors of wordcount.c on a cluster that runs, through the troupe program.

usage: wordcount.py FILE...      (troupe is found in $TROUPE, $TROUPE_BUILD, build/ or $PATH)

Prints what `cat FILE... | tr -cs A-Za-z '\\n' | tr A-Z a-z | LC_ALL=C sort | uniq -c` prints, the
empty line included that tr begins with when the first byte is no letter. Says on stderr how many
chunks and words it took.
"""
import json
import os
import shutil
import subprocess
import sys


def find_troupe():
    """The program's path: from the environment, from the tree this file is in, or the installed one."""
    if "TROUPE" in os.environ:
        return os.environ["TROUPE"]
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for folder in (os.environ.get("TROUPE_BUILD"), os.path.join(tree, "build")):
        if folder and os.access(os.path.join(folder, "troupe"), os.X_OK):
            return os.path.join(folder, "troupe")
    return shutil.which("troupe") or sys.exit("wordcount: there is no troupe program; run make")


def call(program, *arguments, given=None):
    """Runs one command and returns its data; ends this program with the command's exit code if it fails."""
    line = [program, "-q", "-o", "json", *arguments]
    text = None if given is None else json.dumps(given)
    done = subprocess.run(line, input=text, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        error = json.loads(done.stdout)["error"] if done.stdout else {}
        print(f"wordcount: {' '.join(arguments)}: {error.get('message', 'failed')}", file=sys.stderr)
        sys.exit(done.returncode)
    return json.loads(done.stdout)["data"]


def pages(program, reducer):
    """All words of one reducer with their counts, asked for page by page."""
    after = ""
    while True:
        page = call(program, "ask", reducer, "page", "-", given={"after": after})["body"]
        yield from ((entry["word"], entry["count"]) for entry in page["entries"])
        if not page["more"]:
            return
        after = page["entries"][-1]["word"]


def count(program, splitter, files):
    reply = call(program, "ask", splitter, "count", "-", "--timeout", "5m", given={"files": files})
    body = reply["body"]
    if reply["record"] != "counted":
        sys.exit(f"wordcount: {body['reason']}")
    words = [word for reducer in body["reducers"] for word in pages(program, reducer)]
    if body["starts_blank"]:
        words.append(("", 1))
    for word, times in sorted(words):
        print(f"{times:7} {word}")
    print(f"{body['words']} words, {body['distinct']} of them distinct, in {body['chunks']} chunks,"
          f" counted on {len(body['reducers'])} nodes", file=sys.stderr)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    program = find_troupe()
    splitter = call(program, "spawn", "splitter")["pid"]
    try:
        count(program, splitter, [os.path.abspath(name) for name in sys.argv[1:]])
    finally:
        call(program, "actor", "stop", splitter)


if __name__ == "__main__":
    main()
