#!/usr/bin/env python3
"""crowd.py - many clients at once, more than there is room for, each with one word.

turns   as many as fit (--fit) are answered, and only those; each time they leave the others have
        their turn, and nobody is turned away
press   stay until each has been answered or has broken; some of either

Exit status: 0 when it was so, else 1 and the reason.
"""
import argparse
import socket
import ssl
import sys
import threading
import time

WAITING, SERVED, BROKEN = "waiting", "served", "broken"
WORD = b"word"
QUIET = 1  # seconds without an answer after which nobody else is thought to be served


class Client(threading.Thread):
    """Connects, has its word answered and stays until told to leave; `state` says how far it is."""

    def __init__(self, args):
        super().__init__(daemon=True)
        self.args, self.state, self.at = args, WAITING, None
        self.leaving = threading.Event()

    def run(self):
        try:
            with self.connect() as sock:
                sock.sendall(WORD)
                if sock.recv(len(WORD)) != WORD:
                    raise OSError("the word did not come back")
                self.at, self.state = time.monotonic(), SERVED
                self.leaving.wait()
        except OSError:
            self.at, self.state = time.monotonic(), BROKEN

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.args.port), self.args.timeout)
        if self.args.ca:
            context = ssl.create_default_context(cafile=self.args.ca)
            sock = context.wrap_socket(sock, server_hostname="localhost")
        return sock


def those(clients, state):
    return [client for client in clients if client.state == state]


def wait_until(condition, seconds, words):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"crowd.py: {words()}")
        time.sleep(0.005)


def begin(args):
    clients = [Client(args) for _ in range(args.count)]
    for client in clients:
        client.start()
    return clients


def leave(clients):
    for client in clients:
        client.leaving.set()
    for client in clients:
        client.join()


def turns(args):
    left = time.monotonic()
    waiting = begin(args)
    count, longest = len(waiting), 0
    while waiting:
        fit = min(args.fit, len(waiting))
        wait_until(lambda: len(those(waiting, SERVED)) >= fit, args.timeout,
                   lambda: f"{len(those(waiting, SERVED))} served of {len(waiting)}, not {fit}")
        if len(waiting) == count:
            time.sleep(QUIET)
        served = those(waiting, SERVED)
        longest = max([longest, *(client.at - left for client in served)])
        if len(served) != fit or those(waiting, BROKEN):
            sys.exit(f"crowd.py: {len(served)} served, not {fit}; {len(those(waiting, BROKEN))} broken")
        leave(served)
        left = time.monotonic()
        waiting = [client for client in waiting if client not in served]
    print(f"{count} clients, {args.fit} at a time; a turn took {longest * 1000:.0f} ms at most")


def press(args):
    clients = begin(args)
    wait_until(lambda: not those(clients, WAITING), args.timeout,
               lambda: f"{len(those(clients, WAITING))} neither served nor broken")
    served = those(clients, SERVED)
    leave(clients)
    print(f"{args.count} clients, {len(served)} served, {args.count - len(served)} broken")
    if not served:
        sys.exit("crowd.py: nobody was served")


def main():
    modes = {f.__name__: f for f in (turns, press)}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("mode", choices=modes)
    add("--port", type=int, required=True)
    add("--ca", metavar="FILE", help="speak TLS")
    add("--count", type=int, default=60)
    add("--fit", type=int, default=1, help="turns: how many have room")
    add("--timeout", type=int, default=60, help="seconds for each step")
    args = parser.parse_args()
    modes[args.mode](args)


if __name__ == "__main__":
    main()
