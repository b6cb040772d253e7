use serde_json::json;

use super::*;

fn table() -> Table {
    let words = ["plain", "two words", "", "quo\"te", "line\nbreak", "#hash", "a,b", "ångström", "nan"];
    let floats = [0.1 + 0.2, -1e300, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0, 123_456_789.0];
    let integers = [0, i64::MAX, i64::MIN, 1, 2, 3, 4, 5, 6];
    let mut table = Table::new(vec![
        TableColumn::new("einstein_radius", "arcsec", floats.to_vec())
            .described("with: a colon, 'quotes' and \"more\""),
        TableColumn::new("steps", "", integers.to_vec()),
        TableColumn::new("a name", "erg / (Angstrom s cm2)", words.map(str::to_owned).to_vec()),
    ]);
    table.meta.insert("task".into(), json!("lens_reconstruction.fit"));
    table.meta.insert("request".into(), json!({"seed": 1, "list": [1.5, "x", null, true], "å": "\u{85}\n"}));
    table
}

#[test]
fn what_is_written_reads_back() {
    let table = table();
    let text = table.to_ecsv().unwrap();
    let back = Table::from_ecsv(&text).unwrap();
    let same = |a: &ColumnData, b: &ColumnData| match (a, b) {
        // NaN is not equal to itself; its text is.
        (ColumnData::Float(_), ColumnData::Float(_)) => format!("{a:?}") == format!("{b:?}"),
        _ => a == b,
    };
    for (a, b) in table.columns.iter().zip(&back.columns) {
        assert_eq!((&a.name, &a.unit, &a.description), (&b.name, &b.unit, &b.description));
        assert!(same(&a.data, &b.data), "{:?} {:?}", a.data, b.data);
    }
    assert_eq!(back.meta, table.meta);
    assert_eq!(back.rows(), 9);
    assert_eq!(back.to_ecsv().unwrap(), text);
}

#[test]
fn a_table_as_astropy_writes_it() {
    let text = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: a, unit: deg, datatype: float32, format: '%.2f', description: first}\n\
                # - {name: b, datatype: int16}\n# - {name: c, datatype: bool}\n# - name: d\n#   datatype: string\n#   subtype: float64[2]\n\
                # meta: !!omap\n# - {x: 1}\n# schema: astropy-2.0\na,b,c,d\n1.50,1,True,\"[1,2]\"\n,,False, x \n\n\"2.5\",3,True,\"\"\n";
    let table = Table::from_ecsv(text).unwrap();
    let a = table.numbers("a").unwrap();
    assert_eq!((a[0], a[1].is_nan(), a[2]), (1.5, true, 2.5));
    let b = table.numbers("b").unwrap();
    assert_eq!((b[0], b[1].is_nan(), b[2]), (1.0, true, 3.0));
    assert_eq!(table.words("c").unwrap(), ["True", "False", "True"]);
    assert_eq!(table.words("d").unwrap(), ["[1,2]", "x", ""]);
    assert_eq!(table.column("a").unwrap().unit.as_deref(), Some("deg"));
    assert_eq!(table.meta.get("x"), Some(&json!(1)));
}

#[test]
fn damaged_tables_are_refused_with_the_line() {
    let head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: float64}\n# - {name: b, datatype: int64}\n";
    for (body, expected) in [
        ("a b\n1 2\n3\n", "line 8: 1 fields"),
        ("a b\nx 2\n", "line 7: column a: \"x\" is not a number"),
        ("a b\n1 2.5\n", "line 7: column b: \"2.5\" is not an integer"),
        ("a b\n1 \"2\n", "line 7: a quote is opened"),
        ("a\n1\n", "line 6: 1 column names"),
        ("", "line 6: the row of column names is missing"),
    ] {
        let error = Table::from_ecsv(&format!("{head}{body}")).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(Table::from_ecsv("a,b\n1,2\n").is_err());
}

#[test]
fn tables_that_cannot_be_written_are_refused() {
    let column = |name: &str, n: usize| TableColumn::new(name, "", vec![0.0; n]);
    for columns in
        [vec![], vec![column("", 1)], vec![column("a", 1), column("a", 1)], vec![column("a", 1), column("b", 2)]]
    {
        assert!(Table::new(columns).to_ecsv().is_err());
    }
    let empty = Table::new(vec![column("a", 0)]);
    assert_eq!(Table::from_ecsv(&empty.to_ecsv().unwrap()).unwrap(), empty);
}

#[test]
fn any_text_is_survived() {
    let text = table().to_ecsv().unwrap();
    let mut read = 0;
    // Every prefix, and every byte replaced by one that matters to the format.
    for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
        read += usize::from(Table::from_ecsv(&text[..end]).is_ok());
    }
    for at in 0..text.len() {
        for sign in ["\"", "\n", "{", "-", ":"] {
            if let (Some(before), Some(after)) = (text.get(..at), text.get(at + 1..)) {
                read += usize::from(Table::from_ecsv(&format!("{before}{sign}{after}")).is_ok());
            }
        }
    }
    // Damage in words, units and meta leaves a table.
    assert!(read > 100, "{read}");
}

#[test]
fn plain_text_tables_find_their_types() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "id,flux,name,empty\n1,1e-3,\"M 13, globular\",\n2,,x,\n3,nan,\"say \"\"hi\"\"\",\n")
        .unwrap();
    let table = read_csv(&path, ',').unwrap();
    assert_eq!(table.columns[0].data, ColumnData::Integer(vec![1, 2, 3]));
    let ColumnData::Float(flux) = &table.columns[1].data else { panic!("{:?}", table.columns[1]) };
    assert!(flux[0] == 1e-3 && flux[1].is_nan() && flux[2].is_nan());
    assert_eq!(table.words("name").unwrap()[0], "M 13, globular");
    assert_eq!(table.words("empty").unwrap().len(), 3);
    std::fs::write(&path, "a\tb\n1\t2\n3\n").unwrap();
    let error = read_csv(&path, '\t').unwrap_err().to_string();
    assert!(error.contains("line 3") || error.contains('3'), "{error}");
}
