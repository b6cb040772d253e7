"""Does another program see the same lens? Compares a fit's maps with what its lenstronomy.py and coolest.json mean.

    python lens_exchange.py RUN_FOLDER

RUN_FOLDER is a finished `lens_reconstruction.fit`. Needs lenstronomy, coolest and astropy (PyPI).
Compared on every pixel at least a pixel away from a mass centre, where all is finite:
- deflection and magnification of `lenstronomy.py`, and of `coolest.json` read by the coolest package, with `lensing.fits`;
- unlensed light of the source, both ways, with `source.fits`.
The maps are single precision: differences below 1e-6 of the greatest value are theirs.
"""

import importlib.util
import pathlib
import sys

import numpy as np
from astropy.io import fits


def grid(header, shape):
    """Positions x, y (arcsec) of the pixel centres of a map on a grid in arcsec."""
    ny, nx = shape
    x = header["CRVAL1"] + (np.arange(nx) + 1 - header["CRPIX1"]) * header["CDELT1"]
    y = header["CRVAL2"] + (np.arange(ny) + 1 - header["CRPIX2"]) * header["CDELT2"]
    return np.meshgrid(x, y)


def report(what, ours, theirs, where):
    difference = np.abs(ours - theirs)[where]
    print(f"{what:58s} max difference {difference.max():.2e}   of at most {np.abs(ours[where]).max():.4g}")
    return difference.max()


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    spec = importlib.util.spec_from_file_location("model", folder / "lenstronomy.py")
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)

    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    with fits.open(folder / "lensing.fits") as file:
        maps = {hdu.name or "MAGNIFICATION": hdu.data.astype(float) for hdu in file if hdu.data is not None}
        shape = file[0].data.shape
    pixel = model.kwargs_pixel["transform_pix2angle"][0][0]
    x = model.kwargs_pixel["ra_at_xy_0"] + pixel * np.arange(shape[1])
    y = model.kwargs_pixel["dec_at_xy_0"] + pixel * np.arange(shape[0])
    x, y = np.meshgrid(x, y)
    away = np.ones(shape, bool)
    for keywords in model.kwargs_lens:
        if "center_x" in keywords:
            away &= np.hypot(x - keywords["center_x"], y - keywords["center_y"]) > 1.5 * pixel

    lens = LensModel(model.lens_model_list)
    ax, ay = lens.alpha(x, y, model.kwargs_lens)
    print("masses:", ", ".join(model.lens_model_list))
    report("lenstronomy: deflection, x (arcsec)", maps["DEFLECTION_X"], ax, away)
    report("lenstronomy: deflection, y (arcsec)", maps["DEFLECTION_Y"], ay, away)
    fxx, fxy, _, fyy = lens.hessian(x, y, model.kwargs_lens)
    inverse = (1 - fxx) * (1 - fyy) - fxy**2
    # The inverse is finite on critical curves.
    report("lenstronomy: 1 / magnification", 1 / maps["MAGNIFICATION"], inverse, away)

    with fits.open(folder / "source.fits") as file:
        source = file[0].data.astype(float)
        sx, sy = grid(file[0].header, source.shape)
    off = np.ones(source.shape, bool)
    for keywords in model.kwargs_source:
        off &= np.hypot(sx - keywords["center_x"], sy - keywords["center_y"]) > 0.02
    light = LightModel(model.source_light_model_list)
    theirs = light.surface_brightness(sx, sy, model.kwargs_source) * pixel**2
    report("lenstronomy: source (per pixel)", source, theirs, off)

    # The coolest package: its own profiles where it has them.
    from coolest.api.profiles import light as coolest_light
    from coolest.api.profiles import mass as coolest_mass
    from coolest.template.json import JSONSerializer

    template = JSONSerializer(str(folder / "coolest"), check_external_files=True).load(verbose=False)
    ax, ay, flux, unknown = np.zeros(shape), np.zeros(shape), np.zeros(source.shape), []
    for entity in template.lensing_entities:
        for profile in entity.mass_model:
            values = {name: p.point_estimate.value for name, p in profile.parameters.items()}
            kind = {"SIE": "PEMD"}.get(profile.type, profile.type)  # the isothermal case of the same formula
            if not hasattr(coolest_mass, kind):
                unknown.append(profile.type)
                continue
            dx, dy = getattr(coolest_mass, kind)().deflection(x, y, **values)
            ax, ay = ax + dx, ay + dy
        if entity.name == "source":
            for profile in entity.light_model:
                values = {name: p.point_estimate.value for name, p in profile.parameters.items()}
                flux = flux + coolest_light.Sersic().evaluate_surface_brightness(sx, sy, **values)
    if template.meta.get("left_out"):
        print("the template leaves out", ", ".join(template.meta["left_out"]), "- its deflections differ by as much")
    if unknown:
        print("the coolest package cannot evaluate", ", ".join(unknown), "- deflections not compared")
    else:
        report("coolest: deflection, x (arcsec)", maps["DEFLECTION_X"], ax, away)
        report("coolest: deflection, y (arcsec)", maps["DEFLECTION_Y"], ay, away)
    report("coolest: source (per pixel)", source, flux * pixel**2, off)
    print("image made by lenstronomy:", model.model_image().shape)


if __name__ == "__main__":
    main()
