//! `evenkeel.pin/v1`: an image that was written into a checkout.

use serde::Serialize;

use crate::model::{ImageRef, ServiceId};

/// An image that was written into a checkout, or was there already.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PinReport {
    /// `evenkeel.pin/v1`
    pub schema: &'static str,
    /// The stack.
    pub stack: String,
    /// Its service.
    pub service: String,
    /// Whether a file was changed, here or in the commit that was pushed.
    pub changed: bool,
    /// The image that was written there before; `null` where nothing was changed.
    pub from: Option<String>,
    /// The image that is written there now.
    pub to: String,
    /// The files that were changed.
    pub files: Vec<String>,
    /// The commit; `null` where nothing was committed.
    pub commit: Option<String>,
    /// Where it was pushed to (`origin/main`); `null` where nothing was pushed.
    pub pushed_to: Option<String>,
    /// Whether the checkout has the change. If not, others have pushed before, and it has to be pulled.
    pub here: bool,
}

/// `image` of `service` as it was found: nothing is changed yet.
pub fn pin(service: &ServiceId, image: &ImageRef) -> PinReport {
    PinReport {
        schema: "evenkeel.pin/v1",
        stack: service.stack.to_string(),
        service: service.service.to_string(),
        changed: false,
        from: None,
        to: image.to_string(),
        files: Vec::new(),
        commit: None,
        pushed_to: None,
        here: true,
    }
}
