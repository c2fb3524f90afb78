//! Numbers: buckets.

/// Gives the multiple of `width` that is next on the way to zero: it never has more digits than the value. `scale` is how
/// many of the value's digits stand behind the point.
pub(in crate::mask) fn bucket_of(value: i128, width: u64, scale: u8) -> i128 {
    let step = 10_i128
        .checked_pow(u32::from(scale))
        .and_then(|ten| ten.checked_mul(i128::from(width)));
    // A step that is larger than any number has one bucket.
    step.map_or(0, |step| value / step * step)
}

/// The same of a number with a floating point; none for what is no number.
pub(in crate::mask) fn bucket_of_real(value: f64, width: u64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a bucket's width needs no more than 53 bits"
    )]
    let width = width as f64;
    let bucket = (value / width).trunc() * width;
    bucket.is_finite().then_some(bucket + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_nearer_to_zero() {
        assert_eq!(bucket_of(12_345, 1000, 0), 12_000);
        assert_eq!(bucket_of(-12_345, 1000, 0), -12_000);
        assert_eq!(bucket_of(999, 1000, 0), 0);
        assert_eq!(bucket_of(1_234_567, 10, 2), 1_234_000);
        assert_eq!(bucket_of(i128::MAX, u64::MAX, 37), 0);
        assert_eq!(bucket_of(i128::MIN, 1, 0), i128::MIN);
    }

    #[test]
    fn a_bucket_of_no_number_is_none() {
        assert_eq!(bucket_of_real(-2.5, 1), Some(-2.0));
        assert_eq!(bucket_of_real(-0.5, 1).map(f64::to_bits), Some(0));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(bucket_of_real(value, 10), None);
        }
    }
}
