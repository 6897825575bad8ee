//! References to images.

use evenkeel::model::ImageRef;
use proptest::prelude::*;

use super::{any_text, config, mixed, quick};

const PIECES: &[&str] = &[
    "/",
    ":",
    "@",
    "nginx",
    "library",
    "docker.io",
    "ghcr.io",
    "localhost",
    ":5000",
    ":1.27",
    ".",
    "-",
    "_",
    "__",
    "--",
    "sha256:",
    "UPPER",
    " ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "[::1]",
    "é",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_reference_that_is_accepted_is_written_and_read_again(
        text in prop_oneof![4 => mixed(PIECES, 7), 1 => any_text()],
    ) {
        let Ok(image) = quick(|| ImageRef::parse(&text)) else { return Ok(()) };
        prop_assert_eq!(image.to_string(), text);
        prop_assert_eq!(ImageRef::parse(&image.to_string()), Ok(image.clone()));
        prop_assert!(!image.registry().is_empty() && !image.registry().contains('/'));
        let path = image.path();
        prop_assert!(!path.is_empty() && !path.starts_with('/') && !path.ends_with('/'), "{}", path);
        prop_assert!(image.same_repository(&image) && image.same_tag(&image));
        let tag_only = image.without_digest();
        prop_assert_eq!(tag_only.digest(), None);
    }
}
