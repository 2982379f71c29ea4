//! The claims of an access token, member by member.

use super::{AccessToken, ClientId, Expected, MAX_ROLES};
use crate::error::Reason;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revocation_events::id::is_name;
use revocation_events::strict_json::{Int53, Members, Text};
use revocation_events::{KeyId, Position, SessionId, UnixMillis, UserId};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// RFC 7519 sets no bound; somebody who serves more audiences than this has another problem.
const MAX_AUDIENCES: usize = 16;
const MAX_ROLE_LEN: usize = 64;

/// What the payload says, each claim within its own bounds and none compared with anything yet.
#[derive(Default)]
pub(super) struct Claims<'a> {
    issuer: Option<Text<'a>>,
    audience: Option<Audience<'a>>,
    user_id: Option<UserId>,
    session_id: Option<SessionId>,
    client_id: Option<ClientId>,
    jti: Option<String>,
    position: Option<Position>,
    issued_at: Option<UnixMillis>,
    expires_at: Option<UnixMillis>,
    not_before: Option<UnixMillis>,
    auth_time: Option<UnixMillis>,
    roles: Vec<String>,
    csrf: Option<[u8; 32]>,
}

impl<'de> Members<'de> for Claims<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error> {
        match name {
            "iss" => self.issuer = Some(members.next_value()?),
            "aud" => self.audience = Some(members.next_value()?),
            "sub" => self.user_id = Some(members.next_value()?),
            "sid" => self.session_id = Some(members.next_value()?),
            "client_id" => self.client_id = Some(text(members, client_id)?),
            "jti" => self.jti = Some(text(members, jti)?),
            "pos" => self.position = Some(members.next_value()?),
            "iat" => self.issued_at = Some(numeric_date(members)?),
            "exp" => self.expires_at = Some(numeric_date(members)?),
            "nbf" => self.not_before = Some(numeric_date(members)?),
            "auth_time" => self.auth_time = Some(numeric_date(members)?),
            "roles" => self.roles = members.next_value::<Roles>()?.0,
            "csrf" => self.csrf = Some(text(members, csrf)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Claims<'_> {
    /// Without `now`, whatever the time.
    pub(super) fn accept(
        self,
        expected: &Expected,
        now: Option<UnixMillis>,
        kid: &KeyId,
    ) -> Result<AccessToken, Reason> {
        let issuer = self.issuer.ok_or(Reason::Claims)?;
        let audience = self.audience.ok_or(Reason::Claims)?;
        let token = AccessToken {
            user_id: self.user_id.ok_or(Reason::Claims)?,
            session_id: self.session_id.ok_or(Reason::Claims)?,
            position: self.position.ok_or(Reason::Claims)?,
            issued_at: self.issued_at.ok_or(Reason::Claims)?,
            expires_at: self.expires_at.ok_or(Reason::Claims)?,
            auth_time: self.auth_time.ok_or(Reason::Claims)?,
            not_before: self.not_before.unwrap_or_default(),
            client_id: self.client_id.ok_or(Reason::Claims)?,
            jti: self.jti.ok_or(Reason::Claims)?,
            roles: self.roles,
            csrf: self.csrf,
            kid: kid.clone(),
        };
        if issuer.0 != expected.issuer {
            return Err(Reason::Issuer);
        }
        if !audience.holds(&expected.audience) {
            return Err(Reason::Audience);
        }
        let lifetime = token.expires_at.since(token.issued_at);
        if lifetime.is_zero() || lifetime > expected.max_lifetime {
            return Err(Reason::Lifetime);
        }
        now.map_or(Ok(()), |now| token.check_time(now))?;
        Ok(token)
    }
}

/// RFC 7519, section 2, allows fractions; an issuer that mints none has no use for them.
fn numeric_date<'de, A: MapAccess<'de>>(members: &mut A) -> Result<UnixMillis, A::Error> {
    Ok(UnixMillis::from_secs(members.next_value::<Int53>()?.get()))
}

fn text<'de, A: MapAccess<'de>, T>(
    members: &mut A,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, A::Error> {
    let text = members.next_value::<Text<'de>>()?;
    read(&text.0).ok_or_else(|| A::Error::custom("out of bounds"))
}

fn client_id(text: &str) -> Option<ClientId> {
    [ClientId::Web, ClientId::App]
        .into_iter()
        .find(|client| client.as_str() == text)
}

fn jti(text: &str) -> Option<String> {
    is_name(text).then(|| text.to_owned())
}

fn csrf(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    // The engine refuses padding, other alphabets, non-zero trailing bits and what has no room.
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut hash).ok()?;
    (len == hash.len()).then_some(hash)
}

fn role(text: &str) -> Option<String> {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b":_-".contains(&b);
    ((1..=MAX_ROLE_LEN).contains(&text.len()) && text.bytes().all(known)).then(|| text.to_owned())
}

struct Roles(Vec<String>);

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Roles;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of roles")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Roles, A::Error> {
                let mut roles = Vec::new();
                while let Some(name) = seq.next_element::<Text<'de>>()? {
                    let role = role(&name.0).filter(|_| roles.len() < MAX_ROLES);
                    roles.push(role.ok_or_else(|| A::Error::custom("out of bounds"))?);
                }
                Ok(Roles(roles))
            }
        }
        json.deserialize_seq(List)
    }
}

/// One name, or a list of them (RFC 7519, section 4.1.3).
enum Audience<'a> {
    One(Text<'a>),
    Many(Vec<Text<'a>>),
}

impl Audience<'_> {
    fn holds(&self, audience: &str) -> bool {
        match self {
            Self::One(name) => name.0 == audience,
            Self::Many(names) => names.iter().any(|name| name.0 == audience),
        }
    }
}

impl<'de> Deserialize<'de> for Audience<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Audience<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an audience or a list of them")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Audience<'de>, E> {
                Ok(Audience::One(Text(name.into())))
            }
            fn visit_str<E>(self, name: &str) -> Result<Audience<'de>, E> {
                Ok(Audience::One(Text(name.to_owned().into())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience<'de>, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    if names.len() == MAX_AUDIENCES {
                        return Err(A::Error::custom("too many audiences"));
                    }
                    names.push(name);
                }
                Ok(Audience::Many(names))
            }
        }
        json.deserialize_any(OneOrMany)
    }
}
