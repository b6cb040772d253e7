"""Fit of one SN3 spectrum (five lines, tied kinematics): ours, scipy's and LUCI's, on the same spectra in one run.

    cargo build --release
    taskset -c 0 python lines_speed.py [--program ../../target/release/sextans] [--criterion ../../target/criterion] [--spectra 40]

Needs numpy, scipy and astropy; LUCI is left out, in words, without `luci-sitelle` (pip install luci-sitelle; measured: 2.0.1,
Python 3.11). Spectra lie on the whole folded band (888 samples, 424 of them in the filter), with white noise throughout: that
of LUCI is measured outside the filter. CPU time of one thread; velocity scatter and bias stand beside it, since a fit that is
quick and wrong is no rival.

- ours: `line_ratios.fit` of the command line on a cube of these spectra, repeated until it has 16384; CPU seconds of the whole
  run by its record, start, reading, maps and writing included. What criterion measured of the bare fit (`cargo bench --bench main -- line_fit`) stands beside it.
- scipy: `least_squares` (Levenberg-Marquardt, numeric Jacobian), eight parameters: velocity, broadening, five fluxes with the
  [NII] doublet tied, a constant; started by a velocity scan as ours is, the sincgauss by `scipy.special.wofz`. No errors.
- LUCI: its `Fit` (SLSQP, sixteen parameters, ties as constraints), sincgauss, started by its network as it is by default; with
  and without errors (`uncertainty_bool`); with velocity and broadening frozen at the truth (`initial_values`), which is its
  quickest; and its network alone, a spectrum at a time as it calls it. LUCI ships no network for line ratios.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
from scipy.optimize import least_squares
from scipy.special import wofz

C = 299792.458
STEP, ORDER, LONG, TOTAL, CORR = 2943.0, 8, 710, 888, 1.0375
WIDTH = CORR * 1e7 / (2 * STEP * LONG)
WHOLE = ORDER / (2 * STEP) * 1e7 * CORR + np.arange(TOTAL) * CORR * 1e7 / (2 * STEP * TOTAL)
BAND = (WHOLE >= 14598.5) & (WHOLE < 15439.2)
AXIS = WHOLE[BAND]
AIR = np.array([654.805, 656.2819, 658.345, 671.644, 673.0816])
FLUX = np.array([0.15, 1.0, 0.45, 0.2, 0.2])


def line(axis, centre, sigma):
    """Sinc convolved with a Gaussian, flux 1, in the stable form."""
    a = np.pi * sigma / (np.sqrt(2) * WIDTH)
    b = (axis - centre) / (np.sqrt(2) * sigma)
    shape = np.exp(-b * b) - np.exp(-a * a) * np.real(np.exp(-2j * a * b) * wofz(1j * (a + 1j * b)))
    return shape / (np.sqrt(2 * np.pi) * sigma)


def lines(velocity, sigma, axis=AXIS):
    places = 1e7 / AIR / (1 + velocity / C)
    return np.array([line(axis, x, abs(sigma) * x / C) for x in places])


def simulate(rng, peak):
    """Velocity, broadening, and a spectrum on the whole axis whose brightest sample is `peak` times the noise, which is 1."""
    velocity, sigma = rng.uniform(-200, 200), rng.uniform(10, 50)
    clean = FLUX @ lines(velocity, sigma, WHOLE)
    return velocity, sigma, peak * clean / clean.max() + rng.normal(size=TOTAL)


def model(p):
    shapes = lines(p[0], p[1])
    nitrogen = shapes[2] + shapes[0] / 2.96
    return p[2] * shapes[1] + p[3] * nitrogen + p[4] * shapes[3] + p[5] * shapes[4] + p[6]


SCAN = np.linspace(-500, 500, 51)
TEMPLATES = np.array([lines(v, 30.0)[1] for v in SCAN])


def fit_scipy(whole, _):
    data = whole[BAND]
    start = SCAN[np.argmax(TEMPLATES @ (data - np.median(data)))]
    shapes = lines(start, 30.0)
    design = np.array([shapes[1], shapes[2] + shapes[0] / 2.96, shapes[3], shapes[4], np.ones(len(AXIS))]).T
    fluxes = np.linalg.lstsq(design, data, rcond=None)[0]
    scale = [10, 10, *np.maximum(abs(fluxes), 1.0)]
    found = least_squares(lambda p: model(p) - data, [start, 30.0, *fluxes], method="lm", x_scale=scale).x
    return found[0], abs(found[1])


def luci():
    """Functions from a spectrum and its truth to velocity and broadening, by name; none where LUCI is not installed."""
    try:
        from luci.fitting.spectrum_fitter import Fit
        from luci.io.assets import resolve_luci_path
        from luci.io.reference import read_in_reference_spectrum
    except ImportError as reason:
        print(f"LUCI: left out ({reason}); pip install luci-sitelle")
        return {}
    folder = resolve_luci_path(None)
    reference = pathlib.Path(folder) / "ML" / "Reference-Spectrum-R5000-SN3.fits"
    synthetic, _ = read_in_reference_spectrum(str(reference), {"FILTER": "SN3"})
    names = ["Halpha", "NII6583", "NII6548", "SII6716", "SII6731"]
    ties = [1] * len(names)

    def fitter(data, **options):
        angle = float(np.degrees(np.arccos(1 / CORR)))
        return Fit(
            data, WHOLE, synthetic, "sincgauss", names, ties, ties, theta=angle, delta_x=STEP, n_steps=TOTAL,
            zpd_index=TOTAL - LONG, filter="SN3", resolution=5000, Luci_path=folder, **options,
        )  # fmt: skip

    def fit(**options):
        def run(data, truth):
            if options.get("frozen"):
                found = fitter(data, initial_values=list(truth)).fit()
            else:
                found = fitter(data, **options).fit()
            return found["velocities"][0], found["sigmas"][0]

        return run

    def network(data, _):
        one = fitter(data)
        one.interpolate_spectrum()
        one.estimate_priors_ML()
        return one.vel_ml, one.broad_ml

    return {
        "LUCI, network, then fit": fit(),
        "LUCI, network, then fit, with errors": fit(uncertainty_bool=True),
        "LUCI, no network, fit": fit(ML_bool=False),
        "LUCI, velocity and broadening frozen at the truth": fit(frozen=True),
        "LUCI, network alone": network,
    }


def ours(program, spectra, method):
    """Milliseconds a spectrum, velocities and broadenings of the first of them; by the command line on one thread."""
    from astropy.io import fits

    side = 128
    cube = np.resize(np.array(spectra, dtype=np.float32), (side * side, TOTAL)).T.reshape(TOTAL, side, side)
    header = fits.Header()
    header.update(
        CTYPE3="WAVN", CUNIT3="cm-1", CRPIX3=1.0, CRVAL3=WHOLE[0], CDELT3=WHOLE[1] - WHOLE[0], STEP=STEP, ORDER=ORDER,
        STEPNB=TOTAL, ZPDINDEX=TOTAL - LONG, AXISCORR=CORR, FILTER="SN3", INSTRUME="SITELLE",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        source, out = f"{folder}/cube.fits", f"{folder}/out"
        fits.PrimaryHDU(cube, header).writeto(source)
        wide = ["--set", "margin_km_s=20000", "--set", "velocity_range_km_s=500", "--set", "least_significance=0"]
        command = [program, "run", "line_ratios.fit", "--input", f"data={source}", "--set", f"method={method}", *wide]
        subprocess.run([*command, "--threads", "1", "--quiet", "--out", out], check=True, stdout=subprocess.DEVNULL)
        record = json.loads(pathlib.Path(out, "record.json").read_text())
        with fits.open(f"{out}/maps.fits") as maps:
            found = [maps[name].data.ravel()[: len(spectra)] for name in ("VELOCITY", "BROADENING")]
    return 1e3 * record["cpu_seconds"] / side**2, *found


def criterion(folder, peak):
    # Criterion writes "/" in names as "_".
    files = list(pathlib.Path(folder).glob(f"line_fit/a spectrum of SN3 at S_N {peak}/new/estimates.json"))
    return json.loads(files[0].read_text())["median"]["point_estimate"] * 1e-6 if files else None


def tell(name, each, truth, found, unit):
    off = np.asarray(found[0], dtype=float) - truth[0]
    wide = np.asarray(found[1], dtype=float) - truth[1]
    good = np.isfinite(off)
    print(
        f"  {name:52s} {each:10.3f} ms = {each / unit:9.1f} x ours; velocity off by {np.median(off[good]):7.2f}, "
        f"scatter {np.std(off[good]):6.2f}; broadening off by {np.median(wide[good]):6.2f}, scatter {np.std(wide[good]):5.2f} km/s"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/sextans")
    parser.add_argument("--criterion", default="target/criterion")
    parser.add_argument("--spectra", type=int, default=40)
    options = parser.parse_args()
    rivals = {"scipy": fit_scipy, **luci()}
    for peak in (10, 50):
        rng = np.random.default_rng(1)
        made = [simulate(rng, peak) for _ in range(options.spectra)]
        truth = np.array([[v for v, _, _ in made], [s for _, s, _ in made]])
        spectra = [data for _, _, data in made]
        print(f"S/N {peak}, {len(made)} spectra, CPU milliseconds a spectrum:")
        bare = criterion(options.criterion, peak)
        if pathlib.Path(options.program).is_file():
            for method in ("fit", "network", "hybrid"):
                each, *found = ours(options.program, spectra, method)
                unit = each if method == "fit" else unit
                tell(f"ours, {method}, with errors, reading and maps", each, truth, found, unit)
        elif bare:
            unit = bare
        else:
            print("  ours: neither the program nor results of criterion are there; ratios are against 1 ms")
            unit = 1.0
        if bare:
            print(f"  ours, the bare fit by criterion {bare:.3f} ms")
        for name, fit in rivals.items():
            fit(spectra[0], truth[:, 0])  # what is loaded once is not counted
            begin = time.process_time()
            found = [fit(data, (v, s)) for (v, s, _), data in zip(made, spectra)]
            each = 1e3 * (time.process_time() - begin) / len(made)
            tell(name, each, truth, np.array(found).T, unit)


if __name__ == "__main__":
    main()
