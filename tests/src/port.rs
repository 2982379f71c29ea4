//! Ports for servers that are restarted in place.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the kernel takes the near ends of connections (32768 and up on
/// Linux): while a server is down, no connection can come to sit on its port.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// Test processes that run at once have neighbouring ids and so blocks of their own.
const BLOCK: u32 = 50;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 on which nobody listens, given once per process.
///
/// # Panics
/// When there is none left.
#[must_use]
pub fn free() -> u16 {
    let start = std::process::id().wrapping_mul(BLOCK) % COUNT;
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap_or_else(|| panic!("no port between {FIRST} and {} is free", FIRST + COUNT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_can_be_listened_on() {
        let (one, other) = (free(), free());
        assert_ne!(one, other);
        TcpListener::bind((Ipv4Addr::LOCALHOST, one)).unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, other)).unwrap();
    }
}
