#!/usr/bin/env python3
"""bad_server.py - echoes that fail in a known way, for clients that must notice.

Each KIND is MODE[@OFFSET], with tls- before it for TLS, and gets a port of its own, which is
printed. The fault is at byte OFFSET, counted from 0, of each connection.

good             no fault
corrupt          the byte is another one
drop             it is left out
duplicate        it and the nine before it come twice
truncate         the bytes before it come, then an end in order
prompt           the same, with the end in the last one's segment
leave            the same, but with the rest of the input unread, so that a reset follows
reset            the same, and a reset in place of an end
stall            the same, then nothing, not even an end
extra            all is right; behind the end of the input three bytes more come
babble           a byte more comes with each piece
late             all is right, but each piece comes after 5 ms
hang             all is right, but there is no end
no-close-notify  all is right, but TLS has no end

What each connection was given back is printed when it ends.
"""
import argparse
import socket
import ssl
import struct
import threading
import time

PIECE = 65536
EARLY = ("truncate", "prompt", "leave", "reset", "stall")


def faulty(mode, offset, start, data):
    """What comes back for `data`, which begins at byte `start` of the connection."""
    i = offset - start
    if mode in EARLY:
        return data[:max(0, i)]
    if mode == "babble":
        return data + b"!"
    if not 0 <= i < len(data):
        return data
    if mode == "corrupt":
        return data[:i] + bytes([data[i] ^ 1]) + data[i + 1:]
    if mode == "drop":
        return data[:i] + data[i + 1:]
    if mode == "duplicate":
        return data[:i + 1] + data[max(0, i - 9):]
    return data


def wait_for_end(sock):
    try:
        while sock.recv(PIECE):
            pass
    except OSError:
        pass


def end_in_order(sock):
    if isinstance(sock, ssl.SSLSocket):
        try:
            sock.unwrap()
        except (OSError, ValueError):
            pass  # ours has gone out; what is still on its way to us is no close_notify
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def end(sock, mode, early):
    if mode == "reset" and early:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif mode == "leave" and early:
        pass
    elif mode in ("stall", "hang"):
        wait_for_end(sock)
        HELD.append(sock)
        return
    elif mode == "no-close-notify":
        pass
    else:
        if mode == "extra":
            sock.sendall(b"!!!")
        end_in_order(sock)
        wait_for_end(sock)
    sock.close()


HELD = []  # whose end never comes


def echo(sock, mode, offset):
    """Returns the bytes read and the bytes written."""
    taken = given = 0
    while data := sock.recv(PIECE):
        if mode == "late":
            time.sleep(0.005)
        if mode == "prompt":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        answer = faulty(mode, offset, taken, data)
        sock.sendall(answer)
        taken += len(data)
        given += len(answer)
        if mode in EARLY and taken >= offset:
            end(sock, mode, True)
            return taken, given
    end(sock, mode, False)
    return taken, given


def serve(sock, kind, mode, offset, context):
    try:
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        taken, given = echo(sock, mode, offset)
        if taken > 0:
            print(f"{kind} gave back {given} of {taken}", flush=True)
    except OSError as error:
        print(f"{kind}: {error}", flush=True)


def accept(listener, *args):
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(sock, *args), daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", metavar="KIND", nargs="+")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    args = parser.parse_args()
    for kind in args.kinds:
        mode, _, offset = kind.removeprefix("tls-").partition("@")
        context = None
        if kind.startswith("tls-"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(args.certificate, args.key)
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        print(f"{kind} listens on {listener.getsockname()[1]}", flush=True)
        threading.Thread(target=accept, args=(listener, kind, mode, int(offset or 0), context),
                         daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
