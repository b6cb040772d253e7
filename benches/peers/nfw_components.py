"""Writes src/studies/lens_models/nfw_table.rs: the NFW convergence as a sum of 1 / (2 (s^2 + x^2)^(3/2)).

The cores s are evenly spaced in logarithm; the amplitudes are not negative and minimise the relative errors of convergence and
deflection over 1e-5 to 1e3 scale radii. Run from the root of the project; needs numpy and scipy.
"""
import numpy as np
from scipy.optimize import nnls


def inverse_cosine(x):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(x < 1, np.arccosh(1 / x) / np.sqrt(1 - x * x), np.arccos(1 / x) / np.sqrt(x * x - 1))


def convergence(x):
    e = x - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        far = 2 * (1 - inverse_cosine(x)) / (x * x - 1)
    return np.where(abs(e) < 1e-4, 2 * (1 / 3 - 0.4 * e + 13 / 35 * e * e), far)


def deflection(x):
    log = np.log(2 / x)
    # The two logarithms cancel near the centre: their series there.
    near = x**2 * (log / 2 - 1 / 4) + x**4 * (3 / 8 * log - 7 / 32)
    return 4 / x * np.where(x < 1e-2, near, inverse_cosine(x) - log)


def parts(x, s):
    x, s = x[:, None], s[None]
    psi = np.hypot(x, s)
    return 1 / (2 * psi**3), x / (s * psi * (psi + s))


def errors(x):
    of_convergence, of_deflection = parts(x, cores)
    return abs(of_convergence @ amplitudes / convergence(x) - 1).max(), abs(of_deflection @ amplitudes / deflection(x) - 1).max()


cores = np.logspace(-6, 4, 50)
x = np.logspace(-5, 3, 1600)
of_convergence, of_deflection = parts(x, cores)
matrix = np.vstack([of_convergence / convergence(x)[:, None], of_deflection / deflection(x)[:, None]])
size = np.linalg.norm(matrix, axis=0)
amplitudes = nnls(matrix / size, np.ones(len(matrix)), maxiter=100000)[0] / size
keep = amplitudes > 0
cores, amplitudes = cores[keep], amplitudes[keep]
worst = errors(np.logspace(-5, 3, 7000))
with open("src/studies/lens_models/nfw_table.rs", "w") as out:
    out.write("//! Cored steep ellipsoids whose sum is the NFW convergence; written by `benches/peers/nfw_components.py`.\n\n")
    out.write("/// Core (scale radii) and amplitude of each. Largest relative error of convergence and deflection:\n")
    out.write(f"/// {worst[0]:.1e} and {worst[1]:.1e} over 1e-5 to 1e3 scale radii.\n")
    out.write(f"pub(super) const COMPONENTS: [[f64; 2]; {len(cores)}] = [\n")
    for s, a in zip(cores, amplitudes):
        out.write(f"    [{float(s)!r}, {float(a)!r}],\n")
    out.write("];\n")
print(len(cores), worst)
