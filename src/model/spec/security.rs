//! Security options in one form, however they are written.

use serde_json::Value;

/// Stands for empty `MaskedPaths` and `ReadonlyPaths`.
pub const OPEN_SYSTEM_PATHS: &str = "systempaths=unconfined";

const NO_NEW_PRIVILEGES: &str = "no-new-privileges";

/// An option as [`super::ContainerSpec::security_opt`] has it: parted by `=`, a profile as JSON without
/// blanks and with its keys in order. `None` for one that changes nothing.
///
/// The engine keeps an option as it was asked for, also with a `:` (Docker Engine API, `SecurityOpt`).
pub fn security_option(option: &str) -> Option<String> {
    let parted = option.split_once('=').or_else(|| option.split_once(':'));
    let (name, value) = parted.unwrap_or((option, ""));
    match (name, value) {
        (NO_NEW_PRIVILEGES, "" | "true" | "1" | "t" | "T" | "TRUE" | "True") => {
            Some(NO_NEW_PRIVILEGES.to_owned())
        }
        (NO_NEW_PRIVILEGES, _) => None,
        ("seccomp", profile) => {
            let json = serde_json::from_str::<Value>(profile).map(in_order);
            Some(format!("seccomp={}", json.map_or(profile.to_owned(), |json| json.to_string())))
        }
        _ if parted.is_none() => Some(option.to_owned()),
        _ => Some(format!("{name}={value}")),
    }
}

fn in_order(json: Value) -> Value {
    match json {
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.into_iter().map(|(key, value)| (key, in_order(value))).collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(in_order).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_the_same_in_any_form() {
        for option in ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"] {
            assert_eq!(security_option(option).as_deref(), Some("no-new-privileges"));
        }
        assert_eq!(security_option("no-new-privileges:false"), None);
        assert_eq!(security_option("label:type:a_t").as_deref(), Some("label=type:a_t"));
        assert_eq!(
            security_option("seccomp={ \"b\": 1,\n\"a\": [{\"d\": 1, \"c\": 2}] }").as_deref(),
            Some(r#"seccomp={"a":[{"c":2,"d":1}],"b":1}"#)
        );
        assert_eq!(security_option("seccomp:unconfined").as_deref(), Some("seccomp=unconfined"));
    }
}
