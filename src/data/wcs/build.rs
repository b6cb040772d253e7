//! From the cards of a header to a transform of fitsy's, with what it would otherwise get wrong put right.
//!
//! Every repair is named where it is made; those that change numbers leave a warning. fitsy 0.5 agrees with wcslib to
//! 1e-10 arcsec in everything else (29 projections, SIP, TPV, spectral algorithms).

use std::collections::BTreeMap;

use fitsy::wcs::celestial::CelestialRotation;

use super::super::Header;
use super::super::containment::contained;
use super::cards::{Cards, MatrixCards, lettered};
use super::spectral::{si_factor, standard_unit, standardise};

/// A description made ready.
pub(super) struct Built {
    /// The transform.
    pub transform: fitsy::Wcs,
    /// The cards as repaired.
    pub cards: Cards,
    /// SPECSYS, or what an AIPS code says.
    pub spectral_frame: Option<String>,
    /// Axis (0-based) whose linear value is a decimal logarithm (IRAF's DC-FLAG = 1).
    pub logarithmic: Option<usize>,
}

/// Builds the transform of a letter; `None` when the header has no such description.
///
/// # Errors
/// What cannot be used, in words.
pub(super) fn build(header: &Header, letter: char) -> Result<Option<Built>, String> {
    let Some(mut cards) = Cards::read(header, letter)? else { return Ok(None) };
    let rest =
        |name: &str| header.get_f64(&lettered(name, letter)).or_else(|| header.get_f64(name)).filter(|&x| x > 0.0);
    let rest_frequency = rest("RESTFRQ").or_else(|| rest("RESTFREQ"));
    let rest_wavelength = rest("RESTWAV");
    let mut frame = standardise(&mut cards, header, rest_frequency.is_some() || rest_wavelength.is_some());
    if let Some(told) = header.get_str(&lettered("SPECSYS", letter)).map(str::trim).filter(|text| !text.is_empty()) {
        frame = Some(told.to_owned());
    }
    let logarithmic = (letter == ' ' && header.get_i64("DC-FLAG") == Some(1))
        .then(|| (0..cards.axes.len()).find(|&i| is_dispersion(&cards, i)))
        .flatten();
    if let Some(axis) = logarithmic.and_then(|i| cards.axes.get_mut(i)) {
        axis.kind = super::UNSTATED.to_owned();
        if si_factor("WAVE", &standard_unit(&axis.unit)).is_none() || axis.unit.is_empty() {
            axis.unit = "Angstrom".to_owned();
        }
    }
    sip_and_tpv(&mut cards);
    tables_and_units(&mut cards);
    singular_axes(&mut cards);
    let plain = to_fitsy(&cards, header, letter, [("RESTFRQ", rest_frequency), ("RESTWAV", rest_wavelength)])?;
    let transform = contained(|| fitsy::Wcs::from_header(&plain, ' '))?.map_err(|error| error.to_string())?;
    let Some(mut transform) = transform else { return Ok(None) };
    put_pole_right(&mut transform);
    Ok(Some(Built { transform, cards, spectral_frame: frame, logarithmic }))
}

/// An axis that IRAF's DC-FLAG can be about.
fn is_dispersion(cards: &Cards, i: usize) -> bool {
    let kind = cards.axes.get(i).map_or("", |axis| axis.kind.as_str());
    matches!(kind, "" | "LINEAR" | "LAMBDA" | "WAVE" | super::UNSTATED)
}

/// Distortions: `-SIP` goes with its coefficients, TAN with TPV's parameters is TPV, and SIP counts pixel axes.
fn sip_and_tpv(cards: &mut Cards) {
    let Some((longitude, latitude)) = cards.celestial() else {
        cards.sip.clear();
        return;
    };
    let both = |cards: &Cards, name: char| cards.sip.iter().any(|&(n, ..)| n == name);
    let distorted = both(cards, 'A') || both(cards, 'B');
    let marked = [longitude, latitude].iter().any(|&i| cards.axes[i].kind.ends_with("-SIP"));
    if marked && !distorted {
        cards.warnings.push("CTYPE says SIP and there are no coefficients; the axes are taken without".into());
    }
    for i in [longitude, latitude] {
        let plain: String = cards.axes[i].kind.chars().take(8).collect();
        cards.axes[i].kind = if distorted && plain.len() == 8 { format!("{plain}-SIP") } else { plain };
    }
    if distorted && longitude > latitude {
        // A corrects pixel axis 1 and B axis 2; fitsy takes A for the longitude. Both names and powers change places.
        for (name, p, q, _) in &mut cards.sip {
            *name = if *name == 'A' { 'B' } else { 'A' };
            std::mem::swap(p, q);
        }
    }
    if cards.algorithm_of(longitude) != "TAN" {
        return;
    }
    let scamp = cards.parameters.keys().any(|&(i, m)| (i == longitude + 1 && m > 4) || i == latitude + 1);
    if scamp && distorted {
        // As astropy: SCAMP leaves both in the header and means SIP.
        cards.parameters.retain(|&(i, _), _| i != longitude + 1 && i != latitude + 1);
        cards.warnings.push("both SIP and PVi_m distortions are given; PVi_m is left out".into());
    } else if scamp {
        for i in [longitude, latitude] {
            cards.axes[i].kind = cards.axes[i].kind.replace("-TAN", "-TPV");
        }
    }
}

/// Axes whose table is not read become pixel numbers; celestial axes go to degrees; units get standard spellings.
fn tables_and_units(cards: &mut Cards) {
    let celestial = cards.celestial();
    for i in 0..cards.axes.len() {
        if cards.algorithm_of(i) == "TAB" {
            let name = std::mem::take(&mut cards.axes[i].kind);
            cards
                .warnings
                .push(format!("{name} takes its values from a table, which is not read; they are pixel numbers"));
            let axis = &mut cards.axes[i];
            (axis.unit, axis.value, axis.step) = (String::new(), axis.reference_pixel, Some(1.0));
            if let MatrixCards::Cd(elements) | MatrixCards::Pc(elements) = &mut cards.matrix {
                elements.retain(|&(row, _), _| row != i + 1);
                elements.insert((i + 1, i + 1), 1.0);
            }
            continue;
        }
        if celestial.is_some_and(|(a, b)| i == a || i == b) && cards.axes[i].kind.len() >= 8 {
            let unit = standard_unit(&cards.axes[i].unit);
            let factor = if unit.is_empty() { Some(1.0) } else { super::scale::arcsec_in(&unit).map(|a| a / 3600.0) };
            if factor.is_none() {
                cards.warnings.push(format!("CUNIT{} = {unit} is no angle; degrees are used", i + 1));
            }
            cards.axes[i].unit = "deg".to_owned();
            if let Some(factor) = factor.filter(|&x| (x - 1.0).abs() > 1e-15) {
                scale_axis(cards, i, factor);
            }
            continue;
        }
        let code = cards.type_of(i).to_owned();
        if super::spectral::kind(&code).is_none() || cards.axes[i].kind == super::UNSTATED {
            continue;
        }
        if si_factor(&code, &standard_unit(&cards.axes[i].unit)).is_none() {
            let (name, unit) = (cards.axes[i].kind.clone(), cards.axes[i].unit.clone());
            cards.warnings.push(format!("{unit} is no unit for {name}; the axis is taken as linear"));
            cards.axes[i].kind = format!("X{code}");
        }
    }
}

/// Value and steps of an axis times a factor.
fn scale_axis(cards: &mut Cards, i: usize, factor: f64) {
    let axis = &mut cards.axes[i];
    axis.value *= factor;
    axis.step = axis.step.map(|step| step * factor);
    match &mut cards.matrix {
        MatrixCards::Cd(elements) => {
            elements.iter_mut().filter(|((row, _), _)| *row == i + 1).for_each(|(_, x)| *x *= factor);
        }
        // CDELT carries the unit; where it is missing it is 1 of the old one.
        MatrixCards::Pc(_) | MatrixCards::Missing => axis.step = Some(axis.step.unwrap_or(factor)),
    }
}

/// Axes without a step, which make the matrix singular, get one: CDELT where CD forgets the axis, else 1.
fn singular_axes(cards: &mut Cards) {
    for i in 0..cards.axes.len() {
        let n = i + 1;
        match &mut cards.matrix {
            MatrixCards::Cd(elements) => {
                if !elements.iter().any(|(&(row, column), &x)| x != 0.0 && (row == n || column == n)) {
                    let step = cards.axes[i].step.filter(|&step| step != 0.0).unwrap_or(1.0);
                    elements.insert((n, n), step);
                }
            }
            MatrixCards::Pc(_) | MatrixCards::Missing => {
                if cards.axes[i].step == Some(0.0) {
                    cards.axes[i].step = Some(1.0);
                    cards.warnings.push(format!("CDELT{n} = 0 would make every pixel one; 1 is used"));
                }
            }
        }
    }
}

/// The cards in a header of fitsy's, without alternate letters.
fn to_fitsy(
    cards: &Cards,
    header: &Header,
    letter: char,
    rest: [(&str, Option<f64>); 2],
) -> Result<fitsy::Header, String> {
    let mut numbers: BTreeMap<String, f64> = BTreeMap::new();
    let mut texts: Vec<(String, String)> = Vec::new();
    for (i, axis) in cards.axes.iter().enumerate() {
        let n = i + 1;
        numbers.insert(format!("CRVAL{n}"), axis.value);
        numbers.insert(format!("CRPIX{n}"), axis.reference_pixel);
        if let Some(step) = axis.step {
            numbers.insert(format!("CDELT{n}"), step);
        }
        if let Some(rotation) = axis.rotation.filter(|_| cards.matrix == MatrixCards::Missing) {
            numbers.insert(format!("CROTA{n}"), rotation);
        }
        texts.push((format!("CTYPE{n}"), axis.kind.clone()));
        texts.push((format!("CUNIT{n}"), standard_unit(&axis.unit)));
    }
    match &cards.matrix {
        MatrixCards::Missing => {}
        MatrixCards::Pc(elements) => {
            numbers.extend(elements.iter().map(|((i, j), x)| (format!("PC{i}_{j}"), *x)));
        }
        MatrixCards::Cd(elements) => {
            numbers.extend(elements.iter().map(|((i, j), x)| (format!("CD{i}_{j}"), *x)));
        }
    }
    numbers.extend(cards.parameters.iter().map(|((i, m), x)| (format!("PV{i}_{m}"), *x)));
    numbers.extend(cards.sip.iter().map(|(name, p, q, x)| (format!("{name}_{p}_{q}"), *x)));
    for name in ["LONPOLE", "LATPOLE"] {
        if let Some(x) = header.get_f64(&lettered(name, letter)).filter(|x| x.is_finite()) {
            numbers.insert(name.to_owned(), x);
        }
    }
    numbers.extend(rest.into_iter().filter_map(|(name, x)| Some((name.to_owned(), x.filter(|x| x.is_finite())?))));
    texts.extend(cards.surfaces.iter().cloned());
    let refuse = |error: fitsy::FitsError| error.to_string();
    let mut out = fitsy::Header::empty();
    let axes = i64::try_from(cards.axes.len()).unwrap_or(0);
    out.push("NAXIS", axes, None).map_err(refuse)?;
    out.push("WCSAXES", axes, None).map_err(refuse)?;
    for name in ['A', 'B'] {
        // fitsy wants both orders as soon as there are coefficients of one.
        let order = cards.sip.iter().filter(|c| c.0 == name).map(|c| c.1 + c.2).max().unwrap_or(0);
        if !cards.sip.is_empty() {
            out.push(format!("{name}_ORDER"), i64::try_from(order).unwrap_or(0), None).map_err(refuse)?;
        }
    }
    for (name, x) in numbers {
        out.push(name, x, None).map_err(refuse)?;
    }
    for (name, text) in
        texts.into_iter().filter(|(_, text)| !text.is_empty() && text.bytes().all(|b| (b' '..0x7f).contains(&b)))
    {
        out.push(name, text, None).map_err(refuse)?;
    }
    Ok(out)
}

/// Celestial longitude of the native pole where the general formula says nothing, by the rule of wcslib
/// (Calabretta & Greisen 2002, A&A 395, 1077, section 2.4): when the reference point is itself a celestial pole, or
/// when the native pole is.
fn put_pole_right(transform: &mut fitsy::Wcs) {
    let Some(block) = transform.celestial.as_mut() else { return };
    let old = &block.rotation;
    if (old.theta0 - 90.0).abs() < 1e-12 {
        return; // zenithal: the native pole is the reference point itself
    }
    let (cos_reference, cos_pole) = (old.delta0.to_radians().cos(), old.theta_p().to_radians().cos());
    if (cos_reference * cos_pole).abs() >= 1e-10 {
        return;
    }
    let wanted = if cos_reference.abs() < 1e-10 {
        old.alpha0
    } else if old.theta_p() > 0.0 {
        old.alpha0 + old.phi_p - old.phi0 - 180.0
    } else {
        old.alpha0 - old.phi_p + old.phi0
    };
    // The pole's longitude is the reference longitude plus something that does not depend on it.
    let shift = (wanted - old.alpha_p()).rem_euclid(360.0);
    if !(1e-9..=360.0 - 1e-9).contains(&shift) {
        return;
    }
    let (reference, pole) = (old.alpha0 + shift, Some(old.theta_p()));
    if let Ok(rotation) = CelestialRotation::new(reference, old.delta0, Some(old.phi_p), pole, old.phi0, old.theta0) {
        block.rotation = rotation;
    }
}
