"""Fit of one SN3 spectrum (424 samples, five lines, tied kinematics), ours beside scipy's.

    cargo bench --bench main -- line_fit
    taskset -c 0 python lines_speed.py [path of target/criterion]

Needs numpy and scipy. Ours is read from what criterion left there.
scipy: `least_squares` (Levenberg-Marquardt, numeric Jacobian), eight parameters: velocity, broadening, five fluxes with the
[NII] doublet tied, a constant; started by a velocity scan as ours is, the sincgauss by `scipy.special.wofz`. Scatter is told
beside speed: a fit that is quick and wrong is no rival. CPU time of one thread.
"""

import json
import os
import pathlib
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
from scipy.optimize import least_squares
from scipy.special import erf, wofz

C = 299792.458
STEP, ORDER, LONG, TOTAL, CORR = 2943.0, 8, 710, 888, 1.0375
WIDTH = CORR * 1e7 / (2 * STEP * LONG)
AXIS = ORDER / (2 * STEP) * 1e7 * CORR + np.arange(TOTAL) * CORR * 1e7 / (2 * STEP * TOTAL)
AXIS = AXIS[(AXIS >= 14598.5) & (AXIS < 15439.2)]
AIR = np.array([654.805, 656.2819, 658.345, 671.644, 673.0816])
FLUX = np.array([0.15, 1.0, 0.45, 0.2, 0.2])


def line(centre, sigma):
    """Sinc convolved with a Gaussian, flux 1, in the stable form."""
    a = np.pi * sigma / (np.sqrt(2) * WIDTH)
    b = (AXIS - centre) / (np.sqrt(2) * sigma)
    shape = np.exp(-b * b) - np.exp(-a * a) * np.real(np.exp(-2j * a * b) * wofz(1j * (a + 1j * b)))
    return shape / (np.sqrt(2 * np.pi) * sigma)


def lines(velocity, sigma):
    places = 1e7 / AIR / (1 + velocity / C)
    return np.array([line(x, abs(sigma) * x / C) for x in places])


def simulate(rng, peak):
    velocity, sigma = rng.uniform(-200, 200), rng.uniform(10, 50)
    clean = FLUX @ lines(velocity, sigma)
    return velocity, sigma, peak * clean / clean.max() + rng.normal(size=len(AXIS))


def model(p):
    shapes = lines(p[0], p[1])
    nitrogen = shapes[2] + shapes[0] / 2.96
    return p[2] * shapes[1] + p[3] * nitrogen + p[4] * shapes[3] + p[5] * shapes[4] + p[6]


SCAN = np.linspace(-500, 500, 51)
TEMPLATES = np.array([lines(v, 30.0)[1] for v in SCAN])


def fit_scipy(data):
    start = SCAN[np.argmax(TEMPLATES @ (data - np.median(data)))]
    shapes = lines(start, 30.0)
    design = np.array([shapes[1], shapes[2] + shapes[0] / 2.96, shapes[3], shapes[4], np.ones(len(AXIS))]).T
    fluxes = np.linalg.lstsq(design, data, rcond=None)[0]
    return least_squares(lambda p: model(p) - data, [start, 30.0, *fluxes], method="lm", x_scale=[10, 10, *np.maximum(abs(fluxes), 1.0)]).x


def ours(folder, peak):
    # Criterion writes "/" in names as "_".
    files = list(pathlib.Path(folder).glob(f"line_fit/a spectrum of SN3 at S_N {peak}/new/estimates.json"))
    return json.loads(files[0].read_text())["median"]["point_estimate"] * 1e-6 if files else None


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "target/criterion"
    for peak in (10, 50):
        rng = np.random.default_rng(1)
        spectra = [simulate(rng, peak) for _ in range(40)]
        begin = time.process_time()
        found = [fit_scipy(data) for _, _, data in spectra]
        each = 1e3 * (time.process_time() - begin) / len(spectra)
        scatter = np.std([p[0] - v for (v, _, _), p in zip(spectra, found)])
        print(f"S/N {peak}: scipy {each:.1f} ms a spectrum, velocity scatter {scatter:.2f} km/s", end="")
        mine = ours(folder, peak)
        print(f"; ours {mine:.3f} ms: {each / mine:.0f} times faster" if mine else "; ours: no criterion results, run cargo bench first")


if __name__ == "__main__":
    main()
