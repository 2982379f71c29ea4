//! Biscuits: facts in one signed block, and an authorizer that holds them against its checks. Whoever
//! has such a token may add blocks to it, so its proof is a second computation on the curve.

use crate::claims::{AUDIENCE, CLIENT, Claims, Facts, ISSUER};
use crate::{Peer, SEED};
use biscuit_auth::builder::{Algorithm, Rule, Term, date, fact, int, set, string};
use biscuit_auth::{AuthorizerBuilder, AuthorizerLimits, Biscuit, KeyPair, PrivateKey, PublicKey};
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

pub(crate) struct BiscuitAuth {
    key: PublicKey,
    /// Parsed once; each token gets a copy.
    checks: AuthorizerBuilder,
    facts: Rule,
}

impl BiscuitAuth {
    pub(crate) fn new() -> Self {
        let checks = format!(
            r#"check if iss("{ISSUER}"), aud("{AUDIENCE}");
               check if exp($exp), time($now), $now <= $exp;
               allow if true;"#
        );
        let facts = "facts($sub, $sid, $jti, $pos, $roles) <-
            sub($sub), sid($sid), jti($jti), pos($pos), roles($roles)";
        let checks = AuthorizerBuilder::new().code(checks);
        Self {
            key: keys(SEED).public(),
            checks: checks
                .expect("checks that parse")
                .set_limits(AuthorizerLimits {
                    // A millisecond if nothing is said, which a busy machine takes away by itself.
                    max_time: Duration::from_secs(10),
                    ..AuthorizerLimits::default()
                }),
            facts: facts.try_into().expect("a rule that parses"),
        }
    }
}

fn keys(seed: [u8; 32]) -> KeyPair {
    let key = PrivateKey::from_bytes(&seed, Algorithm::Ed25519);
    KeyPair::from(&key.expect("a good key"))
}

impl Peer for BiscuitAuth {
    fn name(&self) -> &'static str {
        "biscuit-auth"
    }

    fn mint(&self, claims: &Claims, seed: [u8; 32]) -> String {
        let facts = &claims.facts;
        let moment = |seconds| date(&(UNIX_EPOCH + Duration::from_secs(seconds)));
        let roles = facts.roles.iter().map(|role| string(role));
        let terms: [(&str, Term); 11] = [
            ("iss", string(claims.issuer)),
            ("aud", string(claims.audience)),
            ("sub", string(&facts.sub)),
            ("client_id", string(CLIENT)),
            ("sid", string(&facts.sid)),
            ("jti", string(&facts.jti)),
            ("iat", moment(claims.issued)),
            ("exp", moment(claims.expires)),
            ("auth_time", moment(claims.issued)),
            ("pos", int(facts.pos.cast_signed())),
            ("roles", set(roles.collect())),
        ];
        let token = terms
            .iter()
            .try_fold(Biscuit::builder(), |token, (name, term)| {
                token.fact(fact(name, &[term]))
            });
        let token = token.and_then(|token| token.build(&keys(seed)));
        token
            .and_then(|token| token.to_base64())
            .expect("facts that can be signed")
    }

    fn verify(&self, token: &str) -> Option<Facts> {
        let token = Biscuit::from_base64(token, self.key).ok()?;
        let mut authorizer = self.checks.clone().time().build(&token).ok()?;
        authorizer.authorize().ok()?;
        let (sub, sid, jti, pos, roles): (String, String, String, i64, BTreeSet<String>) =
            authorizer.query_exactly_one(self.facts.clone()).ok()?;
        Some(Facts {
            sub,
            sid,
            jti,
            pos: pos.try_into().ok()?,
            roles: roles.into_iter().collect(),
        })
    }
}
