//! How full a file system is.

/// A file system, measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// A directory on it.
    pub path: String,
    /// Bytes that can be used at all: what only root may use does not count (as `df` counts).
    pub total: u64,
    /// Bytes that are free.
    pub free: u64,
}

impl Disk {
    /// Whether more than `percent` of it is used.
    pub fn is_above(&self, percent: u8) -> bool {
        let used = u128::from(self.total.saturating_sub(self.free));
        used * 100 > u128::from(self.total) * u128::from(percent)
    }

    /// How much of it is used, in percent, rounded up as `df` does it.
    pub fn used_percent(&self) -> u8 {
        let used = u128::from(self.total.saturating_sub(self.free)) * 100;
        let percent = used.div_ceil(u128::from(self.total.max(1)));
        u8::try_from(percent).unwrap_or(100)
    }
}

/// Bytes for people: `640 MiB`, `1.2 GiB`.
pub fn shown(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    // In tenths of the unit.
    let mut tenths = bytes.saturating_mul(10) / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths {
        100.. => format!("{} {}", tenths / 10, UNITS[unit]),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_or_three() {
        let check = |bytes, expected| assert_eq!(shown(bytes), expected);
        check(0, "0.0 KiB");
        check(1536, "1.5 KiB");
        check(640 << 20, "640 MiB");
        check((1 << 30) + (205 << 20), "1.2 GiB");
        check(3 << 40, "3.0 TiB");
    }

    #[test]
    fn a_share_is_passed_only_by_what_is_more() {
        let disk = |free| Disk { path: "/".into(), total: 1000, free };
        assert!(!disk(200).is_above(80));
        assert!(disk(199).is_above(80));
        assert_eq!((disk(200).used_percent(), disk(199).used_percent()), (80, 81));
        assert_eq!(Disk { path: "/".into(), total: 0, free: 0 }.used_percent(), 0);
    }
}
