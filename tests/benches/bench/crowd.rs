//! As many live sessions as are wanted, put straight into the database: logging them in would take a
//! password's hash each.

use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tests::User;
use tests::session_api::SessionApi;

use crate::load::{Connection, address, request};

const PASSWORD: &str = "correct horse battery staple";

/// `$1` sessions: the first `$2` of the user `$3`, and ten of each of many others. Their ids are in
/// the order of their making, as those of version 7 are. Where anything was revoked, up to a hundred
/// thousand others were just before.
const FILL: &str = "
    set session_replication_role = replica;
    create temporary table n as
        select n, (lpad(to_hex(ms - $1 + n), 12, '0') || '7'
                   || lpad(to_hex((random() * 4095)::int), 3, '0') || '8'
                   || substr(md5(random()::text), 1, 15))::uuid as id, ms
        from generate_series(1, $1) n,
             (select floor(extract(epoch from now()) * 1000)::bigint as ms) clock;
    create temporary table owner as select n as of, gen_random_uuid() as id
        from generate_series(0, $1 / 10) n;
    insert into users (id, name, password_hash, version, roles, disabled, cut_off, token_cut_off,
                       created_at)
        select id, 'crowd-' || of, '', 1, '[]', false, 0, 0, 0 from owner;
    insert into event (stream, version, kind, format, at, data)
        select id, 1, 'session.opened', 1, ms, '{}' from n;
    insert into revocation (position, at, kind, subject)
        select (select position from log_head) - 100000 + n, ms - 1000, 'session', gen_random_uuid()
        from n where n < 100000 and (select position from log_head) > 0;
    insert into session (id, version, user_id, delivery, since, opened_at, generation, rotated_at,
                         expires_at, ends_at)
        select n.id, 1, case when n.n <= $2 then '$3'::uuid else owner.id end, 'body',
               (select position from log_head), ms, 1, ms,
               ms + 7 * 86400000::bigint, ms + 30 * 86400000::bigint
        from n join owner on owner.of = n.n / 10;
    insert into session_client (session_id, user_id, ip, user_agent, created_at)
        select id, user_id, '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0', opened_at
        from session join n using (id) where user_id = '$3' or n.n % 10 = 0;
    set session_replication_role = origin";

/// Fills the database with `many` live sessions, `of_owner` of them of `owner`.
pub(crate) async fn fill(database: &str, many: usize, owner: &str, of_owner: usize) {
    let sql = FILL
        .replace("$1", &many.to_string())
        .replace("$2", &of_owner.to_string())
        .replace("$3", owner);
    let mut raw = raw(database).await;
    let filled = raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)));
    filled.await.unwrap();
    // What Postgres would do in the background while others are measured.
    for statement in ["vacuum analyze", "checkpoint"] {
        raw.execute(statement).await.unwrap();
    }
}

pub(crate) async fn raw(database: &str) -> PgConnection {
    PgConnection::connect(database).await.unwrap()
}

/// Adds a user; its id.
pub(crate) async fn add_user(service: &SessionApi, database: &str, name: &str) -> String {
    service.has_user(name, PASSWORD, None).await;
    let id = sqlx::query_scalar("select id::text from users where name = $1").bind(name);
    id.fetch_one(&mut raw(database).await).await.unwrap()
}

/// An operator who has just logged in.
pub(crate) struct Operator {
    user: User,
    bearer: String,
    url: String,
}

impl Operator {
    pub(crate) async fn log_in(service: &SessionApi) -> Self {
        let mut operator = Self {
            user: User::on_phone(service, "root", PASSWORD),
            bearer: String::new(),
            url: service.url().to_owned(),
        };
        operator.again().await;
        operator
    }

    /// Adds the account that all of them share.
    pub(crate) async fn exists(service: &SessionApi) {
        service.has_user("root", PASSWORD, Some("admin")).await;
    }

    /// Logs in again: everyone was logged out.
    pub(crate) async fn again(&mut self) {
        self.user.logs_in().await;
        self.bearer = format!("Bearer {}", self.user.access_token());
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(address(&self.url)).await
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Vec<u8> {
        request(method, path, &[("Authorization", &self.bearer)], "")
    }

    /// What the service answers to a call that must go through.
    pub(crate) async fn calls(
        &self,
        connection: &mut Connection,
        method: &str,
        path: &str,
    ) -> Value {
        let reply = connection.ask(&self.request(method, path)).await;
        serde_json::from_str(reply.must_be(200).body).unwrap()
    }
}
