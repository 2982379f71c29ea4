//! One user, as far as sessions are concerned. The name and the password hash are not here: they
//! live in a plain table and never in an event.

use super::event::UserFact;
use super::state::BrokenStream;
use revocation_events::Position;
use serde::{Deserialize, Serialize};

/// At most 32 different names of `[a-z0-9:_-]{1,64}`, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub(crate) struct Roles(Vec<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("roles are at most 32 names of 1 to 64 characters a-z, 0-9, `:`, `_` and `-`")]
pub(crate) struct InvalidRoles;

impl Roles {
    pub(crate) const MAX: usize = 32;

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    fn is_name(name: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b":_-".contains(&b);
        (1..=64).contains(&name.len()) && name.bytes().all(allowed)
    }
}

impl TryFrom<Vec<String>> for Roles {
    type Error = InvalidRoles;

    fn try_from(mut names: Vec<String>) -> Result<Self, InvalidRoles> {
        names.sort_unstable();
        names.dedup();
        let valid = names.len() <= Self::MAX && names.iter().all(|name| Self::is_name(name));
        if valid {
            Ok(Self(names))
        } else {
            Err(InvalidRoles)
        }
    }
}

impl From<Roles> for Vec<String> {
    fn from(roles: Roles) -> Self {
        roles.0
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) roles: Roles,
    pub(crate) disabled: bool,
    /// The greatest position at which all sessions were ended: counts against tokens and `since`.
    pub(crate) cut_off: Position,
    /// The greatest position at which tokens were ended, role changes included.
    pub(crate) token_cut_off: Position,
}

/// Folds one more fact.
pub(crate) fn apply(state: Option<User>, fact: &UserFact) -> Result<User, BrokenStream> {
    let mut user = match (state, fact) {
        (None, UserFact::Registered { roles }) => {
            return Ok(User {
                roles: roles.clone(),
                disabled: false,
                cut_off: Position::ZERO,
                token_cut_off: Position::ZERO,
            });
        }
        (None, _) | (Some(_), UserFact::Registered { .. }) => return Err(BrokenStream),
        (Some(user), _) => user,
    };
    match fact {
        UserFact::RolesChanged { roles, .. } => user.roles = roles.clone(),
        UserFact::Disabled { .. } => user.disabled = true,
        UserFact::Enabled {} => user.disabled = false,
        UserFact::Registered { .. }
        | UserFact::PasswordChanged {}
        | UserFact::SessionsRevoked { .. } => {}
    }
    if let Some((position, tokens_only)) = fact.cut() {
        user.token_cut_off = user.token_cut_off.max(position);
        if !tokens_only {
            user.cut_off = user.cut_off.max(position);
        }
    }
    Ok(user)
}

/// New roles; nothing where they are the same.
pub(crate) fn change_roles(user: &User, roles: Roles, position: Position) -> Option<UserFact> {
    (user.roles != roles).then_some(UserFact::RolesChanged { roles, position })
}

/// No more logins, and an end to all sessions; nothing where that is so already.
pub(crate) fn disable(user: &User, position: Position) -> Option<UserFact> {
    (!user.disabled).then_some(UserFact::Disabled { position })
}

/// Logins again. Sessions that were ended stay ended: a cut-off is never taken back.
pub(crate) fn enable(user: &User) -> Option<UserFact> {
    user.disabled.then_some(UserFact::Enabled {})
}
