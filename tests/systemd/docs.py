#!/usr/bin/env python3
"""docs.py FILE - run the command blocks of a Markdown file, and compare what they print.

All blocks of the language `sh` run in order in one bash, which ends at the first that fails. A block of the
language `text` right behind one says what it prints, on both outputs: `...` in it stands for anything in a
line, and as a line of its own for any number of lines. Blocks of other languages are no commands.
"""
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

SECONDS = 1800
MARK = "printf '\\n=== block {} ===\\n'\n"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.M | re.S)


def blocks(text):
    """Pairs of commands and what they print, or None."""
    found, last_end = [], None
    for match in FENCE.finditer(text):
        if match[1] == "sh":
            found.append([match[2], None])
        elif match[1] == "text":
            if not found or text[last_end:match.start()].strip():
                sys.exit(f"a block of text without commands: {match[2]}")
            found[-1][1] = match[2]
        last_end = match.end()
    return found


def pattern(expected):
    """What the output must match, whole."""
    lines = []
    for line in expected.splitlines():
        if line == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(map(re.escape, line.split("..."))) + r"\n")
    return re.compile("".join(lines))


def run(found):
    """What each block has printed; stops the program at one that fails."""
    script = "set -e\n"
    for i, (commands, _) in enumerate(found):
        script += MARK.format(i) + commands
    script += MARK.format(len(found))
    with tempfile.NamedTemporaryFile() as output:
        # opened by its name for each: those that go on in the background share neither place nor offset with us
        with open(output.name, "a", encoding="utf-8") as file:
            shell = subprocess.Popen(["bash", "-c", script], stdout=file, stderr=file,
                                     stdin=subprocess.DEVNULL, start_new_session=True)
        status = shell.wait(SECONDS)
        with open(output.name, encoding="utf-8", errors="replace") as file:
            text = file.read()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)  # what is left in the background
            for _ in range(600):  # the next document wants its ports
                os.killpg(shell.pid, 0)
                time.sleep(0.1)
    printed = re.split(r"\n=== block \d+ ===\n", text)[1:]
    if status != 0 or len(printed) != len(found) + 1:
        print(text)
        sys.exit(f"exit status {status} in\n{found[len(printed) - 1][0]}")
    return printed


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    indented = re.search(r"^(    |\t).*", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    if indented:
        sys.exit(f"nobody tries what is only indented, make it a block: {indented[0]}")
    found = blocks(text)
    for (commands, expected), printed in zip(found, run(found) if found else []):
        if expected is not None and not pattern(expected).fullmatch(printed):
            sys.exit(f"{commands}prints\n{printed}and not\n{expected}")
    print(f"{len(found)} blocks")


if __name__ == "__main__":
    main()
