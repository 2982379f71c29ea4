//! Revocations as they lie in the log, many in one row: their columns come as arrays, for a row of
//! each costs more than all else of it.

use super::{Excerpt, Result, rows};
use crate::store::Error;
use crate::store::rows::RevocationColumns;
use revocation_events::{Position, Revocation};
use sqlx::{FromRow, PgExecutor};

/// One row, as [`RevocationArrays`] reads it: of the revocations in `($after, $to]` the first `$limit`.
/// Each is SQL. An aggregate takes a sorted subquery in its order as long as nothing is joined with it
/// (PostgreSQL, section 9.21), and that it did is looked at afterwards.
macro_rules! revocation_arrays {
    ($after:literal, $to:literal, $limit:literal) => {
        concat!(
            "(select array_agg(o.position) as positions, array_agg(o.kind) as kinds, \
                     array_agg(o.subject) as subjects \
              from (select v.position, v.kind, v.subject from revocation v \
                    where v.position > ",
            $after,
            " and v.position <= ",
            $to,
            " order by v.position limit ",
            $limit,
            ") o)"
        )
    };
}

pub(super) use revocation_arrays;

/// Nothing where there is no revocation.
#[derive(FromRow)]
pub(super) struct RevocationArrays {
    positions: Option<Vec<i64>>,
    kinds: Option<Vec<String>>,
    subjects: Option<Vec<String>>,
}

impl RevocationArrays {
    pub(super) fn revocations(self) -> Result<Vec<Revocation>> {
        let positions = self.positions.unwrap_or_default();
        let kinds = self.kinds.unwrap_or_default();
        let subjects = self.subjects.unwrap_or_default();
        if [kinds.len(), subjects.len()] != [positions.len(); 2] {
            return Err(Error::Corrupt("half of a revocation".to_owned()));
        }
        let columns = positions.into_iter().zip(kinds).zip(subjects);
        let revoked: Vec<Revocation> = columns
            .map(|((position, kind), subject)| {
                let columns = RevocationColumns {
                    position,
                    kind,
                    subject,
                };
                columns.try_into()
            })
            .collect::<Result<_>>()?;
        // What is cut out of order would be a page that lies.
        if revoked.is_sorted_by(|one, next| one.position < next.position) {
            Ok(revoked)
        } else {
            Err(Error::Corrupt("revocations out of order".to_owned()))
        }
    }
}

pub(super) fn no_head() -> Error {
    Error::Corrupt("no head".to_owned())
}

const READ: &str = concat!(
    "select h.position as head, h.pruned, r.* from log_head h cross join lateral ",
    revocation_arrays!("$1", "$2", "$3"),
    " r"
);

#[derive(FromRow)]
struct ExcerptColumns {
    head: i64,
    pruned: i64,
    #[sqlx(flatten)]
    revoked: RevocationArrays,
}

pub(super) async fn read(
    db: impl PgExecutor<'_>,
    after: Position,
    to: Position,
    limit: u32,
) -> Result<Excerpt> {
    let read = sqlx::query_as::<_, ExcerptColumns>(READ)
        .bind(i64::from(after))
        .bind(i64::from(to))
        .bind(i64::from(limit));
    let columns = read.fetch_optional(db).await?.ok_or_else(no_head)?;
    Ok(Excerpt {
        head: rows::position(columns.head)?,
        pruned: rows::position(columns.pruned)?,
        revoked: columns.revoked.revocations()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrays(positions: &[i64]) -> RevocationArrays {
        let texts = |text: &str| Some(vec![text.to_owned(); positions.len()]);
        RevocationArrays {
            positions: Some(positions.to_vec()),
            kinds: texts("everyone"),
            subjects: texts(""),
        }
    }

    #[test]
    fn what_comes_out_of_order_is_no_excerpt() {
        assert_eq!(arrays(&[1, 2, 3]).revocations().unwrap().len(), 3);
        for positions in [[1, 3, 2], [2, 2, 3]] {
            let read = arrays(&positions).revocations();
            assert!(matches!(read, Err(Error::Corrupt(_))), "{positions:?}");
        }
    }

    #[test]
    fn no_revocation_goes_missing_for_half_of_it_is() {
        for cut in [
            |arrays: &mut RevocationArrays| arrays.kinds = None,
            |arrays: &mut RevocationArrays| arrays.subjects.as_mut().unwrap().truncate(1),
        ] {
            let mut arrays = arrays(&[1, 2]);
            cut(&mut arrays);
            let read = arrays.revocations();
            assert!(matches!(read, Err(Error::Corrupt(_))));
        }
    }
}
