//! What a user does on the account page.

use super::*;
use reqwest::Method;

#[tokio::test]
async fn a_user_registers_looks_ends_and_leaves() {
    let world = World::begins().await;
    let browser = world.browser().await;
    browser.presses("Create an account").await;
    browser.fills("User name", "Carol").await;
    browser
        .fills("Password", "four words and nothing else")
        .await;
    browser.presses("Create the account").await;
    browser.shows(ACCOUNT).await;
    browser.shows("carol").await;
    browser.shows("Chrome on Linux\nThis one").await;

    let mut phones = Vec::new();
    for _ in 0..3 {
        let mut phone = User::on_phone(&world.service, "carol", "four words and nothing else");
        phone.logs_in().await;
        phones.push(phone);
    }
    browser.visits(&world.page()).await;
    eventually("all are shown", SOON, async || {
        sessions_shown(&browser).await == 4
    })
    .await;
    browser
        .runs("document.querySelector('.end:not([hidden])').click()", &[])
        .await;
    browser.shows("The session was ended.").await;
    assert_eq!(sessions_shown(&browser).await, 3);
    let newest = phones.last_mut().unwrap();
    newest
        .sends(Method::GET, "/sessions", None)
        .await
        .must_be(401);

    browser.presses("End all other sessions").await;
    browser.presses("Keep them").await;
    assert_eq!(sessions_shown(&browser).await, 3);
    browser.presses("End all other sessions").await;
    browser.presses("End them").await;
    browser.shows("All your other sessions were ended.").await;
    assert_eq!(sessions_shown(&browser).await, 1);
    for phone in &mut phones {
        phone
            .sends(Method::GET, "/sessions", None)
            .await
            .must_be(401);
    }

    browser.presses("Log out").await;
    browser.shows("You are logged out").await;
    let left = browser.cookies().await;
    let left: Vec<_> = left.iter().map(|cookie| cookie.name.as_str()).collect();
    assert_eq!(left, ["__Secure-device"], "it is for the time after it");
    browser.visits(&world.page()).await;
    browser.shows("Log in").await;
    browser.hides("You are logged out").await;
}

#[tokio::test]
async fn a_new_password_counts_at_once() {
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    let mut phone = world.phone_of("alice").await;
    let change = async |current: &str, new: &str| {
        browser.fills("Current password", current).await;
        browser.fills("New password", new).await;
        browser.presses("Change the password").await;
    };
    change("not this one, surely not", "another horse, another battery").await;
    browser.shows("That is not your current password.").await;
    change(PASSWORD, "aaaaaaaaaaaaaaaaaaaaaa").await;
    browser
        .shows("Such a password is guessed soon: it is made of common words")
        .await;
    change(PASSWORD, "another horse, another battery").await;
    browser.shows("The password was changed").await;
    phone
        .sends(Method::GET, "/sessions", None)
        .await
        .must_be(401);

    browser.presses("Log out").await;
    logs_in(&browser, "alice").await;
    browser
        .shows("The user name or the password is wrong.")
        .await;
    browser
        .fills("Password", "another horse, another battery")
        .await;
    browser.presses("Log in").await;
    browser.shows(ACCOUNT).await;
}

/// By the service, and each reason in words.
#[tokio::test]
async fn a_registration_is_refused_with_its_reason() {
    const FILL: &str = "document.getElementById('new-username').value = arguments[0];
        document.getElementById('first-password').value = arguments[1]";
    // Sixteen units of UTF-16, by which a browser counts, and eight characters.
    const EIGHT: &str = "\u{1f600}\u{1f681}\u{1f982}\u{1f333}\u{1f9e4}\u{1f645}\u{1f3b8}\u{1f40c}";
    let world = World::begins().await;
    let browser = world.browser().await;
    browser.presses("Create an account").await;
    for (name, password, reason) in [
        ("ALICE", PASSWORD, "The user name is taken."),
        ("carol smith", PASSWORD, "A user name is 1 to 64 letters"),
        (
            "carol",
            "carolcarolcarol",
            "Such a password is guessed soon",
        ),
        ("carol", EIGHT, "A password has at least 15 characters."),
    ] {
        browser.runs(FILL, &[name.into(), password.into()]).await;
        browser.presses("Create the account").await;
        browser.shows(reason).await;
        // It goes when something is typed.
        browser.fills("User name", "x").await;
        browser.hides(reason).await;
    }
}

/// Whoever tries too often is told for how long to wait, and is let in afterwards.
#[tokio::test]
async fn too_many_tries_have_to_wait() {
    const SUBMIT: &str = "document.getElementById('log-in').requestSubmit()";
    let throttled = |settings: Settings| settings.env("SESSION_API_THROTTLE", "on");
    let world = World::begins_with(throttled).await;
    let browser = world.browser().await;
    let submits_until = async |text: &str| {
        eventually(text, SOON, async || {
            browser.runs(SUBMIT, &[]).await;
            browser.text().await.contains(text)
        })
        .await;
    };
    browser.fills("User name", "alice").await;
    browser.fills("Password", "not the one that it is").await;
    submits_until("Too many tries. Try again in ").await;
    browser.fills("Password", PASSWORD).await;
    submits_until(ACCOUNT).await;
}

#[tokio::test]
async fn a_page_of_a_closed_service_offers_no_account() {
    let world =
        World::begins_with(|settings| settings.env("SESSION_API_OPEN_REGISTRATION", "false")).await;
    let browser = world.browser().await;
    browser.shows("Log in").await;
    browser.hides("Create an account").await;
}

/// Tab and Enter are enough, and where the focus is can be told.
#[tokio::test]
async fn without_a_mouse() {
    let world = World::begins().await;
    let mut phone = world.phone_of("alice").await;
    let browser = world.browser().await;
    browser.shows("Log in").await;
    let tabs_to = async |name: &str| {
        for _ in 0..20 {
            if browser.focus().await == name {
                return;
            }
            browser.types(TAB).await;
        }
        panic!("Tab never comes to {name:?}");
    };
    tabs_to("User name").await;
    browser.types("alice").await;
    tabs_to("Password").await;
    browser.types(PASSWORD).await;
    browser.types(ENTER).await;
    browser.shows(ACCOUNT).await;
    assert_eq!(browser.focus().await, ACCOUNT, "what is new is read out");

    tabs_to("End all other sessions").await;
    browser.types(ENTER).await;
    browser.shows("End all other sessions?").await;
    assert_eq!(
        browser.focus().await,
        "Keep them",
        "what harms nobody comes first"
    );
    tabs_to("End them").await;
    browser.types(ENTER).await;
    browser.shows("All your other sessions were ended.").await;
    assert_eq!(browser.focus().await, ACCOUNT);
    phone
        .sends(Method::GET, "/sessions", None)
        .await
        .must_be(401);

    browser.visits(&world.page()).await;
    browser.shows(ACCOUNT).await;
    tabs_to("Log out").await;
    browser.types(ENTER).await;
    browser.shows("You are logged out").await;
}

/// A list that was read before a session was ended comes after it.
#[tokio::test]
async fn an_ended_session_does_not_come_back() {
    const HOLDS_LISTS: &str = "globalThis.held = [];
        const real = fetch;
        globalThis.fetch = async (request, init) => {
            const answer = await real(request, init);
            const holds = request.method === 'GET' && request.url.endsWith('/sessions');
            if (holds) await new Promise((release) => held.push(release));
            return answer;
        };
        document.getElementById('sessions').setAttribute('aria-busy', 'true');
        document.dispatchEvent(new Event('visibilitychange'))";
    const BUSY: &str = "return document.getElementById('sessions').ariaBusy";
    let world = World::begins().await;
    world.phone_of("alice").await;
    let browser = world.browser_of("alice").await;
    browser.shows("End all other sessions").await;
    hears(&browser).await;
    browser.runs(HOLDS_LISTS, &[]).await;
    eventually("a list is held", SOON, async || {
        browser.runs("return held.length", &[]).await == 1
    })
    .await;
    browser
        .runs("document.querySelector('.end:not([hidden])').click()", &[])
        .await;
    browser.shows("The session was ended.").await;
    browser.runs("held[0]()", &[]).await;
    eventually("the list is read", SOON, async || {
        browser.runs(BUSY, &[]).await == "false"
    })
    .await;
    assert_eq!(sessions_shown(&browser).await, 1);
}

/// A hundred at a time, and this one first although it may be the oldest.
#[tokio::test]
async fn ten_thousand_sessions_are_shown_in_parts() {
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    has_ten_thousand_more_sessions(&world).await;
    browser.visits(&world.page()).await;
    let shows = async |count: usize| {
        let what = format!("{count} of them");
        eventually(&what, SOON, async || {
            sessions_shown(&browser).await == count
        })
        .await;
    };
    shows(101).await;
    browser.shows("This browser\nThis one").await;
    browser.presses("Show older ones").await;
    shows(201).await;
    let first = "return document.querySelector('#sessions > li').innerText";
    let first = browser.runs(first, &[]).await;
    assert!(first.as_str().unwrap().contains("This one"), "{first}");

    browser.presses("End all other sessions").await;
    browser.presses("End them").await;
    shows(1).await;
    browser.visits(&world.page()).await;
    browser.shows("Chrome on Linux\nThis one").await;
    assert_eq!(sessions_shown(&browser).await, 1);
}

/// Copies of the one that there is: ten thousand log-ins would take minutes.
async fn has_ten_thousand_more_sessions(world: &World) {
    let mut database = SqliteConnection::connect(&world.database).await.unwrap();
    let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 10000) \
        insert into session select randomblob(16), version, user_id, delivery, since, \
        opened_at + i, generation, rotated_at, null, expires_at, ends_at, null, null, null \
        from session, n";
    sqlx::query(sql).execute(&mut database).await.unwrap();
}

/// It is no matter of the connection, and nobody is made to believe that they are logged in.
#[tokio::test]
async fn a_browser_that_keeps_no_cookies_is_told_so() {
    let world = World::begins().await;
    let browser = Browser::opens_without_cookies().await;
    browser.visits(&world.page()).await;
    logs_in(&browser, "alice").await;
    browser
        .shows("This browser keeps no cookies for this page")
        .await;
    let mut phone = world.phone_of("alice").await;
    let sessions = phone.sends(Method::GET, "/sessions", None).await;
    let sessions = sessions.must_be(200).body["items"].take();
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");
}
