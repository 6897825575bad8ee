//! What git may ask of this host: the operator's word on what a manifest says.
//!
//! Who can push to a repository must not thereby own the server. [`check`] goes through a stack that was read in
//! full and tells everything in it that a rule is about. Nothing here reads a file, a disk or a clock: where
//! something stands and where a path leads is asked for ([`Places`], [`Disk`]), and today is an argument.
//!
//! The structs of the model are taken apart field by field, without a `..`: a new key of the vocabulary does not
//! compile until somebody has decided here which rule it falls under, or why it is harmless. What was decided:
//!
//! | what a manifest says | rule, or why there is none |
//! |---|---|
//! | `privileged`, of a service or of a hook | `privileged` |
//! | binds, and volumes that are binds in disguise | `docker_socket` and `host_binds`, each for itself |
//! | the stack's own directory, exported files of git, written secrets | none, unless a symbolic link leads out |
//! | propagation `shared` and `rshared` | `host_binds`: what is mounted in the container is mounted on the host |
//! | `selinux`, `recursive`, `create_host_path` | none: they reach no further than the bind itself |
//! | volumes of another driver, file system or machine | `host_binds` |
//! | `volumes_from`, `network_mode`, `pid`, `ipc` of a service | what that service has is asked for by this one too |
//! | the same of a container by its name | `host_binds`, `host_namespaces`: it may be anybody's |
//! | named volumes of others, external or by `name` | `external`: who made them has decided what is in them |
//! | `host` as `network_mode`, `pid`, `ipc`, `uts`, `userns_mode`, `cgroup`; the engine's network `host` | `host_namespaces` |
//! | drivers of networks but `bridge`, public subnets, options that reach the host | `networks` |
//! | `cap_add` beyond Docker's own set | `cap_add` |
//! | `devices`, `gpus`, reservations, `device_cgroup_rules` | `devices` |
//! | `security_opt` but `no-new-privileges` and the engine's own profiles | `security_opt` |
//! | `runtime`, `annotations` | `runtime` |
//! | `sysctls`, those of an endpoint too | `sysctls`: the engine takes none beyond the container's namespaces |
//! | `cgroup_parent` | `cgroup_parent` |
//! | `ports` | `ports` |
//! | `extra_hosts` | `extra_hosts`, where it is the metadata address of a cloud |
//! | `x-evenkeel.probe` of another host | `extra_hosts`: evenkeel asks from the host, and tells what is answered |
//! | `logging` | `logging`, but the drivers that keep it on this host; to a socket of the host: as a bind of it |
//! | `env_file`, `label_file`, secrets, configs and profiles by an absolute path | `env_files` |
//! | `image`, images that are mounted | `registries`, `latest`, `digest` |
//! | `healthcheck`, limits | `healthcheck`, `limits` |
//! | `environment` | `literal_secrets` |
//! | `user`, `group_add` | none: an id counts on the host only for what is mounted, which has its rules |
//! | `ulimits`, `oom_…`, `shm_size`, CPU and block limits, `storage_opt`, replicas | none: they can starve the host and take nothing of it; memory has `limits` |
//! | `dns`, `hostname`, `links`, addresses and names on a network, `expose` | none: they count in the container's own network |
//! | labels | none: nobody here acts on them; a program that does (a proxy, a scheduler) has to hold to its own rules |
//! | `command`, `entrypoint`, `working_dir`, hooks, `init`, `tty`, `tmpfs`, `read_only`, `cap_drop`, `stop_…`, `restart` | none: they say what is done inside |
//! | `depends_on`, rollouts, updates, stamps, windows | none: evenkeel's own work, on the stack's own containers |

mod check;
mod finding;
mod matching;
mod paths;
mod rule;
mod seams;
mod survey;
mod words;

pub use check::check;
pub use finding::{Finding, Judged, exception, scalar};
pub use matching::{By, Value, glob};
pub use paths::{Seen, clean};
pub use rule::{Level, Preset, Rule, Values};
pub use seams::{Disk, Host, HostFile, Places, Spot, Spotted, Variable};
pub use survey::{NoLonger, Survey};
pub use words::{Exception, Policy, Setting};
