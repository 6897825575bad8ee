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
    match &mut answer {
        Value::Array(summaries) => summaries.iter_mut().for_each(clean_summary),
        inspected => clean_inspected(inspected),
    }
    serde_json::from_value(answer)
}

fn clean_summary(summary: &mut Value) {
    keep_known::<ContainerSummaryStateEnum>(summary, "State");
    keep_known::<HealthStatusEnum>(&mut summary["Health"], "Status");
    for port in items(&mut summary["Ports"]) {
        keep_known::<PortSummaryTypeEnum>(port, "Type");
    }
}

fn clean_inspected(inspected: &mut Value) {
    keep_known::<ContainerStateStatusEnum>(&mut inspected["State"], "Status");
    keep_known::<HealthStatusEnum>(&mut inspected["State"]["Health"], "Status");
    let host = &mut inspected["HostConfig"];
    keep_known::<HostConfigCgroupnsModeEnum>(host, "CgroupnsMode");
    keep_known::<HostConfigIsolationEnum>(host, "Isolation");
    keep_known::<RestartPolicyNameEnum>(&mut host["RestartPolicy"], "Name");
    for mount in items(&mut host["Mounts"]) {
        keep_known::<MountType>(mount, "Type");
        keep_known::<MountBindOptionsPropagationEnum>(&mut mount["BindOptions"], "Propagation");
    }
}

fn keep_known<T: DeserializeOwned>(object: &mut Value, key: &str) {
    let Some(object) = object.as_object_mut() else { return };
    let unknown = object
        .get(key)
        .is_some_and(|word| !word.is_null() && serde_json::from_value::<T>(word.clone()).is_err());
    if unknown {
        object.remove(key);
    }
}

fn items(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}
