//! The member `data`: one struct for all kinds, since a kind is a choice of its members.

use super::{Delivery, EndReason, FORMAT, Invalid, What};
use crate::id::{KeyId, SessionId, UserId};
use crate::position::Position;
use crate::time::UnixMillis;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The subject of what befalls everyone.
pub(super) const EVERYONE: &str = "everyone";

/// What any kind of this format may hold, in the order in which it is written.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Data {
    v: u32,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<EndReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_device: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<SessionId>,
}

/// What is read of `data` before its form is known.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) v: u32,
    pub(super) version: u64,
}

impl Data {
    pub(super) fn of(what: &What, version: u64) -> Self {
        let mut data = Self {
            v: FORMAT,
            version,
            ..Self::default()
        };
        match what.clone() {
            What::SessionOpened {
                user,
                delivery,
                new_device,
                expires_at,
                ends_at,
                ..
            } => {
                data.user = Some(user);
                data.delivery = Some(delivery);
                data.new_device = Some(new_device);
                data.expires_at = Some(Time(expires_at));
                data.ends_at = Some(Time(ends_at));
            }
            What::SessionRefreshed {
                user,
                generation,
                expires_at,
                ..
            } => {
                data.user = Some(user);
                data.generation = Some(generation);
                data.expires_at = Some(Time(expires_at));
            }
            What::SessionRevoked {
                user,
                position,
                reason,
                ..
            } => {
                data.user = Some(user);
                data.position = Some(position);
                data.reason = Some(reason);
            }
            What::SessionExpired { user, .. }
            | What::UserPasswordChanged { user }
            | What::UserEnabled { user } => data.user = Some(user),
            What::UserRegistered { user, roles } => {
                data.user = Some(user);
                data.roles = Some(roles);
            }
            What::UserRolesChanged {
                user,
                position,
                roles,
            } => {
                data.user = Some(user);
                data.position = Some(position);
                data.roles = Some(roles);
            }
            What::UserDisabled { user, position } => {
                data.user = Some(user);
                data.position = Some(position);
            }
            What::UserSessionsRevoked {
                user,
                position,
                except,
            } => {
                data.user = Some(user);
                data.position = Some(position);
                data.except = except;
            }
            What::EveryoneRevoked { position } => data.position = Some(position),
            What::KeyAdded { key } | What::KeyRetired { key } => data.key = Some(key),
            What::KeyRevoked { key, position } => {
                data.key = Some(key);
                data.position = Some(position);
            }
            // Its data is passed on as it is.
            What::Unknown { .. } => {}
        }
        data
    }
}

/// Nothing where the kind or its form is not known.
pub(super) fn read(
    kind: &str,
    subject: &str,
    data: &Value,
    v: u32,
) -> Result<Option<What>, Invalid> {
    if v != FORMAT {
        return Ok(None);
    }
    let data = || Data::deserialize(data).map_err(Invalid::Data);
    Ok(Some(match kind {
        "session.opened" => {
            let data = data()?;
            What::SessionOpened {
                session: whose(subject, "session/")?,
                user: needed(data.user, "user")?,
                delivery: needed(data.delivery, "delivery")?,
                new_device: needed(data.new_device, "new_device")?,
                expires_at: needed(data.expires_at, "expires_at")?.0,
                ends_at: needed(data.ends_at, "ends_at")?.0,
            }
        }
        "session.refreshed" => {
            let data = data()?;
            What::SessionRefreshed {
                session: whose(subject, "session/")?,
                user: needed(data.user, "user")?,
                generation: needed(data.generation, "generation")?,
                expires_at: needed(data.expires_at, "expires_at")?.0,
            }
        }
        "session.revoked" => {
            let data = data()?;
            What::SessionRevoked {
                session: whose(subject, "session/")?,
                user: needed(data.user, "user")?,
                position: needed(data.position, "position")?,
                reason: needed(data.reason, "reason")?,
            }
        }
        "session.expired" => What::SessionExpired {
            session: whose(subject, "session/")?,
            user: needed(data()?.user, "user")?,
        },
        "user.registered" => What::UserRegistered {
            user: whose(subject, "user/")?,
            roles: needed(data()?.roles, "roles")?,
        },
        "user.password_changed" => What::UserPasswordChanged {
            user: whose(subject, "user/")?,
        },
        "user.roles_changed" => {
            let data = data()?;
            What::UserRolesChanged {
                user: whose(subject, "user/")?,
                position: needed(data.position, "position")?,
                roles: needed(data.roles, "roles")?,
            }
        }
        "user.disabled" => What::UserDisabled {
            user: whose(subject, "user/")?,
            position: needed(data()?.position, "position")?,
        },
        "user.enabled" => What::UserEnabled {
            user: whose(subject, "user/")?,
        },
        "user.sessions_revoked" => {
            let data = data()?;
            What::UserSessionsRevoked {
                user: whose(subject, "user/")?,
                position: needed(data.position, "position")?,
                except: data.except,
            }
        }
        "everyone.revoked" if subject == EVERYONE => What::EveryoneRevoked {
            position: needed(data()?.position, "position")?,
        },
        "everyone.revoked" => return Err(Invalid::Subject),
        "key.added" => What::KeyAdded {
            key: whose(subject, "key/")?,
        },
        "key.retired" => What::KeyRetired {
            key: whose(subject, "key/")?,
        },
        "key.revoked" => What::KeyRevoked {
            key: whose(subject, "key/")?,
            position: needed(data()?.position, "position")?,
        },
        _ => return Ok(None),
    }))
}

fn whose<T: std::str::FromStr>(subject: &str, prefix: &str) -> Result<T, Invalid> {
    let name = subject.strip_prefix(prefix).ok_or(Invalid::Subject)?;
    name.parse().map_err(|_| Invalid::Subject)
}

fn needed<T>(member: Option<T>, name: &'static str) -> Result<T, Invalid> {
    member.ok_or(Invalid::Missing(name))
}

/// A time that is written `2026-11-23T14:00:00.000Z`.
#[derive(Clone, Copy)]
pub(super) struct Time(pub(super) UnixMillis);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Past the year 9999 there is no RFC 3339; a time of the database never gets there.
        let millis = i64::try_from(self.0.get()).unwrap_or(i64::MAX);
        let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        serializer.collect_str(&format_args!("{time:.3}"))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        let millis = u64::try_from(time.as_millisecond())
            .map_err(|_| serde::de::Error::custom("a time before 1970"))?;
        Ok(Self(UnixMillis::new(millis)))
    }
}
