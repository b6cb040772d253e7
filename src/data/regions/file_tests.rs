//! Region files: nothing is lost, and what is changed is changed alone.

use super::*;

const FILE: &str = "# Region file format: DS9 version 4.1\n\
    global color=green dashlist=8 3 width=1 font=\"helvetica 10 normal roman\" select=1 include=1 source=1\r\n\
    fk5\n\
    circle(04:13:25.25,+10:27:54.5,2.5\") # color=red text={the core; not all} tag={a} tag={b}\n\
    -ellipse(63.355,10.465,3\",1.5\",45) # background\n\
      box 63.356 10.466 2\" 1\" 30 # a comment of mine; with a semicolon\n\
    # text(63.35,10.46) text={North}\n\
    galactic;polygon(182.4,-28.3,182.41,-28.3,182.41,-28.29);circle(182.4,-28.3,0.001)\n\
    image\n\
    annulus(20.5,21.5,3,5,8) # color=#ff8800\n\
    point(3,4) # point=cross\n\
    panda(10,10,0,90,1,5,10,1)\n\
    detector\n\
    circle(1,2,3)\n\
    \n\
    nonsense here && there";

#[test]
fn every_byte_comes_back() {
    let file = RegionFile::parse(FILE);
    assert_eq!(file.to_text(), FILE);
    // Latin-1 in a name, a lone carriage return, no last line break.
    let bytes = b"image\rcircle(1,2,3) # text={Caf\xe9 \xc3\xa9}\n\xff\xfe; ;\n\n\ncircle(1,2";
    let file = RegionFile::from_bytes(bytes);
    assert_eq!(file.to_bytes(), bytes);
    assert_eq!(file.count(), 1);
}

#[test]
fn regions_are_read_with_their_systems_and_properties() {
    let file = RegionFile::parse(FILE);
    let regions: Vec<&Region> = file.regions().collect();
    let kinds: Vec<&str> = regions.iter().map(|r| r.shape.kind().name()).collect();
    assert_eq!(kinds, ["circle", "ellipse", "box", "polygon", "circle", "annulus", "point"]);
    let core = regions[0];
    assert_eq!((core.system, core.include), (System::Fk5, true));
    assert_eq!((core.color.as_deref(), core.label.as_deref()), (Some("red"), Some("the core; not all")));
    let Shape::Circle { center, radius } = core.shape else { panic!() };
    assert!((center[0] - 63.355_208_333_333_33).abs() < 1e-10 && (center[1] - 10.465_138_888_888_89).abs() < 1e-10);
    assert_eq!(radius, 2.5);
    assert!(!regions[1].include);
    assert_eq!(regions[1].color.as_deref(), Some("green"));
    assert_eq!(regions[2].shape, Shape::Box { center: [63.356, 10.466], size: [2.0, 1.0], angle_deg: 30.0 });
    assert_eq!((regions[3].system, regions[4].system), (System::Galactic, System::Galactic));
    let Shape::Circle { radius, .. } = regions[4].shape else { panic!() };
    assert!((radius - 3.6).abs() < 1e-12);
    assert_eq!(regions[5].shape, Shape::Annulus { center: [20.5, 21.5], radii: vec![3.0, 5.0, 8.0] });
    assert_eq!(regions[5].color.as_deref(), Some("#ff8800"));
    // A text, a panda, and a circle in a system that is not understood.
    assert_eq!(file.not_understood(), 3);
}

#[test]
fn a_change_touches_its_own_shape_only() {
    let mut file = RegionFile::parse(FILE);
    file.set_shape(5, Shape::Annulus { center: [22.0, 21.5], radii: vec![3.0, 5.0, 8.0] });
    assert_eq!(file.to_text(), FILE.replace("annulus(20.5,21.5,3,5,8)", "annulus(22,21.5,3,5,8)"));
    file.set_include(1, true);
    file.set_include(6, false);
    file.remove(4);
    let expected = FILE
        .replace("annulus(20.5,21.5,3,5,8)", "annulus(22,21.5,3,5,8)")
        .replace("-ellipse", "ellipse")
        .replace("point(3,4)", "-point(3,4)")
        .replace(";circle(182.4,-28.3,0.001)\n", "\n");
    assert_eq!(file.to_text(), expected);
    // The same shape again is no change: a sexagesimal position stays as it was written.
    let before = file.clone();
    let same = file.regions().next().unwrap().shape.clone();
    file.set_shape(0, same);
    assert_eq!(file, before);
}

#[test]
fn regions_are_added_in_their_system() {
    let mut file = RegionFile::default();
    let circle = Shape::Circle { center: [12.5, 7.0], radius: 3.25 };
    assert_eq!(file.add(System::Image, circle.clone(), None), 0);
    assert_eq!(file.add(System::Image, circle.clone(), Some("knot {1}")), 1);
    let sky = Shape::Box { center: [63.355, 10.465], size: [2.0, 1.0], angle_deg: 30.0 };
    file.add(System::Icrs, sky.clone(), None);
    assert_eq!(
        file.to_text(),
        "# Region file format: DS9 version 4.1\nimage\ncircle(12.5,7,3.25)\n\
         circle(12.5,7,3.25) # text={knot  1}\nicrs\nbox(63.355,10.465,2\",1\",30)\n"
    );
    let again = RegionFile::parse(&file.to_text());
    assert_eq!(again, file);
    assert_eq!(file.duplicate(1, Shape::Circle { center: [1.0, 1.0], radius: 1.0 }), Some(2));
    assert!(file.to_text().contains("circle(12.5,7,3.25) # text={knot  1}\ncircle(1,1,1) # text={knot  1}\nicrs"));
    let foreign = "image\ncircle(1,2,3)\ndetector\ncircle(1,2,3)";
    let mut file = RegionFile::parse(foreign);
    file.add(System::Image, circle, None);
    assert_eq!(file.to_text(), format!("{foreign}\nimage\ncircle(12.5,7,3.25)\n"));
}

/// Random numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Any text comes back as it was, and any shape that is written is read again to the last bit.
#[test]
fn texts_and_shapes_at_random_come_back() {
    let mut dice = Dice(20);
    let words = [
        "circle",
        "(",
        ")",
        "1.5",
        ",",
        " ",
        "#",
        ";",
        "\n",
        "\r\n",
        "fk5",
        "image",
        "box",
        "{",
        "}",
        "\"",
        "'",
        "text=",
        "color=red",
        "-",
        "é",
        "polygon(1,2,3,4,5,6)",
        "global",
        "||",
        "galactic;",
    ];
    for _ in 0..4000 {
        let count = (dice.uniform() * 30.0) as usize;
        let text: String = (0..count).map(|_| words[(dice.uniform() * words.len() as f64) as usize]).collect();
        let file = RegionFile::parse(&text);
        assert_eq!(file.to_text(), text);
        assert_eq!(RegionFile::parse(&file.to_text()), file);
        let bytes: Vec<u8> = (0..count).map(|_| (dice.uniform() * 256.0) as u8).collect();
        assert_eq!(RegionFile::from_bytes(&bytes).to_bytes(), bytes);
    }
    for turn in 0..600 {
        let mut number = |scale: f64| scale * (dice.uniform() - 0.5) * 10f64.powi(turn % 7 - 3);
        let center = [number(300.0).rem_euclid(360.0), number(100.0) % 90.0];
        let sizes = [number(40.0).abs(), number(40.0).abs()];
        let shape = match turn % 6 {
            0 => Shape::Circle { center, radius: sizes[0] },
            1 => Shape::Ellipse { center, radii: sizes, angle_deg: number(100.0) },
            2 => Shape::Box { center, size: sizes, angle_deg: number(100.0) },
            3 => Shape::Polygon { vertices: (0..5).map(|_| [number(100.0).abs(), number(50.0)]).collect() },
            4 => Shape::Annulus { center, radii: vec![sizes[0], sizes[0] + sizes[1] + 1e-9] },
            _ => Shape::Point { center },
        };
        for system in System::ALL {
            let mut file = RegionFile::default();
            file.add(system, shape.clone(), None);
            let again = RegionFile::parse(&file.to_text());
            assert_eq!(again.regions().next().unwrap().shape, shape, "{}", file.to_text());
        }
    }
}
