//! Which names mean a secret, and which values are none whatever their name.

/// Parts of a name that mean a secret, also in the middle of a longer word.
const SECRETS: [&str; 8] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "PRIVATEKEY"];

/// Words that mean a secret where they stand alone.
const WORDS: [&str; 9] = ["PASS", "PWD", "KEY", "KEYS", "DSN", "SALT", "PEPPER", "PW", "PSK"];

/// Last words of a name that tells something about a secret, or where it is.
const ABOUT: [&str; 45] = [
    "FILE",
    "FILES",
    "PATH",
    "DIR",
    "DIRECTORY",
    "LOCATION",
    "URL",
    "URI",
    "ENDPOINT",
    "ISSUER",
    "AUDIENCE",
    "TTL",
    "EXPIRY",
    "EXPIRES",
    "EXPIRATION",
    "EXPIRE",
    "LIFETIME",
    "DURATION",
    "TIMEOUT",
    "INTERVAL",
    "AGE",
    "HOURS",
    "MINUTES",
    "DAYS",
    "SECONDS",
    "LENGTH",
    "SIZE",
    "MIN",
    "MAX",
    "COUNT",
    "LIMIT",
    "ENABLED",
    "ENABLE",
    "DISABLED",
    "DISABLE",
    "REQUIRED",
    "TYPE",
    "ALGORITHM",
    "METHOD",
    "POLICY",
    "HEADER",
    "NAME",
    "ID",
    "FIELD",
    "PREFIX",
];

/// Whether a variable, label or option of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last() else { return false };
    if ABOUT.contains(&last.as_str()) || is_public(&words) {
        return false;
    }
    let is_part = |word: &String| SECRETS.iter().any(|part| word.contains(part));
    // The working directory of a shell; no other name is so short.
    let is_word = words.len() > 1 || last != "PWD";
    // `DBPASS`, and not what only sounds like it.
    let is_pass = last.ends_with("PASS") && !["COMPASS", "BYPASS"].contains(&last.as_str());
    words.iter().any(is_part) || is_pass || (is_word && WORDS.contains(&last.as_str()))
}

/// Whether an option of a command line holds a secret. `--key` is a file more often than not.
pub fn is_secret_option(name: &str) -> bool {
    let words = words(name);
    let is_key = words.last().is_some_and(|word| word == "KEY" || word == "KEYS");
    let is_api = words.iter().any(|word| word == "API");
    matches!(name, "requirepass" | "masterauth") || (is_secret(name) && (!is_key || is_api))
}

fn is_public(words: &[String]) -> bool {
    words.iter().any(|word| matches!(word.as_str(), "PUBLIC" | "PUBLISHABLE"))
}

/// The words of `name`, in capitals: `db_password`, `dbPassword` and `db.password` are two each.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let begins = c.is_uppercase() && was_lower;
        if (begins || !c.is_alphanumeric()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_uppercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a value is nothing that has to be kept secret: nothing, a switch, the path of a file.
pub fn is_harmless(value: &str) -> bool {
    let switches = ["true", "false", "yes", "no", "on", "off", "null", "none", "0", "1", "~"];
    let value = value.trim();
    value.is_empty() || switches.contains(&value.to_lowercase().as_str()) || is_path(value)
}

fn is_path(value: &str) -> bool {
    let roots = [
        "./",
        "../",
        "~/",
        "/app/",
        "/certs/",
        "/config/",
        "/data/",
        "/etc/",
        "/home/",
        "/keys/",
        "/mnt/",
        "/opt/",
        "/root/",
        "/run/",
        "/secrets/",
        "/srv/",
        "/ssl/",
        "/tmp/",
        "/usr/",
        "/var/",
        "file:",
    ];
    let endings = [".pem", ".key", ".crt", ".cer", ".json", ".txt", ".p12", ".jks", ".pub"];
    let is_one_word = !value.contains(char::is_whitespace);
    let ends = value.contains('/') && endings.iter().any(|ending| value.ends_with(ending));
    is_one_word && (roots.iter().any(|root| value.starts_with(root)) || ends)
}

/// `text` as the name of a variable: capitals, digits and `_`.
pub fn variable(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = text.chars().map(plain).collect();
    let name = name.trim_matches('_');
    match name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        true => format!("_{name}"),
        false => name.to_owned(),
    }
}

/// Whether `name` can be written as `${name}`.
pub fn is_variable(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.chars().all(is_plain)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("EVENKEEL_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_a_secret() {
        for name in [
            "POSTGRES_PASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "dbPassword",
            "SECRET_KEY_BASE",
            "JWT_SECRET",
            "AWS_SECRET_ACCESS_KEY",
            "API_KEY",
            "APP_KEY",
            "GITHUB_TOKEN",
            "SMTP_PASS",
            "PAPERLESS_DBPASS",
            "DB_PWD",
            "SENTRY_DSN",
            "REGISTRY_CREDENTIALS",
            "ADMINPASSWORD",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_tells_where_or_how_long_is_no_secret() {
        for name in [
            "POSTGRES_PASSWORD_FILE",
            "TLS_KEY_PATH",
            "TOKEN_EXPIRY",
            "TOKEN_TTL",
            "PASSWORD_MIN_LENGTH",
            "AWS_ACCESS_KEY_ID",
            "VAPID_PUBLIC_KEY",
            "PWD",
            "KEYCLOAK_HOST",
            "MONKEY",
            "COMPASS",
            "COMPASS_MODE",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_switch_or_a_path_is_harmless() {
        assert!(is_harmless("true") && is_harmless("/run/secrets/db") && is_harmless("a/b.pem"));
        assert!(!is_harmless("hunter2") && !is_harmless("/9j4AAQ+Zz="));
    }

    #[test]
    fn any_text_makes_a_variable() {
        assert_eq!(variable("my-app.db password"), "MY_APP_DB_PASSWORD");
        assert_eq!(variable("9lives"), "_9LIVES");
    }
}
