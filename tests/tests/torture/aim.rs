//! Whom a fault on the verifiers' lines strikes.

use fastrand::Rng;

/// Of verifiers behind lines a third, and always one; of each both lines, or either. Every verifier
/// has `lines` of them, the one that its feed comes by first; the answer has the place of the
/// verifier, and of the line.
///
/// The one that is always struck loses its feed, and not only its way around it.
pub(crate) fn some_lines(lines: &[usize], rng: &mut Rng) -> Vec<(usize, usize)> {
    let behind: Vec<usize> = (0..lines.len()).filter(|way| lines[*way] > 0).collect();
    let Some(always) = rng.choice(behind.iter().copied()) else {
        return Vec::new();
    };
    let mut struck = Vec::new();
    for way in behind {
        if way != always && rng.u32(..3) > 0 {
            continue;
        }
        let only = rng.usize(..4);
        for line in 0..lines[way] {
            let its_feed = line == 0 && (way == always || lines[way] == 1);
            if only >= 2 || only == line || its_feed {
                struck.push((way, line));
            }
        }
    }
    struck
}
