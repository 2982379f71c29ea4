//! The account page at `/`, the operator's at `/admin`, and what they are made of. The files of
//! `web/` are compiled in; nothing builds them, and nothing is loaded from elsewhere.

use super::call::Call;
use super::problem::Error;
use super::route::{Endpoint, get};
use actix_web::HttpResponse;
use actix_web::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// What a page may do: run and show what this service serves, and call this service. No markup is
/// ever made of text (`require-trusted-types-for`), and no form goes anywhere by itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

struct File {
    kind: &'static str,
    content: Bytes,
    tag: String,
}

macro_rules! file {
    ($kind:expr, $name:literal) => {{
        static FILE: LazyLock<File> =
            LazyLock::new(|| File::new($kind, include_str!(concat!("../../web/", $name))));
        &*FILE
    }};
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let asset = |path, file: &'static File| get(path, async move |call| file.answer(&call));
    vec![
        get("/", async |call| account(&call).answer(&call)),
        asset("/admin", file!(HTML, "admin.html")),
        asset("/web/style.css", file!(CSS, "style.css")),
        asset("/web/controls.css", file!(CSS, "controls.css")),
        asset("/web/admin.css", file!(CSS, "admin.css")),
        asset("/web/session.js", file!(SCRIPT, "session.js")),
        asset("/web/page.js", file!(SCRIPT, "page.js")),
        asset("/web/step-up.js", file!(SCRIPT, "step-up.js")),
        asset("/web/account.js", file!(SCRIPT, "account.js")),
        asset("/web/admin.js", file!(SCRIPT, "admin.js")),
        asset("/web/icon.svg", file!("image/svg+xml", "icon.svg")),
    ]
}

/// The account page, with the way to an account where anybody may have one.
fn account(call: &Call) -> &'static File {
    const CLOSED: &str = r#"data-registration="closed""#;
    static OPEN: LazyLock<File> = LazyLock::new(|| {
        let page = include_str!("../../web/index.html");
        let open = page.replacen(CLOSED, r#"data-registration="open""#, 1);
        File::new(HTML, open)
    });
    if call.state.app.settings.open_registration {
        &OPEN
    } else {
        file!(HTML, "index.html")
    }
}

impl File {
    fn new(kind: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&content));
        Self {
            kind,
            content,
            tag: format!("\"{hash}\""),
        }
    }

    fn answer(&self, call: &Call) -> Result<HttpResponse, Error> {
        let known = call.header("if-none-match")?;
        let is_known = known.is_some_and(|known| known.contains(&self.tag));
        let mut answer = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        // Asked for again each time, so that no page meets the script of another version.
        answer
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::ETAG, self.tag.as_str()))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"));
        Ok(if is_known {
            answer.finish()
        } else {
            answer
                .insert_header((header::CONTENT_TYPE, self.kind))
                .body(self.content.clone())
        })
    }
}
