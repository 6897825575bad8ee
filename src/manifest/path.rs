//! The path of a value as people write it: `services.api.ports[1]`.
//!
//! A key that would read as something else is quoted: `labels."traefik.enable"`.

/// The path of the field `key` of the mapping at `parent`; the root's path is empty.
pub fn field(parent: &str, key: &str) -> String {
    let mut path = String::with_capacity(parent.len() + key.len() + 1);
    if !parent.is_empty() {
        path.push_str(parent);
        path.push('.');
    }
    match is_plain(key) {
        true => path.push_str(key),
        false => path.push_str(&format!("{key:?}")),
    }
    path
}

/// The path of the item `index`, from 0, of the list at `parent`.
pub fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// One step from the top of a manifest to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the field of this name.
    Key(String),
    /// Into an item of a list, whichever.
    Item,
}

/// The steps that `path` was put together of.
pub fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.chars().next() {
            Some('[') => (Step::Item, rest.split_once(']').map_or("", |(_, after)| after)),
            Some('"') => quoted_key(rest),
            Some('.') => {
                rest = &rest[1..];
                continue;
            }
            Some(_) | None => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (Step::Key(rest[..end].to_owned()), &rest[end..])
            }
        };
        steps.push(step);
        rest = after;
    }
    steps
}

fn quoted_key(text: &str) -> (Step, &str) {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    let end = end.map_or(text.len(), |(end, _)| end + 1);
    let key = serde_json::from_str(&text[..end]).unwrap_or_else(|_| text[..end].to_owned());
    (Step::Key(key), &text[end..])
}

fn is_plain(key: &str) -> bool {
    let is_plain =
        |c: char| !(matches!(c, '.' | '[' | ']' | '"') || c.is_whitespace() || c.is_control());
    !key.is_empty() && key.chars().all(is_plain)
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
    fn a_path_is_taken_apart_again() {
        let key = |key: &str| Step::Key(key.to_owned());
        let labels = field("services.api.labels", "a.\"b[0]");
        let expected = [key("services"), key("api"), key("labels"), key("a.\"b[0]")];
        assert_eq!(steps(&labels), expected);
        assert_eq!(steps("ports[1].target"), [key("ports"), Step::Item, key("target")]);
        assert_eq!(steps(""), []);
    }

    #[test]
    fn a_key_with_dots_is_quoted() {
        assert_eq!(field("labels", "traefik.enable"), "labels.\"traefik.enable\"");
    }
}
