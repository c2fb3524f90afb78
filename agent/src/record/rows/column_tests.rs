//! Both forms of each type are stored as one.

use arrow::array::{Int8Array, Int32Array, Int64Array, StructArray};
use arrow::datatypes::Fields;
use arrow::util::display::array_value_to_string;

use super::*;

#[track_caller]
fn shown(array: &ArrayRef, kind: &Kind) -> Vec<String> {
    assert_eq!(array.data_type(), &kind.data_type());
    let all = 0..array.len();
    all.map(|row| array_value_to_string(array, row).unwrap())
        .collect()
}

#[track_caller]
fn check(kind: &Kind, cells: &[Option<&str>], arrow: Option<ArrayRef>, expected: &[&str]) {
    let stored = kind.cells(cells.iter().copied()).unwrap();
    assert_eq!(shown(&stored, kind), expected, "{kind:?}");
    if let Some(arrow) = arrow {
        assert_eq!(
            shown(&kind.column(&arrow).unwrap(), kind),
            expected,
            "{kind:?}"
        );
    }
}

fn parts(members: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let fields: Fields = members.iter().map(field).collect();
    let arrays = members.into_iter().map(|(_, array)| array).collect();
    Arc::new(StructArray::new(fields, arrays, None))
}

#[test]
fn json_and_arrow_are_stored_the_same() {
    let small: ArrayRef = Arc::new(Int8Array::from(vec![Some(125), Some(-5), None]));
    check(
        &Kind::Number(2),
        &[Some("1.25"), Some("-0.05"), None],
        Some(small),
        &["1.25", "-0.05", ""],
    );
    let widest = "99999999999999999999999999999999999999";
    check(&Kind::Number(0), &[Some(widest)], None, &[widest]);
    check(
        &Kind::Real,
        &[Some("1.5"), Some("NaN"), Some("-inf")],
        None,
        &["1.5", "NaN", "-inf"],
    );
    check(
        &Kind::Bool,
        &[Some("1"), Some("0"), None],
        None,
        &["true", "false", ""],
    );
    check(
        &Kind::Date,
        &[Some("19000"), Some("-1")],
        None,
        &["2022-01-08", "1969-12-31"],
    );
    check(&Kind::Bytes, &[Some("00fF")], None, &["00ff"]);
    let units: ArrayRef = Arc::new(Int32Array::from(vec![45_296_120]));
    check(
        &Kind::Time(3),
        &[Some("45296.120")],
        Some(units),
        &["12:34:56.120"],
    );
    let units: ArrayRef = Arc::new(Int64Array::from(vec![-500]));
    check(
        &Kind::Instant(3),
        &[Some("-0.500")],
        Some(units),
        &["1969-12-31 23:59:59.500"],
    );
    let fine = parts(vec![
        ("epoch", Arc::new(Int64Array::from(vec![253_402_300_799]))),
        ("fraction", Arc::new(Int32Array::from(vec![123_456_789]))),
    ]);
    let told = Some("253402300799.123456789");
    check(
        &Kind::Local(9),
        &[told],
        Some(fine),
        &["9999-12-31 23:59:59.123456789Z"],
    );
    let zoned = parts(vec![
        ("epoch", Arc::new(Int64Array::from(vec![0]))),
        ("timezone", Arc::new(Int32Array::from(vec![1440 - 90]))),
    ]);
    check(
        &Kind::Zoned(0),
        &[Some("0 1350")],
        Some(zoned),
        &["1969-12-31 22:30:00 -01:30"],
    );
    check(
        &Kind::Text,
        &[Some("{\"a\":1}"), None],
        None,
        &["{\"a\":1}", ""],
    );
}

#[test]
fn what_is_of_another_type_is_no_value() {
    for (kind, cell) in [
        (Kind::Number(0), "abc"),
        (Kind::Bool, "2"),
        (Kind::Date, "2020-01-01"),
        (Kind::Bytes, "0"),
        (Kind::Bytes, "+1"),
        (Kind::Zoned(0), "0"),
        (Kind::Instant(0), "x"),
    ] {
        assert!(kind.cells([Some(cell)].into_iter()).is_err(), "{kind:?}");
    }
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    for kind in [
        Kind::Number(0),
        Kind::Real,
        Kind::Time(0),
        Kind::Zoned(0),
        Kind::Date,
    ] {
        assert!(kind.column(&texts).is_err(), "{kind:?}");
    }
}
