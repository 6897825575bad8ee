//! Reads an answer with words that bollard does not know.
//!
//! Its enumerations have no catch-all: one new state of one container in a newer engine would make the
//! whole answer unreadable. Here the unknown words are taken out and the rest is read again.

use bollard::errors::Error;
use bollard::models::{
    ContainerStateStatusEnum, ContainerSummaryStateEnum, HealthStatusEnum,
    HostConfigCgroupnsModeEnum, HostConfigIsolationEnum, MountBindOptionsPropagationEnum,
    MountType, PortSummaryTypeEnum, RestartPolicyNameEnum,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// `answer`, or what can be read of it.
pub(super) fn rescue<T: DeserializeOwned>(answer: Result<T, Error>) -> Result<T, Error> {
    let Err(Error::JsonDataError { message, contents, column }) = answer else { return answer };
    match serde_json::from_str::<Value>(&contents).map(without_unknown_words) {
        Ok(Ok(readable)) => {
            tracing::debug!(%message, "the engine uses words this program does not know");
            Ok(readable)
        }
        Ok(Err(_)) | Err(_) => Err(Error::JsonDataError { message, contents, column }),
    }
}

fn without_unknown_words<T: DeserializeOwned>(mut answer: Value) -> serde_json::Result<T> {
    match answer.as_array_mut() {
        Some(summaries) => summaries.iter_mut().for_each(clean_summary),
        None => clean_inspected(&mut answer),
    }
    serde_json::from_value(answer)
}

fn clean_summary(summary: &mut Value) {
    keep_known::<ContainerSummaryStateEnum>(summary.pointer_mut(""), "State");
    keep_known::<HealthStatusEnum>(summary.pointer_mut("/Health"), "Status");
    for port in items(summary.pointer_mut("/Ports")) {
        keep_known::<PortSummaryTypeEnum>(Some(port), "Type");
    }
}

fn clean_inspected(inspected: &mut Value) {
    keep_known::<ContainerStateStatusEnum>(inspected.pointer_mut("/State"), "Status");
    keep_known::<HealthStatusEnum>(inspected.pointer_mut("/State/Health"), "Status");
    keep_known::<HostConfigCgroupnsModeEnum>(inspected.pointer_mut("/HostConfig"), "CgroupnsMode");
    keep_known::<HostConfigIsolationEnum>(inspected.pointer_mut("/HostConfig"), "Isolation");
    keep_known::<RestartPolicyNameEnum>(inspected.pointer_mut("/HostConfig/RestartPolicy"), "Name");
    for mount in items(inspected.pointer_mut("/HostConfig/Mounts")) {
        keep_known::<MountType>(Some(mount), "Type");
        let options = mount.get_mut("BindOptions");
        keep_known::<MountBindOptionsPropagationEnum>(options, "Propagation");
    }
}

fn keep_known<T: DeserializeOwned>(object: Option<&mut Value>, key: &str) {
    let Some(object) = object.and_then(Value::as_object_mut) else { return };
    let unknown = object
        .get(key)
        .is_some_and(|word| !word.is_null() && serde_json::from_value::<T>(word.clone()).is_err());
    if unknown {
        object.insert(key.to_owned(), Value::Null);
    }
}

fn items(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}
