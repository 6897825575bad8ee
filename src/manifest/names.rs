//! Which names Compose and the engine take.

/// The project name that Compose makes of a directory's name; empty if nothing is left of it.
pub fn normalise_project(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower.chars().filter(|c| is_project_char(*c)).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// Checks a project name that is written out.
///
/// # Errors
/// A sentence for people.
pub fn check_project(text: &str) -> Result<(), String> {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && text.chars().all(is_project_char) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a project name: it takes lower-case letters, digits, `-` and `_`, and begins \
         with a letter or a digit"
    ))
}

/// Checks the key of a service, network, volume, config or secret.
///
/// # Errors
/// A sentence for people.
pub fn check_key(text: &str) -> Result<(), String> {
    if !text.is_empty() && text.chars().all(is_name_char) {
        return Ok(());
    }
    Err(format!("`{text}` is not a name: it takes letters, digits, `.`, `-` and `_`"))
}

/// Checks the name a container is to carry at the engine.
///
/// # Errors
/// A sentence for people.
pub fn check_container(text: &str) -> Result<(), String> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && text.len() > 1 && text.chars().all(is_name_char) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a container name: it takes two or more letters, digits, `.`, `-` and `_`, and \
         begins with a letter or a digit"
    ))
}

fn is_project_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-'
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_becomes_a_project() {
        assert_eq!(normalise_project("Web Shop.2"), "webshop2");
        assert_eq!(normalise_project("-_-blog_1"), "blog_1");
        assert_eq!(normalise_project("日本"), "");
    }

    #[test]
    fn what_a_directory_becomes_is_a_project_name() {
        for directory in ["Web Shop", "9lives", "__x", "a-b_c"] {
            assert_eq!(check_project(&normalise_project(directory)), Ok(()));
        }
    }

    #[test]
    fn a_written_project_name_is_not_repaired() {
        for wrong in ["", "Shop", "_shop", "web shop", "web.shop", "ä"] {
            assert!(check_project(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_takes_what_compose_takes() {
        assert_eq!(check_key("Api_v1.2-x"), Ok(()));
        assert!(check_key("").is_err());
        assert!(check_key("a/b").is_err());
    }

    #[test]
    fn a_container_name_takes_what_the_engine_takes() {
        assert_eq!(check_container("shop-db.1"), Ok(()));
        assert!(check_container("x").is_err());
        assert!(check_container("_x").is_err());
    }
}
