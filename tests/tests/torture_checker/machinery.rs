//! What the run itself stands on: the prober ends when it is told to, and faults strike somebody.

use crate::aim::some_lines;
use crate::history::Target;
use crate::probe::{self, Order, Prober};
use fastrand::Rng;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// Whoever still holds a sender, and whatever was ordered before and after.
#[test]
fn the_prober_ends_wherever_the_order_lies_in_its_queue() {
    for before in [0, 1, 2, 100] {
        let (orders, received) = mpsc::channel();
        for _ in 0..before {
            orders.send(Order::Hot(Target::Everyone)).unwrap();
        }
        orders.send(Order::End).unwrap();
        orders.send(Order::Hot(Target::Everyone)).unwrap();
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            Prober::new(Instant::now(), Arc::default(), LONG_ENOUGH).run(&received);
            ended.send(()).unwrap();
        });
        let end = end.recv_timeout(LONG_ENOUGH);
        assert!(end.is_ok(), "it goes on after {before} other orders");
        drop(orders);
    }
}

#[tokio::test]
async fn its_end_is_waited_for_and_tells_what_was_written() {
    let probe = probe::start(Instant::now(), Arc::default(), LONG_ENOUGH);
    let held = probe.orders();
    held.send(Order::Hot(Target::Everyone)).unwrap();
    assert!(probe.ends().await.verdicts.is_empty());
}

/// Two verifiers go straight, five have lines to the bus and to a replica, and one to a replica.
const LINES: [usize; 8] = [0, 0, 2, 2, 2, 2, 2, 1];

#[test]
fn a_fault_on_lines_strikes_at_least_one_feed() {
    let mut counts = [[0_u32; 2]; LINES.len()];
    for seed in 0..2_000 {
        let struck = some_lines(&LINES, &mut Rng::with_seed(seed));
        assert!(struck.iter().any(|(_, line)| *line == 0), "seed {seed}");
        for (way, line) in struck {
            counts[way][line] += 1;
        }
    }
    for (way, lines) in LINES.into_iter().enumerate() {
        let often = counts[way].map(|count| count > 100);
        assert_eq!(often, [lines > 0, lines > 1], "{way}");
    }
    assert_eq!(some_lines(&[0, 0], &mut Rng::new()), []);
}
