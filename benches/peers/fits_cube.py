#!/usr/bin/env python3
"""Large cubes beside astropy: the same cube, the same reads, the same named states of the page cache.

    cargo bench --bench main -- fits_cube > ours.txt
    python3 benches/peers/fits_cube.py --ours ours.txt [--file CUBE] [--keep]

Without --file a cube of 1024 x 1024 x 512 float32 (2.1 GB) is made in the temporary folder and removed after.
Prints astropy's numbers, and with --ours the ratio astropy / Sextans (above 1: Sextans is faster).
CPU seconds are those of the process, the system's work for it included. Cold: fadvise DONTNEED before each read.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time

try:
    import numpy as np
    from astropy.io import fits
    import astropy
except ImportError as error:
    print(f"skipped: {error}; pip install astropy numpy")
    sys.exit(0)

SIDE, PLANES = 1024, 512


def make(path):
    cards = [
        "SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    3",
        f"NAXIS1  = {SIDE:>20}", f"NAXIS2  = {SIDE:>20}", f"NAXIS3  = {PLANES:>20}", "END",
    ]
    random = np.random.default_rng(20261120)
    with open(path, "wb") as file:
        file.write("".join(f"{card:<80}" for card in cards).ljust(2880).encode())
        for _ in range(PLANES):
            file.write(random.uniform(-4000, 12000, (SIDE, SIDE)).astype(">f4").tobytes())
        file.write(bytes(-file.tell() % 2880))
        os.fsync(file.fileno())


def drop(path):
    if not hasattr(os, "posix_fadvise"):
        return False
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def milliseconds(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def position(i):
    return (i * 389 + 17) % SIDE, (i * 631 + 101) % SIDE


def plane(path, z):
    with fits.open(path, memmap=True) as hdus:
        return np.array(hdus[0].data[z], dtype=np.float32)


def spectrum(path, y, x):
    with fits.open(path, memmap=True) as hdus:
        return np.array(hdus[0].data[:, y, x], dtype=np.float32)


def aperture(path, y, x):
    y, x = min(y, SIDE - 9), min(x, SIDE - 9)
    with fits.open(path, memmap=True) as hdus:
        return np.array(hdus[0].data[:, y : y + 9, x : x + 9], dtype=np.float32)


def whole(path):
    """Minimum, maximum, mean and count of what is finite, plane by plane so that memory stays small."""
    low, high, total, count = np.inf, -np.inf, 0.0, 0
    with fits.open(path, memmap=True) as hdus:
        data = hdus[0].data
        for z in range(data.shape[0]):
            values = data[z].astype(np.float32)
            finite = np.isfinite(values)
            if not finite.all():
                values = values[finite]
            low, high = min(low, values.min(initial=np.inf)), max(high, values.max(initial=-np.inf))
            total += values.sum(dtype=np.float64)
            count += values.size
    return low, high, total / count, count


def measure(path):
    out = {}

    def median(name, count, work, cold):
        times = []
        for i in range(count):
            if cold and not drop(path):
                return
            times.append(milliseconds(lambda: work(i)))
        out[name] = (statistics.median(times), "ms")

    median("open_cold", 3, lambda _: fits.open(path, memmap=True).close(), True)
    median("plane_cold", 5, lambda i: plane(path, 3 + i * 50), True)
    median("spectrum_cold", 5, lambda i: spectrum(path, *position(i)), True)
    median("aperture_9x9_cold", 3, lambda i: aperture(path, *position(i)), True)
    for name, cold in (("statistics_cold", True), ("statistics_warm", False)):
        if cold and not drop(path):
            continue
        before, start = cpu(), time.perf_counter()
        whole(path)
        out[name] = (time.perf_counter() - start, "s_wall")
        out[name + "_cpu"] = (SIDE * SIDE * PLANES / (cpu() - before) / 1e9, "Gpixel/s_of_CPU")
    median("open_warm", 9, lambda _: fits.open(path, memmap=True).close(), False)
    median("plane_warm", 25, lambda i: plane(path, i * 20), False)
    median("spectrum_warm", 101, lambda i: spectrum(path, *position(i)), False)
    median("aperture_9x9_warm", 11, lambda i: aperture(path, *position(i)), False)
    return out


def read_ours(path):
    """Lines `fits_cube NAME VALUE UNIT`; the last of a name counts."""
    ours = {}
    with open(path) as lines:
        for line in lines:
            words = line.split()
            if len(words) == 4 and words[0] == "fits_cube":
                ours[words[1]] = float(words[2])
    return ours


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", help="what the bench printed")
    parser.add_argument("--file", help="a float cube of 1024 x 1024 x 512 to use")
    parser.add_argument("--keep", action="store_true", help="keep the cube that is made")
    arguments = parser.parse_args()
    path = arguments.file
    if path is None:
        handle, path = tempfile.mkstemp(suffix=".fits")
        os.close(handle)
        make(path)
    try:
        theirs = measure(path)
    finally:
        if arguments.file is None and not arguments.keep:
            os.remove(path)
    ours = read_ours(arguments.ours) if arguments.ours else {}
    print(f"astropy {astropy.__version__}, numpy {np.__version__}, {path}")
    for name, (value, unit) in theirs.items():
        line = f"{name:<22}{value:>12.3f} {unit:<16}"
        if name in ours:
            # Of a rate the larger is better, of a time the smaller.
            ratio = ours[name] / value if unit.startswith("G") else value / ours[name]
            line += f" Sextans {ours[name]:>10.3f}   ratio {ratio:>8.1f}"
        print(line)


if __name__ == "__main__":
    main()
