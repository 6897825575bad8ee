//! How a program that carries its C library with it looks names up.

/// Keeps the C library to what it has built in, `/etc/hosts` and DNS, whatever `/etc/nsswitch.conf` names.
///
/// For other services glibc loads a library of the host, and with it a second C library, which ends a static program
/// with a signal where the versions differ. Must be called before the first thread is started.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub fn keep_to_what_is_built_in() {
    use std::ffi::{CStr, c_char, c_int};

    #[expect(unsafe_code, reason = "glibc's own function, which no crate wraps")]
    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }
    let services: [(&CStr, &CStr); 3] =
        [(c"hosts", c"files dns"), (c"passwd", c"files"), (c"group", c"files")];
    for (database, services) in services {
        // Refuses only a database or a line that it cannot read.
        #[expect(unsafe_code, reason = "both are strings that live as long as the program")]
        let _ = unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
    }
}

/// A program that uses the host's C library looks names up as every other program there.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub fn keep_to_what_is_built_in() {}
