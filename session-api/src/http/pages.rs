//! The account page at `/`, the operator's at `/admin`, the reference at `/docs`, and what they are
//! made of. The files of `web/` are compiled in; nothing builds them, and nothing is loaded from
//! elsewhere.

use super::call::Call;
use super::document;
use super::endpoint::{Endpoint, Undescribed, get};
use super::handler::{Answer, Header, Success};
use super::parameter::Parameter;
use super::problem::Error;
use super::schemas::Schemas;
use super::security::Credential::Nothing;
use actix_web::HttpResponse;
use actix_web::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use schemars::Schema;
use sha2::{Digest as _, Sha256};
use std::marker::PhantomData;
use std::sync::LazyLock;

/// What a page may do: run and show what this service serves, and call this service. No markup is
/// ever made of text (`require-trusted-types-for`), and no form goes anywhere by itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// A type of file.
pub(super) trait Kind: 'static {
    const TYPE: &'static str;
    /// Whether it is a page, or a part of one.
    const PAGE: bool = true;
}

pub(super) struct Html;
pub(super) struct Css;
pub(super) struct Script;
pub(super) struct Picture;

impl Kind for Html {
    const TYPE: &'static str = "text/html; charset=utf-8";
}

impl Kind for Css {
    const TYPE: &'static str = "text/css; charset=utf-8";
}

impl Kind for Script {
    const TYPE: &'static str = "text/javascript; charset=utf-8";
}

impl Kind for Picture {
    const TYPE: &'static str = "image/svg+xml";
}

/// A file as it is served.
pub(super) struct File<K> {
    content: Bytes,
    tag: String,
    of: PhantomData<fn() -> K>,
}

macro_rules! file {
    ($kind:ty, $name:literal) => {{
        static FILE: LazyLock<File<$kind>> =
            LazyLock::new(|| File::new(include_str!(concat!("../../web/", $name))));
        &*FILE
    }};
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let account = get("/", async |call: Call| account(&call).answer(&call));
    let document = get("/openapi.json", async |call: Call| {
        document::of(&call.state).answer(&call)
    });
    vec![
        described(account, "The account page"),
        page("/admin", "The operator's page", file!(Html, "admin.html")),
        page("/docs", "The reference", file!(Html, "docs.html")),
        described(document, "This document"),
        part("/web/style.css", file!(Css, "style.css")),
        part("/web/controls.css", file!(Css, "controls.css")),
        part("/web/admin.css", file!(Css, "admin.css")),
        part("/web/docs.css", file!(Css, "docs.css")),
        part("/web/session.js", file!(Script, "session.js")),
        part("/web/page.js", file!(Script, "page.js")),
        part("/web/step-up.js", file!(Script, "step-up.js")),
        part("/web/account.js", file!(Script, "account.js")),
        part("/web/admin.js", file!(Script, "admin.js")),
        part("/web/docs.js", file!(Script, "docs.js")),
        part("/web/icon.svg", file!(Picture, "icon.svg")),
    ]
}

fn page<K: Kind>(path: &'static str, what: &'static str, file: &'static File<K>) -> Endpoint {
    described(get(path, async move |call: Call| file.answer(&call)), what)
}

fn part<K: Kind>(path: &'static str, file: &'static File<K>) -> Endpoint {
    page(path, path.trim_start_matches("/web/"), file)
}

fn described(file: Undescribed, what: &'static str) -> Endpoint {
    file.says(Nothing, what, "The same for everybody, and compiled in.")
        .header(&IF_NONE_MATCH)
        .asks_nobody()
}

const IF_NONE_MATCH: Parameter<String> =
    Parameter::new("If-None-Match", "The `ETag` of what is there already.");

static ETAG: Header = Header {
    name: "ETag",
    about: "For `If-None-Match`.",
    always: true,
};

/// The account page, with the way to an account where anybody may have one.
fn account(call: &Call) -> &'static File<Html> {
    const CLOSED: &str = r#"data-registration="closed""#;
    static OPEN: LazyLock<File<Html>> = LazyLock::new(|| {
        let page = include_str!("../../web/index.html");
        let open = page.replacen(CLOSED, r#"data-registration="open""#, 1);
        File::new(open)
    });
    if call.state.app.settings.open_registration {
        &OPEN
    } else {
        file!(Html, "index.html")
    }
}

impl<K: Kind> File<K> {
    pub(super) fn new(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&content));
        Self {
            content,
            tag: format!("\"{hash}\""),
            of: PhantomData,
        }
    }

    #[cfg(test)]
    pub(super) const fn content(&self) -> &Bytes {
        &self.content
    }

    pub(super) fn answer(&self, call: &Call) -> Result<Content<K>, Error> {
        let known = call.header(IF_NONE_MATCH.name)?;
        let is_known = known.is_some_and(|known| known.contains(&self.tag));
        let mut answer = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        // Asked for again each time, so that no page meets the script of another version.
        answer
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::ETAG, self.tag.as_str()));
        if K::PAGE {
            answer
                .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
                .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"));
        }
        let response = if is_known {
            answer.finish()
        } else {
            answer
                .insert_header((header::CONTENT_TYPE, K::TYPE))
                .body(self.content.clone())
        };
        let of = PhantomData;
        Ok(Content { response, of })
    }
}

/// A file, or that it is what its client has.
pub(super) struct Content<K> {
    response: HttpResponse,
    of: PhantomData<fn() -> K>,
}

impl<K: Kind> Answer for Content<K> {
    fn into_response(self) -> HttpResponse {
        self.response
    }

    fn describe(_: &mut Schemas) -> Vec<Success> {
        vec![
            Success::new(200, "The file.")
                .header(&ETAG)
                .content(K::TYPE, Schema::default()),
            Success::new(304, "It is what its client has.").header(&ETAG),
        ]
    }
}
