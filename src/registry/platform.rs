//! Which of an image's platforms a host runs, by containerd's rules (`platforms.Normalize`, `platforms.Only`).

use crate::model::Platform;

/// A platform with its several spellings made one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    os: String,
    architecture: String,
    variant: String,
}

impl Machine {
    /// From the fields of an index (OCI Image Specification, `platform`).
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let (os, architecture) = (os.to_ascii_lowercase(), architecture.to_ascii_lowercase());
        let variant = variant.to_ascii_lowercase();
        let os = if os == "macos" { "darwin".to_owned() } else { os };
        let (architecture, variant) = normal(&architecture, &variant);
        Self { os, architecture: architecture.to_owned(), variant }
    }

    /// Reads `linux/arm64` or `linux/arm/v7`. `None` for anything else: a system or an architecture alone does
    /// not say which machine is meant.
    pub fn parse(platform: &Platform) -> Option<Self> {
        let mut parts = platform.0.split('/');
        let (os, architecture) = (parts.next()?, parts.next()?);
        let variant = parts.next().unwrap_or_default();
        let is_whole = !os.is_empty() && !architecture.is_empty() && parts.next().is_none();
        is_whole.then(|| Self::new(os, architecture, variant))
    }

    /// Whether it stands for no machine: attestations are listed so.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// How well `image` runs on this machine: 0 is best, `None` not at all.
    pub fn rank(&self, image: &Self) -> Option<usize> {
        self.runs().iter().position(|one| one == image)
    }

    /// All that runs on it, best first.
    fn runs(&self) -> Vec<Self> {
        let with = |architecture: &str, variant: &str| Self {
            os: self.os.clone(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        };
        let mut all = vec![self.clone()];
        match (self.architecture.as_str(), number(&self.variant)) {
            ("amd64", version) => {
                all.extend(
                    (2..version.unwrap_or(1)).rev().map(|n| with("amd64", &format!("v{n}"))),
                );
                all.extend(version.map(|_| with("amd64", "")));
                all.push(with("386", ""));
            }
            ("arm", Some(version)) => {
                all.extend((5..version).rev().map(|n| with("arm", &format!("v{n}"))))
            }
            ("arm64", version) => {
                all.extend(
                    (9..version.unwrap_or(8)).rev().map(|n| with("arm64", &format!("v{n}"))),
                );
                all.extend(version.map(|_| with("arm64", "")));
                all.extend((5..=8).rev().map(|n| with("arm", &format!("v{n}"))));
            }
            (_, _) => {}
        }
        all
    }
}

/// 7 for `v7`.
fn number(variant: &str) -> Option<u32> {
    variant.strip_prefix('v')?.parse().ok()
}

fn normal<'a>(architecture: &'a str, variant: &str) -> (&'a str, String) {
    match (architecture, variant) {
        ("i386" | "386", _) => ("386", String::new()),
        ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", String::new()),
        ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other.to_owned()),
        ("aarch64" | "arm64", "" | "8" | "v8" | "v8.0") => ("arm64", String::new()),
        ("aarch64" | "arm64", other) => ("arm64", other.to_owned()),
        ("armhf", _) => ("arm", "v7".to_owned()),
        ("armel", _) => ("arm", "v6".to_owned()),
        ("arm", "" | "7") => ("arm", "v7".to_owned()),
        ("arm", "5" | "6" | "8") => ("arm", format!("v{variant}")),
        (other, variant) => (other, variant.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(text: &str) -> Machine {
        Machine::parse(&Platform(text.to_owned())).unwrap()
    }

    /// Which of `offered` a host of `host` takes.
    fn check(host: &str, offered: &[&str], expected: Option<&str>) {
        let host = machine(host);
        let ranked = offered.iter().filter_map(|one| Some((host.rank(&machine(one))?, *one)));
        assert_eq!(ranked.min().map(|(_, one)| one), expected, "{host:?} of {offered:?}");
    }

    #[test]
    fn the_host_s_own_platform_is_best_however_it_is_spelt() {
        check("linux/amd64", &["linux/386", "linux/amd64", "linux/arm64"], Some("linux/amd64"));
        check("linux/x86_64", &["linux/amd64/v1"], Some("linux/amd64/v1"));
        check("linux/arm64", &["linux/arm/v7", "linux/arm64/v8"], Some("linux/arm64/v8"));
        check("linux/arm64/v8", &["linux/aarch64"], Some("linux/aarch64"));
        check("linux/arm", &["linux/arm/v6", "linux/arm/v7"], Some("linux/arm/v7"));
        check("linux/armhf", &["linux/arm/7"], Some("linux/arm/7"));
    }

    #[test]
    fn an_older_variant_will_do_and_a_newer_one_will_not() {
        check("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6"], Some("linux/arm/v6"));
        check("linux/arm/v6", &["linux/arm/v7"], None);
        check("linux/arm64", &["linux/arm/v6", "linux/arm/v7"], Some("linux/arm/v7"));
        check("linux/amd64/v3", &["linux/amd64", "linux/amd64/v2"], Some("linux/amd64/v2"));
        check("linux/amd64", &["linux/amd64/v2"], None);
        check("linux/amd64", &["linux/386"], Some("linux/386"));
        check("linux/arm64/v9", &["linux/arm64"], Some("linux/arm64"));
    }

    #[test]
    fn another_machine_s_image_is_none() {
        check("linux/amd64", &["linux/arm64", "windows/amd64", "unknown/unknown"], None);
        check("linux/riscv64", &["linux/riscv64"], Some("linux/riscv64"));
        for half in ["linux", "", "/", "linux/", "a/b/c/d"] {
            assert_eq!(Machine::parse(&Platform(half.to_owned())), None, "{half:?}");
        }
    }
}
