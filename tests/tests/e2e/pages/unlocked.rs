//! The link that `user unlock` prints.

use super::*;

/// Strangers try alice's password until her account closes.
async fn strangers_close(world: &World) {
    let mut stranger = User::on_phone(&world.service, "alice", "wrong horse battery staple");
    for _ in 0..100 {
        stranger.tries_to_log_in().await.must_be(401);
    }
}

#[tokio::test]
async fn a_link_lets_its_user_in_where_strangers_have_closed_the_account() {
    let world = World::begins().await;
    let issuer = world.service.url();
    let unlock = ["user", "unlock", "alice", "--issuer", issuer, "--json"];
    let unlocked = world.service.settings().must_run(&unlock, "").await;
    let unlocked: Value = serde_json::from_str(&unlocked).unwrap();
    let link = unlocked["link"].as_str().unwrap();
    strangers_close(&world).await;

    let browser = world.browser().await;
    logs_in(&browser, "alice").await;
    browser
        .shows("The user name or the password is wrong.")
        .await;
    // On the page that is open already, and nobody reads it there afterwards.
    browser.visits(link).await;
    browser.is_at(&world.page()).await;
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;
    browser.presses("Log out").await;
    browser.shows("You are logged out").await;
    browser.visits(&world.page()).await;
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;

    let another = Browser::opens_at(link).await;
    another.is_at(&world.page()).await;
    // To whom else it is nothing, and does no harm.
    logs_in(&another, "bob").await;
    another.shows(ACCOUNT).await;
}
