//! Hostile tokens, the same at every place that takes one: the decoder in a service, the gate, the
//! session service.

mod joined;
mod lure;
mod secrets;
mod site;
mod surface;
mod tally;

use lure::Lure;
use site::Site;
use surface::{Outcome, Surface};
use tally::Tally;
use tests::hostile::{Case, Class, Forge, Kind, accepted, refused};
use tests::{eventually, until};

/// How long a gate may take to ask for a key that it does not know, for all of them together.
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// What one forge makes.
struct Tokens {
    accepted: Vec<Case>,
    refused: Vec<Case>,
}

impl Tokens {
    fn of(forge: &Forge) -> Self {
        Self {
            accepted: accepted(forge),
            refused: refused(forge),
        }
    }

    /// Sends every token to every surface that takes its kind.
    async fn go_to(&self, surfaces: &[Surface], site: &Site, tally: &mut Tally) {
        for surface in surfaces {
            for case in &self.accepted {
                let outcome = surface.send(site, &case.text).await;
                tally.count(*surface, case, &outcome, outcome == Outcome::Accepted);
            }
            let mut later = Vec::new();
            for case in &self.refused {
                match surface.send(site, &case.text).await {
                    Outcome::Later => later.push(case),
                    outcome => tally.count(*surface, case, &outcome, outcome.is_refusal()),
                }
            }
            // A key that a gate has not heard of: it asks first. Nothing else may be put off.
            for case in later {
                let may_wait = case.reason == "UnknownKey" && surface.is_gate();
                let verdict = until("a verdict", SOON, async || {
                    let outcome = surface.send(site, &case.text).await;
                    (outcome != Outcome::Later).then_some(outcome)
                })
                .await;
                tally.count(*surface, case, &verdict, may_wait && verdict.is_refusal());
            }
        }
    }

    /// Sends the good ones to surfaces that take another kind.
    async fn are_refused_at(&self, surfaces: &[Surface], site: &Site, tally: &mut Tally) {
        for surface in surfaces {
            for good in &self.accepted {
                let case = Case {
                    class: Class::OtherToken,
                    ..good.clone()
                };
                let outcome = surface.send(site, &case.text).await;
                tally.count(*surface, &case, &outcome, outcome.is_refusal());
            }
        }
    }
}

#[tokio::test]
async fn no_hostile_token_is_taken_anywhere() {
    let lure = Lure::lay().await;
    let mut site = Site::opens().await;
    let (browser, phone) = (&site.browser, &site.phone);
    let [access, by_cookie, in_body] = [
        (Kind::Access, browser.access_token()),
        (Kind::Session, browser.session_token()),
        (Kind::Session, phone.session_token()),
    ]
    .map(|(kind, token)| Tokens::of(&site.forge(kind, &token, &lure)));
    let mut tally = Tally::default();
    access
        .go_to(&Surface::OF_ACCESS_TOKENS, &site, &mut tally)
        .await;
    by_cookie
        .go_to(&[Surface::SessionCookie], &site, &mut tally)
        .await;
    in_body.go_to(&[Surface::Refresh], &site, &mut tally).await;

    // Neither kind in the place of the other, however good.
    access
        .are_refused_at(&Surface::OF_SESSION_TOKENS, &site, &mut tally)
        .await;
    by_cookie
        .are_refused_at(&Surface::OF_ACCESS_TOKENS, &site, &mut tally)
        .await;
    in_body
        .are_refused_at(&Surface::OF_ACCESS_TOKENS, &site, &mut tally)
        .await;

    // Last, for the last of these ends the session.
    for case in &in_body.refused {
        let outcome = Surface::Revocation.send(&site, &case.text).await;
        tally.count(Surface::Revocation, case, &outcome, outcome.is_refusal());
    }
    let good = &in_body.accepted[0];
    let outcome = Surface::Revocation.send(&site, &good.text).await;
    let right = outcome == Outcome::Accepted;
    tally.count(Surface::Revocation, good, &outcome, right);

    println!("{tally}");
    tally.must_be_right(700);
    lure.must_be_untouched().await;
    site.logs_must_be_clean(&access.refused);

    // What was revoked comes back in no other spelling.
    site.browser.logs_out().await;
    let spellings = access.refused.iter();
    let spellings =
        spellings.filter(|case| matches!(case.class, Class::Encoding | Class::Signature));
    for case in access.accepted.iter().chain(spellings) {
        for surface in &Surface::OF_ACCESS_TOKENS[1..] {
            let what = format!("{surface:?} refuses what was revoked: {}", case.what);
            eventually(&what, SOON, async || {
                let outcome = surface.send(&site, &case.text).await;
                outcome.is_refusal() || outcome == Outcome::Inexpressible
            })
            .await;
        }
    }
}
