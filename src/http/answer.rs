//! Answers: reports as JSON or, where that is asked for, as the command prints them; errors as JSON.

use std::io::Write;

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use crate::asked::{Kind, Refusal};
use crate::report::Style;
use crate::report::exit::ExitCode;
use crate::report::wire::WireProblem;

/// How a command that shows this answer ends.
pub(super) const EXIT_CODE: &str = "evenkeel-exit-code";
/// How a text is wanted: `colors`, `verbose`, or both.
pub(super) const TEXT: &str = "evenkeel-text";

/// Something that went wrong.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ErrorReport {
    /// `evenkeel.error/v1`
    pub schema: &'static str,
    /// What went wrong.
    pub error: String,
    /// The next move.
    pub hint: Option<String>,
    /// What is wrong in what a person wrote, one by one, where that is it.
    pub problems: Vec<WireProblem>,
}

/// An answer that several may get.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: StatusCode,
    kind: &'static str,
    exit: Option<ExitCode>,
    retry_after: Option<u64>,
    body: axum::body::Bytes,
}

/// How whoever asks wants reports to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// As the command prints it, instead of JSON.
    pub text: bool,
    pub colors: bool,
    pub verbose: bool,
}

impl Wants {
    pub fn of(headers: &HeaderMap) -> Self {
        let has = |name: &str, word: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.is_some_and(|value| value.split(',').any(|part| part.trim() == word))
        };
        Self {
            text: has(ACCEPT.as_str(), "text/plain"),
            colors: has(TEXT, "colors"),
            verbose: has(TEXT, "verbose"),
        }
    }

    pub fn style(self) -> Style {
        Style { color: self.colors, ..Style::PLAIN }
    }
}

impl Answer {
    /// A report; `exit` is how the command of that name ends.
    pub fn report<T: Serialize>(
        wants: Wants,
        report: &T,
        exit: ExitCode,
        text: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Self {
        let answer = match wants.text {
            true => {
                let mut out = Vec::new();
                // Nothing can fail while it is written to memory.
                let _ = text(&mut out);
                Self::plain(StatusCode::OK, out)
            }
            false => Self::json(StatusCode::OK, report),
        };
        Self { exit: Some(exit), ..answer }
    }

    /// JSON, with the line end that the command writes too.
    pub fn json<T: Serialize>(status: StatusCode, report: &T) -> Self {
        match serde_json::to_vec(report) {
            Ok(mut body) => {
                body.push(b'\n');
                let (kind, body) = ("application/json", body.into());
                Self { status, kind, exit: None, retry_after: None, body }
            }
            Err(error) => Self::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    /// A text.
    pub fn plain(status: StatusCode, body: impl Into<axum::body::Bytes>) -> Self {
        let kind = "text/plain; charset=utf-8";
        Self { status, kind, exit: None, retry_after: None, body: body.into() }
    }

    /// An error.
    pub fn error(status: StatusCode, error: impl Into<String>, hint: Option<&str>) -> Self {
        let report = ErrorReport {
            schema: "evenkeel.error/v1",
            error: error.into(),
            hint: hint.map(str::to_owned),
            problems: Vec::new(),
        };
        Self::json(status, &report)
    }

    /// The same, of another media type.
    pub fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// The same, to be asked again after `seconds`.
    pub fn later(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub fn is_good(&self) -> bool {
        self.status.is_success()
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            Kind::Question => StatusCode::BAD_REQUEST,
            Kind::Unknown => StatusCode::NOT_FOUND,
            Kind::Busy => StatusCode::CONFLICT,
            Kind::World => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Host => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let is_passing = matches!(refusal.kind, Kind::Busy | Kind::World);
        let report = ErrorReport {
            schema: "evenkeel.error/v1",
            error: refusal.text,
            hint: refusal.hint,
            problems: refusal.problems.iter().map(WireProblem::from).collect(),
        };
        let answer = Self::json(status, &report);
        if is_passing { answer.later(10) } else { answer }
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(Body::from(answer.body));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        if let Some(exit) = answer.exit {
            headers.insert(EXIT_CODE, HeaderValue::from(u16::from(exit.code())));
        }
        if let Some(seconds) = answer.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
