//! `x-evenkeel.probe`: a question to a new container before it counts as good.

use serde_json::Value as Json;
use url::Url;

use super::evenkeel::strict;
use super::{Draft, sensitive};
use crate::manifest::node::{Node, Value};
use crate::manifest::read::At;
use crate::model::NetworkName;
use crate::model::probe::{Expected, IMAGE_TAG, Probe, ProbeHost, Question};
use crate::model::spec::Attachment;

/// A probe as it is written: what its service is like is not known yet.
pub struct Written<'a> {
    at: At<'a>,
    /// `None` is the container itself.
    host: Option<String>,
    port: u16,
    question: Question,
}

/// `x-evenkeel.probe`
pub fn probe<'a>(at: &At<'a>, draft: &mut Draft<'a>) {
    strict(at, &["http", "tcp", "expect"], &[]);
    let expects = at.value("expect").map(|at| expected(&at));
    let written = match (at.value("http"), at.value("tcp")) {
        (Some(http), None) => http.parse(url).map(|url| {
            let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
            (url, Question::Get { path, expects: expects.unwrap_or_else(usual) })
        }),
        (None, Some(tcp)) => {
            if let Some(expect) = at.value("expect") {
                expect
                    .problem("contradiction", "a `tcp` probe has no answer to expect anything of");
            }
            tcp.parse(address).map(|url| (url, Question::Connect))
        }
        (Some(_), Some(_)) => {
            return at.problem("contradiction", "`http` and `tcp` exclude each other");
        }
        (None, None) if at.is_mapping() => {
            let problem = at.trouble("missing-key", "the probe says neither `http` nor `tcp`");
            let problem = problem.at(at.key_place().clone());
            return at.report(problem.hint("say what is asked: `probe: {http: \":8000/health\"}`"));
        }
        (None, None) => None,
    };
    let Some((url, question)) = written else { return };
    let host = url.host_str().filter(|host| *host != ITSELF).map(str::to_owned);
    let port = url.port_or_known_default().unwrap_or_default();
    draft.probe = Some(Written { at: at.clone(), host, port, question });
}

/// Stands for the container itself while an address is taken apart.
const ITSELF: &str = "container.invalid";

fn url(text: &str) -> Result<Url, String> {
    let full = match text.strip_prefix(':') {
        Some(rest) => format!("http://{ITSELF}:{rest}"),
        None => text.to_owned(),
    };
    let no_url = || {
        format!("`{text}` is nothing to ask for: `:8000/health` or `http://127.0.0.1:8080/health`")
    };
    let url = Url::parse(&full).map_err(|_| no_url())?;
    match url.scheme() {
        "http" if !url.username().is_empty() || url.password().is_some() => {
            Err("a probe cannot log in".to_owned())
        }
        "http" if url.port_or_known_default() != Some(0) => Ok(url),
        "https" => Err(format!("`{text}` cannot be asked: a probe speaks plain http")),
        _ => Err(no_url()),
    }
}

fn address(text: &str) -> Result<Url, String> {
    let no_address = || format!("`{text}` is no address: `:5432` or `127.0.0.1:5432`");
    let (_, port) = text.rsplit_once(':').ok_or_else(no_address)?;
    if text.contains('/') || port.parse().unwrap_or(0_u16) == 0 {
        return Err(no_address());
    }
    let full = if text.starts_with(':') { text.to_owned() } else { format!("http://{text}") };
    url(&full).map_err(|_| no_address())
}

fn usual() -> Expected {
    Expected { status: 200, json: None, body: None }
}

fn expected(at: &At<'_>) -> Expected {
    strict(at, &["status", "json", "body"], &[]);
    let status = at.value("status").and_then(|at| at.between(100, 599));
    Expected {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200),
        json: at.get("json").map(|at| json(at.node)),
        body: at.value("body").and_then(|at| at.filled().map(str::to_owned)),
    }
}

/// A value as JSON has it: what stands without quotes may be a number, `true`, `false` or `null`.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => scalar.typed().unwrap_or_else(|| Json::from(scalar.text.as_str())),
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(fields) => Json::Object(
            fields.iter().map(|(key, field)| (key.clone(), json(&field.node))).collect(),
        ),
    }
}

/// The probe of a service of which all is known.
pub fn settled(draft: &Draft<'_>) -> Option<Probe> {
    let written = draft.probe.as_ref()?;
    let host = match &written.host {
        Some(host) => ProbeHost::At(host.clone()),
        None => container(draft, &written.at)?,
    };
    let hidden = sensitive::is_in(written.at.node);
    let mut probe = Probe { host, port: written.port, question: written.question.clone(), hidden };
    if probe.asks_for_image_tag() {
        has_tag(draft, &written.at)?;
        probe.hidden |= draft.at.value("image").is_some_and(|at| at.node.sensitive);
    }
    Some(probe)
}

/// Where the container itself is asked.
fn container(draft: &Draft<'_>, at: &At<'_>) -> Option<ProbeHost> {
    let host = match &draft.settings.network {
        Attachment::Networks(endpoints) => {
            endpoints.first().map(|first| ProbeHost::OnNetwork(first.network.clone()))
        }
        Attachment::Mode(mode) => match mode.as_str() {
            "host" => Some(ProbeHost::At("127.0.0.1".to_owned())),
            "bridge" => Some(ProbeHost::OnNetwork(NetworkName::new(mode))),
            _ => None,
        },
    };
    if host.is_none() {
        let problem = at.trouble("contradiction", "the container has no address of its own");
        let hint =
            "say who is asked: `http://127.0.0.1:8080/health`, with a port that is published";
        at.report(problem.at(at.key_place().clone()).hint(hint));
    }
    host
}

/// Which tag it is, is known when the image is pinned: it may be a newer one than is written.
fn has_tag(draft: &Draft<'_>, at: &At<'_>) -> Option<()> {
    let (image, ..) = draft.image.as_ref()?;
    if image.tag().is_none() && image.digest().is_some() {
        let message =
            format!("`{IMAGE_TAG}` is the tag of the image, and this one is named without");
        let problem = at.trouble("wrong-value", message).at(at.key_place().clone());
        at.report(
            problem.hint("write the tag before the digest: `image: repository:tag@sha256:…`"),
        );
        return None;
    }
    Some(())
}
