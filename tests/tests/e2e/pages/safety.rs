//! What the pages let nobody do: neither those who choose names and devices, nor a script that got in.

use super::*;
use serde_json::json;

/// Names and devices are text, whatever they look like: on the user's page and on the operator's.
#[tokio::test]
async fn markup_is_shown_and_never_runs() {
    const NAME: &str = "<img/src=x/onerror=pwned=1>";
    const DEVICE: &str =
        r#""'><script>pwned = 1</script><img src=x onerror="pwned = 1">${pwned=1}"#;
    let world = World::begins().await;
    world.service.has_user(NAME, PASSWORD, None).await;
    // The others cannot be seen, though some of it are letters and signs.
    for device in [DEVICE, "\u{200b}\u{202e} ", "\u{3164}\u{115f}", "\u{2800}"] {
        let login = json!({
            "username": NAME, "password": PASSWORD, "delivery": "body", "device": device,
        });
        let answer = reqwest::Client::new()
            .post(format!("{}/session", world.service.url()))
            .header(
                "user-agent",
                format!("{NAME} (Windows NT 10.0) Chrome/{NAME}"),
            )
            .json(&login);
        assert_eq!(answer.send().await.unwrap().status(), 201);
    }

    let browser = world.browser_of(NAME).await;
    browser.shows(NAME).await;
    browser.shows(DEVICE).await;
    let named =
        "return [...document.querySelectorAll('.device-name')].map((name) => name.textContent)";
    eventually("what cannot be seen has a name", SOON, async || {
        let names = browser.runs(named, &[]).await;
        names
            .as_array()
            .unwrap()
            .iter()
            .filter(|name| *name == "An unknown device")
            .count()
            == 3
    })
    .await;
    browser.presses("Log out").await;
    browser
        .visits(&format!("{}/admin", world.service.url()))
        .await;
    logs_in(&browser, "root").await;
    browser.shows("Verifiers").await;
    browser.fills("User name", NAME).await;
    browser.presses("Find").await;
    browser.shows(&format!("Sessions of {NAME}")).await;
    browser.shows(DEVICE).await;
    let ran = browser
        .runs("return [typeof pwned, document.querySelectorAll('img[src=x], script:not([src])').length]", &[])
        .await;
    assert_eq!(ran, json!(["undefined", 0]));
}

/// Markup is never made of text, and nothing goes to another origin or comes from there.
#[tokio::test]
async fn the_policy_stops_a_script_that_got_in() {
    const THROWS: &str = "
        const [place, script] = [document.createElement('p'), document.createElement('script')];
        const tries = [
            () => { place.innerHTML = '<b>x</b>'; },
            () => { script.textContent = 'pwned = 1'; },
            () => { script.src = '/web/page.js'; },
        ];
        return tries.map((attempt) => { try { attempt(); return 'done'; } catch { return 'stopped'; } })";
    const TRIES: &str = "globalThis.stopped = [];
        document.addEventListener('securitypolicyviolation', (event) => stopped.push(event.effectiveDirective));
        const elsewhere = arguments[0];
        fetch(elsewhere).catch(() => {});
        new Image().src = elsewhere;
        const form = document.createElement('form');
        form.action = elsewhere;
        const style = document.createElement('style');
        style.textContent = 'body { color: red }';
        document.body.append(form, style);
        form.submit()";
    let (world, elsewhere) = (World::begins().await, World::begins().await);
    let browser = world.browser().await;
    for page in ["", "admin"] {
        browser.visits(&format!("{}{page}", world.page())).await;
        browser.shows("Log in").await;
        let thrown = browser.runs(THROWS, &[]).await;
        assert_eq!(thrown, json!(vec!["stopped"; 3]), "{page:?}");
        browser.runs(TRIES, &[elsewhere.page().into()]).await;
        eventually("all of it is stopped", SOON, async || {
            let stopped = browser.runs("return stopped.sort()", &[]).await;
            stopped == json!(["connect-src", "form-action", "img-src", "style-src-elem"])
        })
        .await;
    }
}

/// ASVS 5.0, 6.2.6 and 6.2.7.
#[tokio::test]
async fn passwords_are_masked_and_may_be_pasted_and_kept_by_a_manager() {
    const FIELDS: &str = "
        const fields = [...document.querySelectorAll('input[autocomplete$=password]')];
        const pastes = (field) => field.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true }));
        const named = (field) => field.form.querySelector('[autocomplete=username]') !== null;
        return fields.map((field) => [field.type, field.autocomplete, pastes(field), named(field)])";
    let world = World::begins().await;
    let browser = world.browser().await;
    for (page, kinds) in [
        ("", &["current", "new", "current", "new"][..]),
        ("admin", &["current", "current"]),
    ] {
        browser.visits(&format!("{}{page}", world.page())).await;
        browser.shows("Log in").await;
        let field = |kind| json!(["password", format!("{kind}-password"), true, true]);
        let expected: Vec<_> = kinds.iter().map(field).collect();
        assert_eq!(browser.runs(FIELDS, &[]).await, json!(expected), "{page:?}");
        let passwords = "return document.querySelectorAll('[name*=password], [name=current], [name=new]').length";
        let all = browser.runs(passwords, &[]).await;
        assert_eq!(all, kinds.len(), "no other field has a password: {page:?}");
    }
}
