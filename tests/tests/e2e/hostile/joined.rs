//! A12: tokens that join two sessions. A verifier cannot tell, for the issuer's own key signed them;
//! the service can, and asks its database.

use super::lure::Lure;
use super::site::Site;
use super::surface::{Outcome, Surface};
use crate::revocation::PASSWORD;
use tests::hostile::Kind;
use tests::user::User;

#[tokio::test]
async fn no_token_joins_one_users_session_to_another_user() {
    let lure = Lure::lay().await;
    let site = Site::opens().await;
    let mut bob = User::on_phone(&site.service, "bob", PASSWORD);
    let login = bob.logs_in().await;
    let bobs_user = login.body["user"]["id"].to_string();
    let bobs_session = login.body["session"]["id"].to_string();
    let nobodys = "\"01890a5d-ac96-774b-bcce-b302099a8057\"".to_owned();
    let (browser, phone) = (&site.browser, &site.phone);
    let mut sent = 0;
    for (kind, token, surfaces) in [
        (
            Kind::Access,
            browser.access_token(),
            &Surface::OF_ACCESS_TOKENS[3..],
        ),
        (
            Kind::Session,
            browser.session_token(),
            &[Surface::SessionCookie][..],
        ),
        (
            Kind::Session,
            phone.session_token(),
            &[Surface::Refresh][..],
        ),
    ] {
        let forge = site.forge(kind, &token, &lure);
        for surface in surfaces {
            for (what, payload) in [
                ("Bob in Alice's session", forge.with("sub", &bobs_user)),
                ("Alice in Bob's session", forge.with("sid", &bobs_session)),
                ("nobody in Alice's session", forge.with("sub", &nobodys)),
                ("Alice in nobody's session", forge.with("sid", &nobodys)),
            ] {
                let text = forge.sign(forge.header(), payload);
                let outcome = surface.send(&site, &text).await;
                assert_eq!(outcome, Outcome::Refused, "{surface:?}: {what}");
                sent += 1;
            }
            // None of it harmed those whose names were used.
            let outcome = surface.send(&site, &forge.good()).await;
            assert_eq!(outcome, Outcome::Accepted, "{surface:?}");
        }
    }
    bob.refreshes().await;
    println!("{sent} tokens that join two sessions, none taken");
}
