"""Speed of lens models on one thread, ours beside lenstronomy's and (JAX backend) caustics'.

    cargo bench --bench main -- 'lens_forward_one_thread|images of a point|critical curves|pixelated_one_thread'
    taskset -c 0 python lens_speed.py [path of target/criterion]

Ours are read from the samples that criterion left there (run both on the same idle machine, `RAYON_NUM_THREADS=1 taskset -c 0` for ours too);
every number is the least of its repeats, compilation excluded. Needs lenstronomy and numba (PyPI); caustics and jax are optional
(caustics imports torch even for JAX: a stub module stands in).
The models: SIE + shear + Sersic source on 5.12 arcsec, Gaussian PSF; lenstronomy convolves with the same kernel of pixels.
"""

import json
import os
import pathlib
import sys
import time
from unittest.mock import MagicMock

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np

BATCH_SECONDS = 0.002
LENS = dict(theta_E=1.2, q=0.7, gamma1=0.03, gamma2=-0.02)


def least(call, seconds=1.0):
    """Milliseconds of a call: the least of many short batches, some of which nothing else interrupts on a busy machine."""
    call()
    begin = time.perf_counter()
    call()
    once = max(time.perf_counter() - begin, 1e-6)
    number = max(1, int(BATCH_SECONDS / once))
    best = np.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, (time.perf_counter() - begin) / number)
    return 1e3 * best


def lenstronomy():
    from lenstronomy.Data.pixel_grid import PixelGrid
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LensModel.lens_model_extensions import LensModelExtensions
    from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver
    from lenstronomy.LightModel.light_model import LightModel
    from lenstronomy.Util.param_util import phi_q2_ellipticity

    e1, e2 = phi_q2_ellipticity(0.5, LENS["q"])
    lens = LensModel(["SIE", "SHEAR"])
    kwargs_lens = [
        dict(theta_E=LENS["theta_E"], e1=e1, e2=e2, center_x=0.0, center_y=0.0),
        dict(gamma1=LENS["gamma1"], gamma2=LENS["gamma2"], ra_0=0, dec_0=0),
    ]
    source = LightModel(["SERSIC_ELLIPSE"])
    kwargs_source = [dict(amp=1.0, R_sersic=0.2, n_sersic=1.0, e1=0.1, e2=0.0, center_x=0.05, center_y=0.03)]
    found = {}
    for n in (64, 128):
        scale = 5.12 / n
        grid = PixelGrid(nx=n, ny=n, ra_at_xy_0=-2.56 + scale / 2, dec_at_xy_0=-2.56 + scale / 2, transform_pix2angle=scale * np.eye(2))
        psf = PSF(psf_type="GAUSSIAN", fwhm=0.12, pixel_size=scale, truncation=5)
        for side in (1, 2, 4):
            model = ImageModel(grid, psf, lens, source, kwargs_numerics=dict(supersampling_factor=side))
            found[f"forward {n} supersampled {side}"] = least(lambda: model.image(kwargs_lens, kwargs_source))
    solver = LensEquationSolver(lens)
    found["image positions"] = least(
        lambda: solver.image_position_from_source(0.05, 0.03, kwargs_lens, min_distance=0.05, search_window=5)
    )
    extension = LensModelExtensions(lens)
    found["critical curves and caustics"] = least(
        lambda: extension.critical_curve_caustics(kwargs_lens, compute_window=5, grid_scale=0.05)
    )
    return found


def caustics():
    if "torch" not in sys.modules:
        stub = MagicMock()
        stub.Tensor = type("Tensor", (), {})
        for name in ("torch", "torch.nn", "torch.nn.functional", "torch.func"):
            sys.modules[name] = stub
    os.environ["CASKADE_BACKEND"] = os.environ["CAUSTICS_BACKEND"] = "jax"
    import caustics as cs
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)  # doubles, as everybody else here

    found = {}
    for n in (64, 128):
        cosmology = cs.FlatLambdaCDM(name="cosmology")
        z = dict(z_l=0.5, z_s=1.5)
        sie = cs.SIE(cosmology, x0=0.0, y0=0.0, q=LENS["q"], phi=0.5, Rein=LENS["theta_E"], name="sie", **z)
        shear = cs.ExternalShear(
            cosmology, x0=0.0, y0=0.0, gamma_1=LENS["gamma1"], gamma_2=LENS["gamma2"], name="shear", **z
        )
        mass = cs.SinglePlane(cosmology, lenses=[sie, shear], name="mass", **z)
        light = cs.Sersic(x0=0.05, y0=0.03, q=0.8, phi=0.0, n=1.0, Re=0.2, Ie=1.0, name="light")
        scale = 5.12 / n
        sigma = 0.12 / 2.3548 / scale
        r = np.arange(-9, 10)
        psf = np.exp(-0.5 * (r[:, None] ** 2 + r[None, :] ** 2) / sigma**2)
        image = cs.LensSource(
            lens=mass, source=light, pixelscale=scale, pixels_x=n, psf=jnp.array(psf / psf.sum()), name="image"
        )
        sie.Rein.to_dynamic()
        values = jnp.array([LENS["theta_E"]])
        forward = jax.jit(lambda p: image(p))
        found[f"forward {n} supersampled 1"] = least(lambda: forward(values).block_until_ready())
    return found


def ours(folder):
    names = {
        "images of a point": "image positions",
        "critical curves and caustics, 400 points": "critical curves and caustics",
    }
    for n in (64, 128):
        for side in (1, 2, 4):
            names[f"lens_forward_one_thread/{n}x{n} supersampled {side}"] = f"forward {n} supersampled {side}"
    found = {}
    for file in sorted(folder.rglob("new/sample.json")):
        benchmark = json.loads((file.parent / "benchmark.json").read_text())["full_id"]
        sample = json.loads(file.read_text())
        value = 1e-6 * min(t / i for t, i in zip(sample["times"], sample["iters"]))
        found[names.get(benchmark, benchmark)] = value
    return found


def main():
    columns = {}
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/criterion")
    columns["ours"] = ours(folder)
    for name, measure in (("lenstronomy", lenstronomy), ("caustics", caustics)):
        try:
            columns[name] = measure()
        except Exception as problem:  # noqa: BLE001 - a peer that is not installed, or has changed, is left out in words
            print(f"{name}: left out ({type(problem).__name__}: {problem})")
            columns[name] = {}
    rows = list(dict.fromkeys(k for c in columns.values() for k in c))
    print(f"{'milliseconds':56s}" + "".join(f"{c:>14s}" for c in columns) + f"{'ratio':>10s}")
    for row in rows:
        values = [c.get(row) for c in columns.values()]
        cells = "".join(f"{v:14.4f}" if v is not None else f"{'-':>14s}" for v in values)
        ratio = f"{values[1] / values[0]:10.1f}" if values[0] and values[1] else f"{'-':>10s}"
        print(f"{row:56s}{cells}{ratio}")
    print("ratio: lenstronomy over ours")


if __name__ == "__main__":
    main()
