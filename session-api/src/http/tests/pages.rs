//! The pages and their files, as they are served. What they do is in `tests/e2e`, in a browser.

use super::*;
use crate::http::endpoint::Endpoint;
use crate::http::pages;

/// Every file that is written by hand, with its text.
async fn files(world: &World) -> Vec<(&'static str, Answer)> {
    let mut files = Vec::new();
    let by_hand = |endpoint: &Endpoint| endpoint.path != "/openapi.json";
    for endpoint in pages::endpoints().into_iter().filter(by_hand) {
        files.push((endpoint.path, world.get(endpoint.path).await.must_be(200)));
    }
    files
}

fn is_page(path: &str) -> bool {
    !path.starts_with("/web/")
}

#[tokio::test]
async fn a_file_is_asked_for_again_and_sent_once() {
    let world = World::begins().await;
    for (path, file) in files(&world).await {
        let kind = match path.rsplit_once('.').map(|(_, ending)| ending) {
            None => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            other => {
                assert_eq!(other, Some("svg"), "{path}");
                "image/svg+xml"
            }
        };
        assert_eq!(header(&file, "content-type"), kind, "{path}");
        assert_eq!(header(&file, "cross-origin-opener-policy"), "same-origin");
        let tag = header(&file, "etag").to_owned();
        let asks =
            |tag: String| Answer::of(world.request("GET", path).header("if-none-match", tag));
        for known in [tag.clone(), format!("\"x\", W/{tag}")] {
            let again = asks(known).await.must_be(304);
            assert_eq!(again.body, "");
            assert_eq!(header(&again, "etag"), tag);
        }
        asks("\"x\"".to_owned()).await.must_be(200);
    }
}

/// The policy would stop it, and then a page would lack it.
#[tokio::test]
async fn no_page_has_a_script_or_a_style_in_it_or_loads_one_from_elsewhere() {
    let world = World::begins().await;
    let files = files(&world).await;
    let is_served = |path: &str| files.iter().any(|(served, _)| *served == path);
    for (path, file) in &files {
        let text = file.body.as_str().unwrap();
        let elsewhere = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for word in [
            "http:",
            "https:",
            "innerHTML",
            "insertAdjacentHTML",
            "eval(",
        ] {
            assert!(!elsewhere.contains(word), "{path}: {word}");
        }
        if !is_page(path) {
            continue;
        }
        for word in [
            "<style",
            "style=",
            "javascript:",
            " onclick",
            " onload",
            " onsubmit",
        ] {
            assert!(!text.contains(word), "{path}: {word}");
        }
        for script in text.split("<script").skip(1) {
            assert!(
                script.starts_with(" type=\"module\" src=\""),
                "{path}: {script}"
            );
        }
        for attribute in ["src=\"", "href=\""] {
            for target in text.split(attribute).skip(1) {
                let target = target.split('"').next().unwrap();
                let own =
                    target.starts_with('#') || ["./", "admin", "openapi.json"].contains(&target);
                assert!(own || is_served(&format!("/{target}")), "{path}: {target}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_offers_an_account_where_anybody_may_have_one() {
    for (open, word) in [(true, "open"), (false, "closed")] {
        let world = World::begins_with(|plan| plan.http.open_registration = open).await;
        let page = world.get("/").await.must_be(200);
        let attribute = format!("data-registration=\"{word}\"");
        assert!(page.body.as_str().unwrap().contains(&attribute));
    }
}

#[tokio::test]
async fn pages_are_under_the_base_path_too() {
    let world = World::begins_with(|plan| plan.http.base_path = "/id".to_owned()).await;
    for path in ["/id/", "/id/admin", "/id/docs", "/id/web/session.js"] {
        world.get(path).await.must_be(200);
    }
    world.get("/").await.must_be(404);
}
