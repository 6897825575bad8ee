//! The rules by name: how strict each preset is, what the values of each are, and what it keeps off.

use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of a stack that asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It gets it.
    Allow,
    /// It gets it, and a remark says so.
    Warn,
    /// Nothing of the stack is changed as long as it asks for it.
    Deny,
}

/// How strict the rules are of which nothing else is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Nothing is denied: what `standard` denies is remarked.
    Open,
    /// What makes root of the host is denied.
    #[default]
    Standard,
    /// Every rule denies.
    Strict,
}

impl Preset {
    /// All of them, from lax to strict.
    pub const ALL: [Self; 3] = [Self::Open, Self::Standard, Self::Strict];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

impl Level {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// What an exception to a rule can be narrowed to, and what is listed as allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// A service either does it or does not.
    None,
    /// Paths on the host: a list allows what is below them too, an exception the path alone.
    Below,
    /// Paths on the host, each for itself.
    Paths,
    /// Words that have to be equal.
    Words,
    /// Capabilities, with or without `CAP_`.
    Capabilities,
    /// Ports: `443`, `8000-8999`, `127.0.0.1:5432/tcp`, `10.0.0.1:*`.
    Ports,
    /// Patterns: `*` within a part of a path, `**` across parts.
    Patterns,
}

macro_rules! rules {
    ($($name:ident, $word:literal, $code:literal, $standard:ident, $values:ident, $risk:literal;)+) => {
        /// One thing that a manifest can ask of a host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $risk] $name,)+
        }

        impl Rule {
            /// All of them, in the order in which they are told of.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As it is written in the configuration.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The code of the problem where it denies something.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What could come of it, in one line without a full stop.
            pub fn risk(self) -> &'static str {
                match self { $(Self::$name => $risk,)+ }
            }

            /// What its values are.
            pub fn values(self) -> Values {
                match self { $(Self::$name => Values::$values,)+ }
            }

            fn standard(self) -> Level {
                match self { $(Self::$name => Level::$standard,)+ }
            }
        }
    };
}

rules! {
    Privileged, "privileged", "policy-privileged", Deny, None,
        "a privileged container is root of the host";
    DockerSocket, "docker_socket", "policy-docker_socket", Deny, Paths,
        "whoever reaches the engine's socket can start a container that is root of the host";
    HostBinds, "host_binds", "policy-host_binds", Deny, Below,
        "what is mounted of the host can be read, and written to where the mount is not read-only";
    HostNamespaces, "host_namespaces", "policy-host_namespaces", Deny, Words,
        "in a namespace that is not its own, a container sees and reaches what others have there";
    CapAdd, "cap_add", "policy-cap_add", Deny, Capabilities,
        "a capability beyond Docker's own set can be enough to leave the container";
    Devices, "devices", "policy-devices", Deny, Paths,
        "a device of the host is used past all permissions of its files: a disk is all that is on it";
    SecurityOpt, "security_opt", "policy-security_opt", Deny, Words,
        "without its usual confinement a container has far more of the kernel to break out through";
    Runtime, "runtime", "policy-runtime", Deny, Words,
        "another runtime, or what it is told by annotations, decides what a container is confined by";
    CgroupParent, "cgroup_parent", "policy-cgroup_parent", Deny, Words,
        "in another control group the limits of that group count, or none";
    Networks, "networks", "policy-networks", Deny, Words,
        "such a network reaches into the host's own: its interfaces, its routes, its neighbours";
    ExtraHosts, "extra_hosts", "policy-extra_hosts", Deny, Words,
        "a cloud hands the credentials of a machine to whoever asks from there";
    EnvFiles, "env_files", "policy-env_files", Deny, Below,
        "a file of the server that is not meant for this stack gets into its containers";
    Latest, "latest", "policy-latest", Warn, None,
        "nobody can tell which version that is, nor go back to it";
    LiteralSecrets, "literal_secrets", "policy-literal_secrets", Warn, Words,
        "whoever can read the repository, now or later, knows it";
    Sysctls, "sysctls", "policy-sysctls", Allow, Patterns,
        "a parameter of the kernel is set otherwise than the host has it";
    Ports, "ports", "policy-ports", Allow, Ports,
        "a published port is reached from outside, past most firewalls of the host";
    Logging, "logging", "policy-logging", Warn, Words,
        "the engine itself carries what the container says to an address that the manifest names";
    External, "external", "policy-external", Allow, Words,
        "what others have made is read and written to, or spoken with";
    Registries, "registries", "policy-registries", Allow, Patterns,
        "whoever owns the image decides what runs on this host";
    Digest, "digest", "policy-digest", Allow, None,
        "what a tag points at can be changed by whoever owns the repository at the registry";
    Healthcheck, "healthcheck", "policy-healthcheck", Allow, None,
        "without a check a release that does not work counts as good as soon as it runs";
    Limits, "limits", "policy-limits", Allow, None,
        "a service that takes all memory takes it from everything else on the host";
}

impl Rule {
    /// The rule of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.word() == word)
    }

    /// What a preset makes of it.
    pub fn level(self, preset: Preset) -> Level {
        match preset {
            Preset::Open => self.standard().min(Level::Warn),
            Preset::Standard => self.standard(),
            Preset::Strict => Level::Deny,
        }
    }

    /// Whether exceptions to it can be narrowed to values.
    pub fn has_values(self) -> bool {
        self.values() != Values::None
    }

    /// Whether `required` is another word for `deny`: the rule asks for something to be there.
    pub fn is_demand(self) -> bool {
        matches!(self, Self::Digest | Self::Healthcheck | Self::Limits)
    }
}
