#!/usr/bin/env python3
"""FITS files of astropy read by sextans, and files of sextans read by astropy: values, statistics, coordinates.

Run from the repository root: python3 benches/peers/fits_readback.py [path of the sextans program]
Needs astropy and numpy, and a built program (target/release/sextans); without them it says so and ends well.
"""
import json
import math
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

PROGRAM = Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/sextans")
try:
    import numpy as np
    import astropy
    from astropy.io import fits
    from astropy.wcs import WCS
except ImportError as missing:
    print(f"fits_readback: skipped, {missing.name} is not installed")
    sys.exit(0)
if not PROGRAM.is_file():
    print(f"fits_readback: skipped, no program at {PROGRAM} (cargo build --release)")
    sys.exit(0)

failures = []


def check(what, found, expected, relative=1e-6):
    if expected is None or (isinstance(expected, float) and not math.isfinite(expected)):
        good = found is None
    elif found is None:
        good = False
    elif isinstance(expected, (int, np.integer)):
        good = found == expected
    else:
        good = abs(found - expected) <= relative * max(abs(expected), 1e-30)
    if not good:
        failures.append(f"{what}: sextans {found}, astropy {expected}")
    return good


def info(path, *more):
    done = subprocess.run([PROGRAM, "info", "--json", path, *more], capture_output=True, text=True)
    if done.returncode != 0:
        failures.append(f"{path.name}: {done.stderr.strip()}")
        return None
    return json.loads(done.stdout)


def compare(path):
    """Every image HDU: shape, type, statistics. Gives the number of HDUs compared."""
    described = info(path)
    count = 0
    with fits.open(path) as hdus:
        for index, hdu in enumerate(hdus):
            if described is None or not hdu.is_image or hdu.data is None:
                continue
            ours, name = described["hdus"][index], f"{path.name}[{index}]"
            values = np.asarray(hdu.data, dtype=np.float64)
            finite = values[np.isfinite(values)]
            if list(values.shape) != ours["shape"]:
                failures.append(f"{name}: shape {ours['shape']}, astropy {values.shape}")
            check(f"{name} nan", ours["nan"], int(np.isnan(values).sum()))
            check(f"{name} finite", ours["finite"], finite.size)
            for key, of in [("min", np.min), ("max", np.max), ("mean", np.mean)]:
                scale = np.abs(finite).mean() if finite.size else 1.0
                expected = float(of(finite)) if finite.size else None
                if expected is None or abs((ours[key] or 0.0) - expected) > 1e-12 * scale:
                    check(f"{name} {key}", ours[key], expected)
            count += 1
    return count


def compare_pixel(path, pixel):
    """Value and world coordinates of one pixel (1-based, FITS order)."""
    described = info(path, "--pixel", ",".join(map(str, pixel)))
    if described is None:
        return
    ours = described["pixel"]
    with fits.open(path) as hdus:
        hdu = hdus[ours["hdu"]]
        value = float(hdu.data[tuple(p - 1 for p in reversed(pixel))])
        # astropy scales 16-bit integers in 32-bit floats, sextans in 64-bit ones.
        check(f"{path.name} value at {pixel}", ours["value"], value, 1e-6 if path.stem == "scaled" else 1e-15)
        world = WCS(hdu.header).all_pix2world([pixel], 1)[0]
    for axis, expected in zip(ours["world"], world):
        found = axis.get("value_si", axis["value"])
        check(f"{path.name} {axis['name']} at {pixel}", found, float(expected), 1e-12)


def write_by_astropy(folder):
    dice = np.random.default_rng(7)
    sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 146.7, "CRVAL2": 10.1, "CRPIX1": 20.5,
           "CRPIX2": 15.0, "CD1_1": -5e-5, "CD1_2": 1e-5, "CD2_1": 1e-5, "CD2_2": 5e-5}
    cube = dict(sky, CTYPE3="AWAV", CUNIT3="Angstrom", CRVAL3=4750.0, CRPIX3=1.0, CD3_3=1.25, SPECSYS="BARYCENT")
    image = dice.normal(size=(30, 41)).astype(np.float32)
    image[3, 4:9] = np.nan
    spread = dice.integers(-30000, 30000, (30, 41))

    def put(name, data, cards):
        hdu = fits.PrimaryHDU(data)
        hdu.header.update(cards)
        hdu.writeto(folder / name)
        return folder / name

    files = [(put("float32.fits", image, sky), [5, 7]), (put("float64.fits", image.astype(float), sky), [41, 30]),
             (put("cube.fits", dice.normal(size=(11, 8, 9)).astype(np.float32), cube), [9, 8, 11]),
             (put("unsigned.fits", (spread + 30000).astype(np.uint16), sky), [1, 1]),
             (put("int32.fits", spread.astype(np.int32), sky), [2, 3]), (put("int64.fits", spread, sky), [2, 3]),
             (put("bytes.fits", (spread % 256).astype(np.uint8), sky), [2, 3]),
             (put("signed_bytes.fits", (spread % 100 - 50).astype(np.int8), sky), [2, 3])]
    scaled = fits.PrimaryHDU(image.astype(np.float64))
    scaled.data[3, 4:9] = 0.0
    scaled.scale("int16", bscale=2.5e-4, bzero=1.0)
    scaled.header.update(sky)
    scaled.writeto(folder / "scaled.fits")
    several = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, name="SCI"), fits.ImageHDU(image ** 2, name="ERR")])
    several[0].header["LONG"] = "a string that goes on and on " * 6
    several[0].header["HIERARCH ESO DET CHIP1 NAME"] = "CCD-44"
    several[1].header["INHERIT"] = True
    several[1].header.update(sky)
    several.writeto(folder / "several.fits")
    return files + [(folder / "scaled.fits", [9, 9]), (folder / "several.fits", [5, 7])]


def main():
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        read = 0
        for path, pixel in write_by_astropy(folder):
            read += compare(path)
            compare_pixel(path, pixel)
        print(f"written by astropy {astropy.__version__}, read by sextans: {read} images")
        run = folder / "run"
        made = subprocess.run([PROGRAM, "run", "lens_reconstruction.simulate", "--out", run, "--quiet"],
                              capture_output=True, text=True)
        written = 0
        if made.returncode != 0:
            failures.append(f"the run that writes: {made.stderr.strip()}")
        for path in sorted(run.glob("*.fits")):
            with fits.open(path) as hdus:
                hdus.verify("exception")
            written += compare(path)
            compare_pixel(path, [3, 2])
        print(f"written by sextans, read by astropy: {written} images in {len(list(run.glob('*.fits')))} files")
    for line in failures:
        print(f"  differs: {line}")
    print(f"{'all equal' if not failures else str(len(failures)) + ' differences'}, "
          f"{time.perf_counter() - started:.1f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
