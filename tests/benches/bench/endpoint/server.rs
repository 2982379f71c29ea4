//! The services: the same endpoint, each behind another check, written as their guides say. What is
//! looked up by a number has the token's hash in its place, as whoever stores tokens should.

use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionExt as _, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::dev::{Server, Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpMessage as _, HttpRequest, HttpResponse, HttpServer};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use revocation_events::UserId;
use serde::Deserialize;
use std::collections::HashMap;
use std::hint::black_box;
use std::net::TcpListener;
use uuid::Uuid;
use verifier_sdk::Verifier;
use verifier_sdk::actix::Protect;

/// The first argument of such a process; the check and its settings follow.
pub(super) const ROLE: &str = "--serve-endpoint";

/// The line that says where it listens.
pub(super) const LISTENING: &str = "the endpoint listens on ";

/// As long as the id of a user.
const SOMEBODY: &str = "00000000-0000-7000-8000-000000000000";

/// Serves until it is ended, where this process is such a one.
pub(crate) fn asked() -> bool {
    let mut args = std::env::args().skip(1);
    if args.next().is_none_or(|role| role != ROLE) {
        return false;
    }
    let check = args.next().unwrap();
    let settings: Vec<_> = args.collect();
    actix_web::rt::System::new()
        .block_on(serve(&check, &settings))
        .unwrap();
    true
}

async fn serve(check: &str, settings: &[String]) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let server = match (check, settings) {
        ("none", []) => app(listener, || {
            App::new().service(web::resource("/").to(unchecked))
        })?,
        ("wrapped", []) => app(listener, || {
            App::new().service(web::resource("/").wrap_fn(unasked).to(told))
        })?,
        ("sdk", [issuer, client, secret]) => sdk(listener, issuer, client, secret).await?,
        ("jwt", [keys, issuer]) => jwt(listener, keys, issuer)?,
        ("redis", [url]) => redis(listener, url).await?,
        ("postgres", [url]) => postgres(listener, url).await?,
        ("introspection", [url]) => introspection(listener, url)?,
        ("issuer", []) => app(listener, || {
            App::new().route("/introspect", web::post().to(answer))
        })?,
        _ => panic!("no such check: {check} {settings:?}"),
    };
    println!("{LISTENING}{address}");
    server.await
}

fn app<T, F>(listener: TcpListener, factory: F) -> std::io::Result<Server>
where
    F: Fn() -> App<T> + Send + Clone + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse,
            Error = Error,
            InitError = (),
        > + 'static,
{
    Ok(HttpServer::new(factory).workers(1).listen(listener)?.run())
}

/// As [`whose`], of a user that nobody has asked for.
async fn unchecked() -> String {
    black_box(UserId::new(Uuid::nil())).to_string()
}

/// All that [`Protect`] does of a good request beside its verdict: the handler is told who it is, and the
/// answer is not to be kept.
fn unasked<S>(request: ServiceRequest, inner: &S) -> impl Future<Output = Answered> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    request.extensions_mut().insert(UserId::new(Uuid::nil()));
    let answer = inner.call(request);
    async {
        let mut answer = answer.await?;
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }
}

type Answered = Result<ServiceResponse, Error>;

async fn told(user: web::ReqData<UserId>) -> String {
    user.to_string()
}

async fn sdk(
    listener: TcpListener,
    issuer: &str,
    client: &str,
    secret: &str,
) -> std::io::Result<Server> {
    let verifier = Verifier::builder(issuer, "api")
        .service(client)
        .client(client, secret)
        .start()
        .await
        .unwrap();
    let protect = Protect::new(verifier);
    let protected = move || {
        let resource = web::resource("/").wrap(protect.clone());
        App::new().service(resource.to(whose))
    };
    app(listener, protected)
}

async fn whose(session: verifier_sdk::Session) -> String {
    session.user_id().to_string()
}

/// Any of the keys may sign, and the next one is published before it does.
struct Jwt(HashMap<String, DecodingKey>, Validation);

#[derive(Deserialize)]
struct Subject {
    sub: String,
}

fn jwt(listener: TcpListener, keys: &str, issuer: &str) -> std::io::Result<Server> {
    let keys: JwkSet = serde_json::from_str(keys).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&["api"]);
    let named = keys.keys.iter().map(|key| {
        let name = key.common.key_id.clone().unwrap();
        (name, DecodingKey::from_jwk(key).unwrap())
    });
    let jwt = Data::new(Jwt(named.collect(), validation));
    app(listener, move || {
        App::new()
            .app_data(jwt.clone())
            .route("/", web::get().to(decoded))
    })
}

async fn decoded(request: HttpRequest, jwt: Data<Jwt>) -> HttpResponse {
    let subject = bearer(&request).and_then(|token| {
        let key = jwt.0.get(&jsonwebtoken::decode_header(token).ok()?.kid?)?;
        let token = jsonwebtoken::decode::<Subject>(token, key, &jwt.1).ok()?;
        Some(token.claims.sub)
    });
    subject.map_or_else(refused, |subject| HttpResponse::Ok().body(subject))
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    header.strip_prefix("Bearer ")
}

fn refused() -> HttpResponse {
    HttpResponse::Unauthorized().finish()
}

async fn redis(listener: TcpListener, url: &str) -> std::io::Result<Server> {
    let store = RedisSessionStore::new(url).await.unwrap();
    let key = Key::from(&[7; 64]);
    let server = HttpServer::new(move || {
        App::new()
            .wrap(SessionMiddleware::new(store.clone(), key.clone()))
            .route("/", web::get().to(remembered))
            .route("/login", web::post().to(remember))
    });
    Ok(server.workers(1).listen(listener)?.run())
}

async fn remember(session: Session) -> Result<&'static str, Error> {
    session.insert("user", SOMEBODY)?;
    Ok(SOMEBODY)
}

async fn remembered(request: HttpRequest) -> Result<HttpResponse, Error> {
    let user: Option<String> = request.get_session().get("user")?;
    Ok(user.map_or_else(refused, |user| HttpResponse::Ok().body(user)))
}

/// A table with a session for each of these tokens, and ten thousand others.
pub(super) async fn has_sessions(database: &str, tokens: &[String]) {
    let pool = sqlx::PgPool::connect(database).await.unwrap();
    for statement in [
        "create table bench_login (token text primary key, user_id text not null, \
         expires_at timestamptz not null)",
        "insert into bench_login select md5(n::text), n::text, now() + interval '1 day' \
         from generate_series(1, 10000) n",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let hashes: Vec<_> = tokens.iter().map(|token| hash(token)).collect();
    sqlx::query("insert into bench_login select t, $2, now() + interval '1 day' from unnest($1) t")
        .bind(hashes)
        .bind(SOMEBODY)
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("analyze bench_login")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}

/// What stands for a token: the last characters of its signature, so that no hash is paid for that an
/// opaque token would not need.
fn hash(token: &str) -> &str {
    &token[token.len() - 43..]
}

async fn postgres(listener: TcpListener, url: &str) -> std::io::Result<Server> {
    let pool = Data::new(sqlx::PgPool::connect(url).await.unwrap());
    app(listener, move || {
        App::new()
            .app_data(pool.clone())
            .route("/", web::get().to(looked_up))
    })
}

async fn looked_up(request: HttpRequest, pool: Data<sqlx::PgPool>) -> HttpResponse {
    const SQL: &str = "select user_id from bench_login where token = $1 and expires_at > now()";
    let Some(token) = bearer(&request) else {
        return refused();
    };
    let query = sqlx::query_scalar::<_, String>(SQL).bind(hash(token));
    let user = query.fetch_optional(&**pool).await.unwrap();
    user.map_or_else(refused, |user| HttpResponse::Ok().body(user))
}

struct Introspection(reqwest::Client, String);

#[derive(Deserialize)]
struct Introspected {
    active: bool,
    sub: String,
}

fn introspection(listener: TcpListener, url: &str) -> std::io::Result<Server> {
    let asked = Data::new(Introspection(reqwest::Client::new(), url.to_owned()));
    app(listener, move || {
        App::new()
            .app_data(asked.clone())
            .route("/", web::get().to(introspected))
    })
}

async fn introspected(request: HttpRequest, issuer: Data<Introspection>) -> HttpResponse {
    let Some(token) = bearer(&request) else {
        return refused();
    };
    let asked = issuer.0.post(&issuer.1).form(&[("token", token)]);
    let answer: Introspected = asked.send().await.unwrap().json().await.unwrap();
    if answer.active {
        HttpResponse::Ok().body(answer.sub)
    } else {
        refused()
    }
}

/// The issuer's side: it believes everybody, so that nothing but the way to it is counted.
async fn answer(form: web::Form<HashMap<String, String>>) -> HttpResponse {
    let active = form.contains_key("token");
    HttpResponse::Ok().json(serde_json::json!({ "active": active, "sub": SOMEBODY }))
}
