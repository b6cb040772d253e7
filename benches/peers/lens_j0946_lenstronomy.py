"""SLACS J0946+1006 fitted by lenstronomy with the model, the mask, the PSF and the noise map of one of our fits.

    python lens_j0946_lenstronomy.py RUN_FOLDER PSF.fits [supersampling]

RUN_FOLDER is a finished `lens_reconstruction.fit` of the image (method parametric: SIE + shear, one Sersic source, two Sersic lens light, sky).
Needs lenstronomy, numba and astropy (PyPI). The fit here starts **away** from ours (Einstein radius 1.2 arcsec, round, source and light on the axis),
runs lenstronomy's particle swarm, then its simplex, with the linear amplitudes solved inside, and prints both models beside each other:
effective Einstein radius (square root of the area inside the critical curve over pi, the same code for both), axis ratio, shear, chi2 in the mask.
Also the chi2 that lenstronomy finds for our model as it is.
"""

import importlib.util
import json
import pathlib
import sys
import time

import numpy as np
from astropy.io import fits
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.Util.param_util import ellipticity2phi_q, phi_q2_ellipticity
from lenstronomy.Workflow.fitting_sequence import FittingSequence


def effective_radius(kwargs_lens, rays=720):
    """Radius (arcsec) of the circle with the area inside the tangential critical curve, along rays from the lens centre."""
    lens = LensModel(["SIE", "SHEAR"])
    cx, cy = kwargs_lens[0]["center_x"], kwargs_lens[0]["center_y"]
    angle = np.arange(rays) * 2 * np.pi / rays
    low, high = np.full(rays, 1e-3), np.full(rays, 10.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        fxx, fxy, _, fyy = lens.hessian(cx + middle * np.cos(angle), cy + middle * np.sin(angle), kwargs_lens)
        inside = 1 - 0.5 * (fxx + fyy) - np.hypot(0.5 * (fxx - fyy), fxy) < 0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.sqrt(np.mean(low**2))


def main():
    folder, psf_file = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    supersampling = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    spec = importlib.util.spec_from_file_location("model", folder / "lenstronomy.py")
    ours = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ours)
    with fits.open(folder / "data.fits") as file:
        data, noise, mask = (hdu.data.astype(float) for hdu in file[:3])
    psf = fits.getdata(psf_file).astype(float)

    # Only what the mask and the PSF reach: lenstronomy evaluates every pixel that it is given.
    rows, columns = np.where(mask > 0)
    reach = psf.shape[0] // 2
    top, left = max(rows.min() - reach, 0), max(columns.min() - reach, 0)
    part = np.s_[top : rows.max() + reach + 1, left : columns.max() + reach + 1]
    data, noise, mask = data[part], noise[part], mask[part]
    pixel = dict(ours.kwargs_pixel)
    scale = pixel["transform_pix2angle"][0][0]
    pixel["ra_at_xy_0"] += left * scale
    pixel["dec_at_xy_0"] += top * scale
    kwargs_data = dict(
        image_data=data,
        noise_map=np.where(mask > 0, noise, 1.0),
        ra_at_xy_0=pixel["ra_at_xy_0"],
        dec_at_xy_0=pixel["dec_at_xy_0"],
        transform_pix2angle=np.array(pixel["transform_pix2angle"]),
    )
    kwargs_psf = dict(psf_type="PIXEL", kernel_point_source=psf / psf.sum())
    numerics = dict(supersampling_factor=supersampling, supersampling_convolution=False)
    band = [[kwargs_data, kwargs_psf, numerics]]
    lights = ours.lens_light_model_list + ["UNIFORM"]  # the sky
    model = dict(
        lens_model_list=ours.lens_model_list,
        source_light_model_list=ours.source_light_model_list,
        lens_light_model_list=lights,
    )
    likelihood = dict(image_likelihood_mask_list=[mask > 0], check_bounds=True)

    sersic = dict(
        init=dict(R_sersic=0.2, n_sersic=1.0, e1=0.0, e2=0.0, center_x=0.0, center_y=0.0),
        sigma=dict(R_sersic=0.15, n_sersic=0.5, e1=0.1, e2=0.1, center_x=0.1, center_y=0.1),
        lower=dict(R_sersic=0.005, n_sersic=0.3, e1=-0.6, e2=-0.6, center_x=-1.0, center_y=-1.0),
        upper=dict(R_sersic=3.0, n_sersic=8.0, e1=0.6, e2=0.6, center_x=1.0, center_y=1.0),
    )

    def light(radius, index):
        init = dict(sersic["init"], R_sersic=radius, n_sersic=index)
        lower = dict(sersic["lower"], n_sersic=0.5, center_x=-0.1, center_y=-0.1)
        upper = dict(sersic["upper"], R_sersic=10.0, center_x=0.1, center_y=0.1)
        return init, dict(sersic["sigma"], center_x=0.02, center_y=0.02), lower, upper

    l1, l2 = light(0.4, 2.0), light(1.5, 1.0)
    params = dict(
        lens_model=[
            [
                dict(theta_E=1.2, e1=0.0, e2=0.0, center_x=0.0, center_y=0.0),
                dict(gamma1=0.0, gamma2=0.0, ra_0=0, dec_0=0),
            ],
            [dict(theta_E=0.2, e1=0.1, e2=0.1, center_x=0.05, center_y=0.05), dict(gamma1=0.05, gamma2=0.05)],
            [{}, dict(ra_0=0, dec_0=0)],
            [
                dict(theta_E=0.5, e1=-0.5, e2=-0.5, center_x=-0.3, center_y=-0.3),
                dict(gamma1=-0.4, gamma2=-0.4),
            ],
            [dict(theta_E=2.0, e1=0.5, e2=0.5, center_x=0.3, center_y=0.3), dict(gamma1=0.4, gamma2=0.4)],
        ],
        source_model=[[sersic["init"]], [sersic["sigma"]], [{}], [sersic["lower"]], [sersic["upper"]]],
        lens_light_model=[
            [l1[0], l2[0], {}],
            [l1[1], l2[1], {}],
            [{}, {}, {}],
            [l1[2], l2[2], {}],
            [l1[3], l2[3], {}],
        ],
    )
    np.random.seed(1)
    begin = time.time()
    fit = FittingSequence(dict(multi_band_list=band, multi_band_type="single-band"), model, {}, likelihood, params)
    fit.fit_sequence(
        [
            ["PSO", dict(sigma_scale=1.0, n_particles=60, n_iterations=150)],
            ["PSO", dict(sigma_scale=0.1, n_particles=40, n_iterations=60)],
            ["SIMPLEX", dict(n_iterations=2500)],
            ["SIMPLEX", dict(n_iterations=2500)],
        ]
    )
    seconds = time.time() - begin
    best = fit.best_fit()

    def chi2(kwargs_lens, kwargs_source, kwargs_lens_light):
        from lenstronomy.ImSim.MultiBand.single_band_multi_model import SingleBandMultiModel

        single = SingleBandMultiModel(band, model, likelihood_mask_list=[mask > 0], band_index=0)
        image = single.image_linear_solve(kwargs_lens, kwargs_source, kwargs_lens_light, None)[0]
        return (((data - image) / noise) ** 2)[mask > 0].sum()

    record = json.loads((folder / "record.json").read_text()) if (folder / "record.json").is_file() else {}
    metrics = record.get("metrics", {})
    theirs = best["kwargs_lens"]
    rows = []
    for name, lens, source, lens_light in [
        ("ours", ours.kwargs_lens, ours.kwargs_source, ours.kwargs_lens_light + [dict(amp=1.0)]),
        ("lenstronomy", theirs, best["kwargs_source"], best["kwargs_lens_light"]),
    ]:
        phi, q = ellipticity2phi_q(lens[0]["e1"], lens[0]["e2"])
        shear = np.hypot(lens[1]["gamma1"], lens[1]["gamma2"])
        rows.append((name, effective_radius(lens), q, np.degrees(phi) % 180, shear, chi2(lens, source, lens_light)))
    print(f"{'':14s}{'theta_eff':>10s}{'q':>8s}{'phi':>8s}{'shear':>8s}{'chi2 (lenstronomy)':>20s}")
    for name, radius, q, phi, shear, value in rows:
        print(f"{name:14s}{radius:10.4f}{q:8.3f}{phi:8.1f}{shear:8.4f}{value:20.1f}")
    pixels = int((mask > 0).sum())
    print(f"difference: theta_eff {rows[0][1] - rows[1][1]:+.4f} arcsec (0.01 allowed), q {rows[0][2] - rows[1][2]:+.4f} (0.02 allowed)")
    print(f"{pixels} pixels; lenstronomy {seconds:.0f} s", f"; our chi2/dof {metrics['reduced_chi2']:.4f}" if metrics else "")


if __name__ == "__main__":
    main()
