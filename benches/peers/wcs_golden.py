#!/usr/bin/env python3
"""World coordinates of odd headers as astropy (wcslib) gives them: writes tests/wcs_golden.csv.

Run from the repository root: python3 benches/peers/wcs_golden.py
Needs astropy (8.0.2 made the committed table); without it, says so and leaves the table alone.
Each row: name, alternate letter or -, cards joined by |, pixel (0-based), world (SI for spectral axes).
"""
import logging
import sys
import warnings
from pathlib import Path

try:
    import astropy
    from astropy.io import fits
    from astropy.wcs import WCS
except ImportError:
    print("wcs_golden: skipped, astropy is not installed; tests/wcs_golden.csv stays as it is")
    sys.exit(0)

logging.getLogger("astropy").setLevel(logging.ERROR)

SKY = ["NAXIS = 2", "CRPIX1 = 50.5", "CRPIX2 = 40.25", "CRVAL1 = 146.7", "CRVAL2 = 10.1"]
TAN = SKY + ["CTYPE1 = 'RA---TAN'", "CTYPE2 = 'DEC--TAN'"]
STEP = ["CDELT1 = -1.0E-3", "CDELT2 = 1.0E-3"]
CD = ["CD1_1 = -5.0E-4", "CD1_2 = 1.0E-4", "CD2_1 = 2.0E-4", "CD2_2 = 6.0E-4"]
SIP = ["A_ORDER = 2", "B_ORDER = 2", "A_2_0 = 1.0E-4", "A_0_1 = 3.0E-4", "B_1_1 = 2.0E-4"]
REST = ["RESTFRQ = 1420405752.0"]


def line(*cards):
    return ["NAXIS = 1", "CRPIX1 = 10.0"] + list(cards)


def pole(code, latitude, *more):
    return ["NAXIS = 2", f"CTYPE1 = 'RA---{code}'", f"CTYPE2 = 'DEC--{code}'", "CRPIX1 = 10.0", "CRPIX2 = 10.0",
            "CRVAL1 = 20.0", f"CRVAL2 = {latitude}", "CDELT1 = -1.0", "CDELT2 = 1.0"] + list(more)


CASES = [
    ("tangent_cd", "-", TAN + CD, [12.0, 70.5]),
    ("tangent_rotated", "-", TAN + STEP + ["CROTA2 = 33.0"], [12.0, 70.5]),
    ("pc_defunct", "-", TAN + STEP + ["PC001001 = 0.6", "PC001002 = -0.8", "PC002001 = 0.8", "PC002002 = 0.6"],
     [12.0, 70.5]),
    ("pc_and_cd", "-", TAN + STEP + CD + ["PC1_1 = 0.6", "PC1_2 = -0.8", "PC2_1 = 0.8", "PC2_2 = 0.6"], [12.0, 70.5]),
    ("sky_in_arcsec", "-", ["NAXIS = 2", "CTYPE1 = 'RA---SIN'", "CTYPE2 = 'DEC--SIN'", "CUNIT1 = 'arcsec'",
                            "CUNIT2 = 'arcsec'", "CRVAL1 = 360000.0", "CRVAL2 = -72000.0", "CDELT1 = -3.0",
                            "CDELT2 = 3.0", "CRPIX1 = 1.0", "CRPIX2 = 2.0"], [300.0, 400.0]),
    ("sip", "-", TAN[:-2] + ["CTYPE1 = 'RA---TAN-SIP'", "CTYPE2 = 'DEC--TAN-SIP'"] + CD + SIP, [90.0, 20.0]),
    ("sip_unnamed", "-", TAN + CD + SIP, [90.0, 20.0]),
    ("sip_swapped", "-", ["NAXIS = 2", "CRPIX1 = 50.5", "CRPIX2 = 40.25", "CRVAL2 = 146.7", "CRVAL1 = 10.1",
                          "CTYPE2 = 'RA---TAN-SIP'", "CTYPE1 = 'DEC--TAN-SIP'", "CD1_2 = 5.0E-4", "CD2_1 = 6.0E-4"]
     + SIP, [90.0, 20.0]),
    ("tpv", "-", SKY + ["CTYPE1 = 'RA---TPV'", "CTYPE2 = 'DEC--TPV'"] + CD
     + ["PV1_0 = 1.0E-4", "PV1_1 = 1.001", "PV1_4 = 0.02", "PV2_1 = 0.999", "PV2_5 = 0.01"], [90.0, 20.0]),
    ("tan_with_tpv_parameters", "-", TAN + CD + ["PV1_1 = 1.001", "PV1_5 = 0.02", "PV2_1 = 0.999", "PV2_5 = 0.01"],
     [90.0, 20.0]),
    ("pole_car_south", "-", pole("CAR", -90.0, "LONPOLE = 180.0", "LATPOLE = 0.0"), [25.0, 17.0]),
    ("pole_car_north", "-", pole("CAR", 90.0, "LONPOLE = 0.0"), [25.0, 17.0]),
    ("pole_mer_north", "-", pole("MER", 90.0, "LONPOLE = 0.0", "LATPOLE = 0.0"), [25.0, 17.0]),
    ("pole_cod_south", "-", pole("COD", -90.0, "LONPOLE = 180.0", "PV2_1 = 45.0", "PV2_2 = 25.0"), [25.0, 17.0]),
    ("native_pole_south", "-", pole("CAR", 0.0, "LONPOLE = 180.0", "LATPOLE = -90.0"), [25.0, 17.0]),
    ("beyond_the_sky", "-", pole("AIT", 0.0), [185.0, 70.0]),
    ("offsky_car", "-", pole("CAR", 0.0), [195.0, 5.0]),
    ("felo", "-", line("CTYPE1 = 'FELO-HEL'", "CRVAL1 = 1.0E6", "CDELT1 = 2000.0", "RESTFREQ = 1420405752.0"), [99.0]),
    ("velo_radio", "-", line("CTYPE1 = 'VELO-LSR'", "VELREF = 257", "CRVAL1 = 1.0E5", "CDELT1 = 2000.0"), [99.0]),
    ("frequency_ghz", "-", line("CTYPE1 = 'FREQ'", "CUNIT1 = 'GHz'", "CRVAL1 = 1.4", "CDELT1 = 1.0E-4"), [99.0]),
    ("air_nm", "-", line("CTYPE1 = 'AWAV'", "CUNIT1 = 'nm'", "CRVAL1 = 475.0", "CDELT1 = 0.125"), [99.0]),
    ("wavenumber", "-", line("CTYPE1 = 'WAVN'", "CUNIT1 = 'cm-1'", "CRVAL1 = 14700.0", "CDELT1 = 2.5"), [99.0]),
    ("log_wavelength", "-", line("CTYPE1 = 'WAVE-LOG'", "CUNIT1 = 'Angstrom'", "CRVAL1 = 4750.0", "CDELT1 = 1.25"),
     [99.0]),
    ("redshift_of_frequency", "-", line("CTYPE1 = 'ZOPT-F2W'", "CRVAL1 = 0.5", "CDELT1 = 1.0E-3", *REST), [99.0]),
    ("optical_velocity", "-", line("CTYPE1 = 'VOPT-F2W'", "CUNIT1 = 'km/s'", "CRVAL1 = 1.0E4", "CDELT1 = 20.0", *REST),
     [99.0]),
    ("energy_of_velocity", "E", line("CTYPE1E = 'ENER-V2F'", "CUNIT1E = 'eV'", "CRVAL1E = 4.2E-4", "CRPIX1E = 3.0",
                                     "CDELT1E = -1.0E-9", "RESTFRQE = 110201353000.0"), [99.0]),
    ("energy_of_velocity_in_joule", "-", line("CTYPE1 = 'ENER-V2F'", "CUNIT1 = 'J'", "CRVAL1 = 6.7E-23",
                                              "CDELT1 = -1.6E-28", "RESTFRQ = 110201353000.0"), [99.0]),
    ("more_world_axes", "-", TAN + STEP + ["WCSAXES = 4", "CTYPE3 = 'FREQ'", "CRVAL3 = 1.4E9", "CDELT3 = 1.0E4",
                                           "CRPIX3 = 1.0", "CTYPE4 = 'STOKES'", "CRVAL4 = 1.0", "CRPIX4 = 1.0"],
     [12.0, 70.5, 3.0, 0.0]),
]


def text(numbers):
    return " ".join(repr(float(x)) for x in numbers)


def main():
    rows = ["name,letter,cards,pixel,world"]
    for name, letter, cards, pixel in CASES:
        header = fits.Header.fromstring("\n".join(f"{c.split(' = ')[0]:<8}= {c.split(' = ')[1]}" for c in cards), sep="\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                wcs = WCS(header, key=" " if letter == "-" else letter)
                world = wcs.all_pix2world([pixel], 0)[0]
            except Exception as error:
                print(f"{name}: astropy refuses: {str(error).splitlines()[0]}")
                continue
        rows.append(",".join([name, letter, "|".join(cards), text(pixel), text(world)]))
    out = Path("tests/wcs_golden.csv")
    out.write_text("\n".join(rows) + "\n")
    print(f"{out}: {len(rows) - 1} rows by astropy {astropy.__version__}")


if __name__ == "__main__":
    main()
