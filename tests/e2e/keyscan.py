"""keyscan.py KEY PID... - look for parts of a private key in the memory of processes.

Each secret number of the key - the exponent, primes and the like of RSA, the scalar of an elliptic
curve, the seed of ML-DSA - is looked for in both byte orders, by its first and by its last bytes, and
so are lines of the PEM text. Prints what is found where; status 0 nothing is, 1 something is, 2 it could not look.
"""
import array
import mmap
import re
import subprocess
import sys

PAGE = mmap.PAGESIZE
PART = 16  # bytes that no chance brings together
PUBLIC = {"modulus", "pub", "publicExponent"}


def numbers_of(path):
    """The key's numbers by name, as openssl-pkey(1) shows them."""
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"],
                          check=True, capture_output=True, text=True).stdout
    for name, digits in re.findall(r"^(\w+):\s*\n((?:    [0-9a-f:]+\n)+)", text, re.M):
        yield name, bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")


def patterns_of(path):
    patterns = {}
    numbers = dict(numbers_of(path))
    public = b"".join(numbers[name] for name in numbers.keys() & PUBLIC)
    for name in numbers.keys() - PUBLIC:
        number = numbers[name]
        if number[:PART] in public:  # ML-DSA: both keys begin alike (FIPS 204, 7.2)
            number = number[32:]
        for order, data in (("big", number), ("little", number[::-1])):
            patterns[f"{name}, {order}-endian, first"] = data[:PART]
            patterns[f"{name}, {order}-endian, last"] = data[-PART:]
    lines = [line for line in open(path, "rb").read().split(b"\n") if line and b"-" not in line]
    for i, line in enumerate(lines[1:] or lines):  # the first line is the same in many keys
        patterns[f"PEM, line {i}"] = line[-40:]
    assert patterns and all(len(p) >= PART for p in patterns.values())
    return patterns


def regions_of(pid):
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            fields = line.split()
            if "r" in fields[1] and not (len(fields) > 5 and fields[5].startswith("[v")):
                yield tuple(int(end, 16) for end in fields[0].split("-"))


def touched_runs(pagemap, start, end):
    """The parts of a region that are in memory or swap (proc(5), pagemap): reading the others
    would only bring them into being."""
    pagemap.seek(start // PAGE * 8)
    entries = array.array("Q", pagemap.read((end - start) // PAGE * 8))
    run = None
    for i, entry in enumerate(entries):
        if entry >> 62 and run is None:
            run = i
        elif not entry >> 62 and run is not None:
            yield start + run * PAGE, (i - run) * PAGE
            run = None
    if run is not None:
        yield start + run * PAGE, (len(entries) - run) * PAGE


def memory_of(pid):
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, \
            open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for start, end in regions_of(pid):
            for address, size in touched_runs(pagemap, start, end):
                memory.seek(address)
                yield memory.read(size)


def main(key, *pids):
    patterns = patterns_of(key)
    found = False
    for pid in pids:
        hits, size = set(), 0
        for region in memory_of(pid):
            size += len(region)
            hits |= {name for name, pattern in patterns.items() if pattern in region}
        if size == 0:
            sys.exit(2)
        found |= bool(hits)
        print(f"{pid}: {size >> 10} KiB, {len(patterns)} patterns, found: {sorted(hits) or 'none'}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        print(error)
        sys.exit(2)
