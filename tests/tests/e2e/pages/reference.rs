//! The reference at `/docs`: what the API's document says, for people.

use super::*;
use serde_json::json;

impl World {
    /// A browser on the reference.
    async fn reader(&self) -> Browser {
        let browser = Browser::opens_at(&format!("{}/docs", self.service.url())).await;
        browser.shows("Find a call").await;
        browser
    }
}

/// How many of what the selector finds.
async fn count(browser: &Browser, selector: &str) -> u64 {
    let script = "return document.querySelectorAll(arguments[0]).length";
    browser
        .runs(script, &[json!(selector)])
        .await
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn every_call_of_the_document_is_written_out() {
    let world = World::begins().await;
    let browser = world.reader().await;
    let calls = "
        const api = await (await fetch('openapi.json')).json();
        return Object.values(api.paths).flatMap(Object.values).length";
    let calls = browser.runs(calls, &[]).await.as_u64().unwrap();
    assert!(calls > 30, "{calls}");
    assert_eq!(count(&browser, ".call").await, calls);
    assert_eq!(count(&browser, "#contents ul a").await, calls);
    // Each has its problems, and each of those leads to what is said of it.
    assert_eq!(count(&browser, ".call:not(:has(.refusals a))").await, 0);
    let astray = "
        const links = [...document.querySelectorAll('a[href^=\"#\"]')].map((link) => link.getAttribute('href'));
        return links.filter((href) => !document.getElementById(href.slice(1)))";
    assert_eq!(browser.runs(astray, &[]).await, json!([]));
    let open = "for (const call of document.querySelectorAll('.call')) call.open = true";
    browser.runs(open, &[]).await;
    let text = browser.text().await;
    for word in ["undefined", "[object", "NaN"] {
        assert!(!text.contains(word), "{word}");
    }
    for word in [
        "curl -X POST 'http://127.0.0.1:",
        "Alice'\\''s phone",
        "event: ended",
        "one of \"cookie\", \"body\" or null",
    ] {
        assert!(text.contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_call_is_found_and_read_by_keyboard_alone() {
    let world = World::begins().await;
    let browser = world.reader().await;
    browser.looks(1200, 900, false).await;
    browser.types(TAB).await;
    assert_eq!(browser.focus().await, "To the text");
    browser.types(ENTER).await;
    browser.types(TAB).await;
    assert_eq!(browser.focus().await, "Find a call");
    browser.types("roles").await;
    browser.shows("1 call").await;
    browser.types(TAB).await;
    assert_eq!(browser.focus().await, "Operators");
    browser.types(TAB).await;
    assert_eq!(browser.focus().await, "Change a user's roles");
    browser.types(ENTER).await;
    browser.shows("The sessions live on.").await;
    // What is found elsewhere is there again when it is asked for.
    browser.runs("location.hash = 'get_session'", &[]).await;
    browser.shows("The caller's session and user").await;
}

#[tokio::test]
async fn nothing_in_the_document_is_taken_for_markup() {
    let world = World::begins().await;
    let browser = world.reader().await;
    let script = "
        const evil = '<img src=x onerror=\"document.title = 1\"><script>document.title = 2</script>';
        const spoil = (value) => {
          if (typeof value === 'string') return `${value} ${evil}`;
          if (Array.isArray(value)) return value.map(spoil);
          if (typeof value !== 'object' || value === null) return value;
          // What names other parts stays as it is, or there would be nothing to show.
          const kept = ['$ref', 'tags', 'name', 'type', 'in', 'operationId', 'security'];
          return Object.fromEntries(Object.entries(value).map(([name, member]) =>
            [name, kept.includes(name) && name !== 'properties' ? member : spoil(member)]));
        };
        const { write } = await import('/web/docs.js');
        write(spoil(await (await fetch('openapi.json')).json()));
        for (const call of document.querySelectorAll('.call')) call.open = true;
        return document.querySelectorAll('main img, main script').length";
    assert_eq!(browser.runs(script, &[]).await, 0);
    let text = browser.text().await;
    assert!(text.matches("<img src=x onerror").count() > 100);
    assert_eq!(
        browser.runs("return document.title", &[]).await,
        "Reference: Portcullis"
    );
}

#[tokio::test]
async fn the_reference_says_when_there_is_no_answer() {
    let world = World::begins().await;
    let browser = Browser::opens().await;
    browser
        .blocks(&[&format!("{}/openapi.json", world.service.url())])
        .await;
    browser
        .visits(&format!("{}/docs", world.service.url()))
        .await;
    browser.shows("The service does not answer").await;
}
