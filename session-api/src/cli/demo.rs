//! Whom `dev` knows: two users, and the client that its protected service is.

use super::Failure;
use crate::service::Service;
use crate::service::key_admin::fill;
use crate::session::Roles;
use crate::store::{ClientRow, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;

/// The client that the protected service of `dev` is.
pub(super) const CLIENT: &str = "orders";

/// Their passwords and its secret, kept beside the database for the folder's owner alone.
#[derive(Serialize, Deserialize)]
pub(super) struct Demo {
    pub(super) demo: String,
    pub(super) admin: String,
    pub(super) client_secret: String,
}

impl Demo {
    /// What an earlier start wrote to `path`, or else drawn anew. The database agrees with it
    /// afterwards, whatever was deleted and wherever an earlier start was killed.
    pub(super) async fn set_up(
        path: &Path,
        service: &Service,
        store: &dyn Store,
    ) -> Result<Self, Failure> {
        let (demo, drawn) = match read(path)? {
            Some(demo) => (demo, false),
            None => (Self::draw(), true),
        };
        let admin = Roles::try_from(vec!["admin".to_owned()])?;
        for (name, password, roles) in [
            ("demo", &demo.demo, Roles::default()),
            ("admin", &demo.admin, admin),
        ] {
            match service.user_by_name(name).await? {
                None => drop(service.register(name, password, roles).await?),
                Some(user) if drawn => drop(service.set_password(user.id, password).await?),
                Some(_) => {}
            }
        }
        let client = ClientRow {
            name: CLIENT.to_owned(),
            secret_hash: Sha256::digest(&demo.client_secret).into(),
            created_at: crate::clock::now(),
        };
        if store.add_client(&client).await?.is_err() && drawn {
            store
                .set_client_secret(&client.name, client.secret_hash)
                .await?;
        }
        if drawn {
            // Last: whatever ends this start before, the next one draws and sets anew.
            write(path, &demo).map_err(|error| unusable(path, &error))?;
        }
        Ok(demo)
    }

    fn draw() -> Self {
        Self {
            demo: secret(),
            admin: secret(),
            client_secret: secret(),
        }
    }
}

/// 128 random bits in hexadecimal.
fn secret() -> String {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Option<Demo>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &error)),
    };
    let demo = serde_json::from_str(&text).map_err(|error| unusable(path, &error))?;
    Ok(Some(demo))
}

fn unusable(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::failed(format!(
        "{}: {error}; delete the file, and the next start sets new passwords",
        path.display()
    ))
}

/// In one step, and for its owner alone.
fn write(path: &Path, demo: &Demo) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let unfinished = path.with_extension("json.new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(serde_json::to_string(demo)?.as_bytes())?;
    std::fs::rename(unfinished, path)
}
