#!/usr/bin/env python3
"""hostile.py - peers that cost an echo what they can: silent, slow and garbage-sending ones.

Silent and slow ones stay until they are cut, --rate of them coming a second. Those that send garbage
come back --again seconds later on average, until SIGUSR1. The program ends when the last one has gone.
"""
import argparse
import asyncio
import os
import random
import signal
import sys

going = True


def source(number):
    return (f"127.0.{1 + number // 250 % 8}.{1 + number % 250}", 0)


async def silent(_reader, _writer):
    pass


async def slow(_reader, writer):
    hello = bytes([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]) + os.urandom(500)
    for byte in hello:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def garbage(_reader, writer):
    writer.write(os.urandom(1000))
    await writer.drain()


async def visit(number, port, behave):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source(number))
    talk = asyncio.create_task(behave(reader, writer))
    try:
        while await reader.read(65536):
            pass
    finally:
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)
        writer.transport.abort()


async def peer(number, port, behave, delay, again):
    await asyncio.sleep(delay)
    while True:
        try:
            await visit(number, port, behave)
        except OSError:
            pass
        if behave is not garbage or not going:
            return
        await asyncio.sleep(random.uniform(0, 2 * again))


async def main():
    global going
    parser = argparse.ArgumentParser()
    for kind in ("silent", "slow", "garbage", "port", "rate"):
        parser.add_argument("--" + kind, type=int, default=0)
    parser.add_argument("--again", type=float, default=60)
    args = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, stop.set)
    kinds = [silent] * args.silent + [slow] * args.slow + [garbage] * args.garbage
    peers = [asyncio.create_task(peer(i, args.port, kind, i / args.rate, args.again))
             for i, kind in enumerate(kinds)]
    await stop.wait()
    going = False
    await asyncio.gather(*peers)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
