//! Names and ids as types, so that a service cannot be passed where a stack is meant.

use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a text that the caller has already checked.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// This server, as the configuration or the operating system names it.
    HostName
}
name! {
    /// A git repository, branch and path that this host follows.
    SourceName
}
name! {
    /// A Compose project.
    StackName
}
name! {
    /// A service, unique within its stack.
    ServiceName
}
name! {
    /// The name a container carries at the engine, without the leading slash.
    ContainerName
}
name! {
    /// The id the engine gave a container (64 hex digits).
    ContainerId
}
name! {
    /// The name a network carries at the engine (`<stack>_<key>` unless the manifest names it).
    NetworkName
}
name! {
    /// The id the engine gave a network.
    NetworkId
}
name! {
    /// The name a volume carries at the engine.
    VolumeName
}
name! {
    /// The engine's id of an image: the digest of its configuration, `sha256:…`.
    ImageId
}
name! {
    /// A git commit (40 hex digits), or what stands for one in a source that has none.
    CommitId
}
name! {
    /// The hash of everything that needs a new container when it changes.
    ///
    /// Written into the `evenkeel.spec` label as `<version>:<hash>`; this type holds that whole text.
    SpecHash
}

impl CommitId {
    /// The first seven characters, as git shows a commit to people.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl ContainerId {
    /// The first twelve characters, as Docker shows an id to people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// A service by its full name, `stack/service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// The stack it belongs to.
    pub stack: StackName,
    /// Its name within the stack.
    pub service: ServiceName,
}

impl ContainerName {
    /// The name of a service's replica, as Compose makes it.
    pub fn numbered(stack: &StackName, service: &ServiceName, number: u32) -> Self {
        Self::new(format!("{stack}-{service}-{number}"))
    }
}

impl ServiceId {
    /// Joins the two names.
    pub fn new(stack: &StackName, service: &ServiceName) -> Self {
        Self { stack: stack.clone(), service: service.clone() }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stack, self.service)
    }
}

/// The number of an attempt to change a stack: unique on a host and always growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationNumber(pub u64);

impl fmt::Display for GenerationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
