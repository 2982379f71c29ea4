//! Ten times as much as the other modules measure, of what a machine with 24 GiB can hold: where the
//! curves go on to. It takes a quarter of an hour, and is measured only where it is asked for.

use crate::table::Table;
use crate::{catch_up, million, refresh, revoked_set, verify};

pub(crate) const NAME: &str = "large";

pub(crate) async fn measure(table: &mut Table) {
    verify::measure_large(table);
    revoked_set::measure_large(table);
    catch_up::measure_large(table).await;
    refresh::measure_large(table).await;
    million::measure_large(table).await;
}
