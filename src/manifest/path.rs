//! The path of a value as people write it: `services.api.ports[1]`.
//!
//! A key that would read as something else is quoted: `labels."traefik.enable"`.

/// The path of the field `key` of the mapping at `parent`; the root's path is empty.
pub fn field(parent: &str, key: &str) -> String {
    let key = quoted(key);
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}

/// The path of the item `index`, from 0, of the list at `parent`.
pub fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

fn quoted(key: &str) -> String {
    let plain = !key.is_empty() && !key.contains(['.', '[', ']', '"']) && !has_blank(key);
    if plain { key.to_owned() } else { format!("{key:?}") }
}

fn has_blank(key: &str) -> bool {
    key.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_file() {
        let service = field(&field("", "services"), "api");
        assert_eq!(item(&field(&service, "ports"), 1), "services.api.ports[1]");
    }

    #[test]
    fn a_key_with_dots_is_quoted() {
        assert_eq!(field("labels", "traefik.enable"), "labels.\"traefik.enable\"");
    }
}
