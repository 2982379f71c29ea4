//! Progress of what may take long: on stderr, and only where that is a terminal.

use crate::store::MigrationStep;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Of work on each event of the log.
pub(super) fn events(total: u64) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} events  {per_sec}  {eta}";
    bar(total, ProgressDrawTarget::stderr(), template)
}

/// Of migrations, whose length nobody knows: [`show_step`] tells how many there are, and which is under way.
/// Before the first there is nothing to see, and perhaps there is none.
pub(super) fn migrations() -> ProgressBar {
    let template = "{bar:40} {pos}/{len} migrations  {msg}  {elapsed}";
    bar(0, ProgressDrawTarget::hidden(), template)
}

/// Shows on [`migrations`] what begins now.
pub(super) fn show_step(bar: &ProgressBar, step: MigrationStep) {
    if bar.length() == Some(0) {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    bar.set_length(step.of);
    bar.set_position(step.done);
    bar.set_message(step.name);
}

/// From the beginning where `target` says, for it draws as soon as it ticks.
fn bar(total: u64, target: ProgressDrawTarget, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_with_its_name_and_how_many_there_are() {
        let bar = migrations();
        let (done, of, name) = (1, 4, "login tries".to_owned());
        show_step(&bar, MigrationStep { done, of, name });
        let shown = (bar.position(), bar.length(), bar.message());
        assert_eq!(shown, (1, Some(4), "login tries".to_owned()));
    }
}
