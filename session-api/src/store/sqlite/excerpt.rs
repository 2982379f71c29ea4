//! Revocations as they lie in the log.

use super::{Error, Excerpt, Result, rows};
use crate::store::rows::RevocationColumns;
use revocation_events::Position;
use sqlx::{FromRow, SqliteExecutor};

/// The row of the head comes also where there is no revocation.
const READ: &str = "select h.position as head, h.pruned, r.position, r.kind, r.subject \
                    from log_head h left join \
                    (select position, kind, subject from revocation \
                     where position > $1 and position <= $2 \
                     order by position limit $3) r on true \
                    order by r.position";

#[derive(FromRow)]
struct ExcerptColumns {
    head: i64,
    pruned: i64,
    position: Option<i64>,
    kind: Option<String>,
    subject: Option<String>,
}

impl ExcerptColumns {
    fn revocation(self) -> Option<RevocationColumns> {
        Some(RevocationColumns {
            position: self.position?,
            kind: self.kind?,
            subject: self.subject?,
        })
    }
}

pub(super) async fn read(
    db: impl SqliteExecutor<'_>,
    after: Position,
    to: Position,
    limit: u32,
) -> Result<Excerpt> {
    let read = sqlx::query_as::<_, ExcerptColumns>(READ)
        .bind(i64::from(after))
        .bind(i64::from(to))
        .bind(i64::from(limit));
    let columns = read.fetch_all(db).await?;
    let first = columns.first();
    let first = first.ok_or_else(|| Error::Corrupt("no head".to_owned()))?;
    Ok(Excerpt {
        head: rows::position(first.head)?,
        pruned: rows::position(first.pruned)?,
        revoked: columns
            .into_iter()
            .filter_map(ExcerptColumns::revocation)
            .map(RevocationColumns::try_into)
            .collect::<Result<_>>()?,
    })
}
