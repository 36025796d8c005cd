#!/usr/bin/env python3
"""peer.py - a client that sends bytes it knows and wants exactly those back.

whole   send --size bytes while reading, half-close, read to the end
full    send without reading until the path is full, half-close, wait, then read to the end
many    `whole` on --count connections that are all open at the same time
loop    small messages until SIGTERM or --seconds, on a connection each; --keep: all on one
silent  connect, say nothing and wait until the server ends it
crowd   the same on --count connections that are all open at the same time
knock   send a byte on each of --count connections and print how many of them come back; --keep:
        stay until SIGTERM or --seconds

Exit status: 0 when all of it came back and the server ended in order, else 1 and the reason.
"""
import argparse
import os
import random
import select
import signal
import socket
import ssl
import struct
import sys
import time

FULL_BYTES = 32 << 20  # more than the kernel holds on both ways together
FULL_SECONDS = 0.5  # the path is full when nothing has moved for this long
FULL_PAUSE = 1  # what an echo gets to lose its nerve in
LOOP_PAUSE = 0.01  # between two messages: clients are there to be there, and not to take the machine


class Lost(Exception):
    """What the server owed and did not give."""


class Peer:
    """One connection, plain or TLS, that blocks in wait() alone.

    TLS runs over memory BIOs, since SSLSocket.unwrap() cannot half-close: it waits for the
    server's close_notify and chokes on the echo that comes before it.
    """

    def __init__(self, args, handshake=True):
        self.args = args
        self.out = bytearray()  # on its way to the socket
        self.finishing = self.ended = False
        self.sock = connect(args)
        self.tls = None
        if args.tls:
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = args.context.wrap_bio(
                self.incoming, self.outgoing, server_hostname="localhost")
            self.handshake(handshake)

    def handshake(self, to_the_end):
        """With to_the_end false only the first half of the first message is sent."""
        done = False
        while not done:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            self.encrypted()
            if not to_the_end:
                del self.out[len(self.out) // 2:]
            while self.out:
                self.wait(reading=False)
                self.flush()
            if not to_the_end:
                return
            if not done:
                self.wait()
                self.receive()

    def encrypted(self):
        self.out += self.outgoing.read()

    def wait(self, seconds=None, reading=True):
        """Until something can be sent or, if `reading`, received; False when the time is over."""
        poll = select.poll()
        poll.register(self.sock, self.events(reading))
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def events(self, reading=True):
        return (select.POLLIN if reading else 0) | (select.POLLOUT if self.out else 0)

    def write(self, data):
        if self.tls:
            self.tls.write(data)
            self.encrypted()
        else:
            self.out += data
        self.flush()

    def flush(self):
        """Send one piece, and FIN behind the last one if it is to be."""
        time.sleep(self.args.pause_send)
        try:
            del self.out[:self.sock.send(self.out[:self.args.piece])]
        except BlockingIOError:
            return
        if self.finishing and not self.out and not self.tls:
            self.sock.shutdown(socket.SHUT_WR)

    def finish(self):
        """Half-close: FIN, or close_notify while TCP stays open both ways."""
        self.finishing = True
        if self.tls:
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass  # ours is on its way; theirs comes behind the last of the echo
            self.encrypted()
        self.flush()

    def receive(self):
        """Hand what the socket has to TLS; returns it."""
        data = self.sock.recv(self.args.piece)
        time.sleep(self.args.pause_read)
        if self.tls and data:
            self.incoming.write(data)
        elif self.tls:
            self.incoming.write_eof()
        return data

    def read(self):
        """What has come: bytes, b"" once the server has ended its side, None for nothing yet."""
        if self.ended:
            return b""
        try:
            data = self.receive()
        except BlockingIOError:
            return None
        return self.decrypt() if self.tls else data

    def decrypt(self):
        """Leaves nothing undecrypted behind, which finish() relies on."""
        plain = bytearray()
        try:
            while chunk := self.tls.read(65536):
                plain += chunk
            self.ended = True
        except ssl.SSLWantReadError:
            return bytes(plain) or None
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLEOFError:
            raise Lost("the server ended without close_notify") from None
        return bytes(plain)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def connect(args):
    if args.unix:
        sock = socket.socket(socket.AF_UNIX)
        address = args.unix
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in args.host else socket.AF_INET)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address = (args.host, args.port)
    if args.receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, args.receive_buffer)
    if args.source:
        sock.bind((args.source, 0))
    sock.connect(address)
    sock.setblocking(False)
    return sock


def tls_context(args):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a missing close_notify is to be seen
    if args.tls_version:
        version = ssl.TLSVersion["TLSv" + args.tls_version.replace(".", "_")]
        context.minimum_version = context.maximum_version = version
    if args.ca:
        context.load_verify_locations(args.ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Exchange:
    """Send `data` from `sent` on, end as args.end says, and take it all back."""

    def __init__(self, peer, data, args, sent=0):
        self.peer, self.data, self.args = peer, data, args
        self.sent, self.got = sent, 0

    def step(self):
        """Go on as far as it goes without waiting. Returns whether it is over."""
        self.send()
        chunk = self.peer.read()
        if chunk == b"":
            if self.got != len(self.data) or self.sent != self.got:
                raise Lost(f"{self.got} of {len(self.data)} bytes came back, {self.sent} were sent")
            self.peer.sock.close()
            return True
        if chunk:
            self.take(chunk)
        return bool(chunk) and self.got == len(self.data) and self.leave()

    def send(self):
        if self.peer.out:
            self.peer.flush()
        while not self.peer.out and self.sent < len(self.data):
            chunk = self.data[self.sent:self.sent + self.args.piece]
            self.peer.write(chunk)
            self.sent += len(chunk)
        if self.to_finish():
            self.peer.finish()

    def take(self, chunk):
        if self.data[self.got:self.got + len(chunk)] != chunk:
            raise Lost(f"from byte {self.got} on it is not what was sent")
        self.got += len(chunk)

    def leave(self):
        """Once all is back. Returns whether there is nothing more to wait for."""
        if self.args.end == "cut":
            self.peer.sock.shutdown(socket.SHUT_WR)
        elif self.args.end == "reset":
            self.peer.reset()
        return self.args.end == "reset"

    def events(self):
        to_send = self.sent < len(self.data) or self.to_finish()
        return self.peer.events() | (select.POLLOUT if to_send else 0)

    def to_finish(self):
        return (self.sent == len(self.data) and self.args.end == "close"
                and not self.peer.finishing)


def run(exchanges):
    """All of them at once, to the end."""
    under_way = {exchange.peer.sock.fileno(): exchange for exchange in exchanges}
    poll = select.poll()
    while under_way:
        for fd, exchange in under_way.items():
            poll.register(fd, exchange.events())
        for fd, _ in poll.poll():
            if under_way[fd].step():
                poll.unregister(fd)
                del under_way[fd]


def whole(args):
    run([Exchange(Peer(args), os.urandom(args.size), args)])


def many(args):
    run([Exchange(Peer(args), os.urandom(args.size), args) for _ in range(args.count)])


def full(args):
    data = os.urandom(FULL_BYTES)
    peer = Peer(args)
    sent = 0
    while sent < len(data):
        if not peer.out:
            chunk = data[sent:sent + random.randint(1, 100000)]
            peer.write(chunk)
            sent += len(chunk)
        elif peer.wait(FULL_SECONDS, reading=False):
            peer.flush()
        else:
            break
    if not peer.tls:  # what is not sent by now never is; a record of TLS cannot be cut
        sent -= len(peer.out)
        peer.out.clear()
    print(f"{sent} bytes before the first was read, {'full' if sent < len(data) else 'not full'}")
    peer.finish()
    time.sleep(FULL_PAUSE)
    run([Exchange(peer, data[:sent], args, sent)])


def loop(args):
    going = True

    def stop(_signal, _frame):
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    end = time.monotonic() + args.seconds
    trips = 0
    peer = Peer(args) if args.keep else None
    while trips == 0 or (going and time.monotonic() < end):
        message = os.urandom(random.randint(1, 4000))
        if args.keep:
            round_trip(peer, message)
        else:
            run([Exchange(Peer(args), message, args)])
        trips += 1
        time.sleep(LOOP_PAUSE)
    if args.keep:
        peer.finish()
        run([Exchange(peer, b"", args)])
    print(f"{trips} round trips")


def round_trip(peer, message):
    got = b""
    peer.write(message)
    while got != message:
        peer.wait()
        peer.flush()
        chunk = peer.read()
        if chunk == b"" or not message.startswith(got + (chunk or b"")):
            raise Lost("the connection ended or another message came back")
        got += chunk or b""


def silent(args):
    peer = Peer(args, handshake=not args.half_handshake)
    end = time.monotonic() + args.seconds
    try:
        while peer.wait(max(0, end - time.monotonic())):
            if not peer.sock.recv(65536):
                return
    except ConnectionResetError:
        return
    raise Lost(f"the server has not closed in {args.seconds} seconds")


def closed_by(sock, seconds):
    """Whether the server ends it in this time, without having sent a byte."""
    sock.settimeout(max(0.001, seconds))
    try:
        if sock.recv(65536):
            raise Lost("the server has sent something")
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def crowd(args):
    socks = [connect(args) for _ in range(args.count)]
    end = time.monotonic() + args.seconds
    if not all(closed_by(sock, end - time.monotonic()) for sock in socks):
        raise Lost(f"the server has not closed all in {args.seconds} seconds")


def comes_back(sock):
    """Whether a byte does: it does not where the server has closed the connection."""
    sock.setblocking(True)
    try:
        sock.sendall(b"x")
        return sock.recv(1) == b"x"
    except (ConnectionResetError, BrokenPipeError):
        return False


def knock(args):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    socks = [connect(args) for _ in range(args.count)]
    print(sum([comes_back(sock) for sock in socks]), flush=True)
    if args.keep:
        time.sleep(args.seconds)


def on_alarm(_signal, _frame):
    raise Lost("timed out")


def parse():
    modes = {f.__name__: f for f in (whole, full, many, loop, silent, crowd, knock)}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("mode", choices=modes)
    add("--host", default="127.0.0.1", help="an address, no name")
    add("--port", type=int, default=7)
    add("--source", metavar="ADDRESS", help="where to connect from")
    add("--unix", metavar="PATH", help="instead of host and port")
    add("--tls", action="store_true")
    add("--tls-version", choices=("1.2", "1.3"), help="this one alone; implies --tls")
    add("--ca", metavar="FILE", help="verify the server, as localhost")
    add("--size", type=int, default=1024)
    add("--count", type=int, default=20)
    add("--seconds", type=float, default=60, help="of loop, silent, crowd and knock")
    add("--keep", action="store_true", help="loop: one connection for all messages; knock: stay")
    add("--half-handshake", action="store_true", help="silent: from the middle of a TLS message on")
    add("--end", choices=("close", "cut", "reset"), default="close",
        help="half-close in order; FIN once all is back, without close_notify; RST then")
    add("--piece", type=int, default=65536, help="bytes a call of send and recv")
    add("--pause-send", type=float, default=0, metavar="SECONDS", help="for each piece")
    add("--pause-read", type=float, default=0, metavar="SECONDS", help="for each piece")
    add("--receive-buffer", type=int, metavar="BYTES")
    add("--timeout", type=int, default=300, help="seconds for everything, beyond --seconds")
    args = parser.parse_args()
    args.tls = args.tls or args.tls_version is not None
    args.context = tls_context(args)
    return args, modes[args.mode]


def main():
    args, mode = parse()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, args.timeout + args.seconds * (mode in (loop, silent, crowd, knock)))
    try:
        mode(args)
    except (Lost, OSError) as error:
        sys.exit(f"peer.py {args.mode}: {error}")


if __name__ == "__main__":
    main()
