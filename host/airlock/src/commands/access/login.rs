//! `airlock login`.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Session, ask};
use crate::cli::Login;
use crate::client::{self, Client, Credentials};

pub async fn run(login: &Login, session: &Session) -> Result<()> {
    let url = session.client()?.url().to_owned();
    let name =
        if login.tenant == "default" { login.username.clone() } else { format!("{}/{}", login.tenant, login.username) };
    let password = ask::password(login.password_stdin, &format!("Password of {name} at {url}"))?;
    let answer = Client::with(&url, None)?
        .post("/auth/token", &json!({ "username": name, "password": password }))
        .await
        .context("the login was refused")?;
    let token = answer.get("access_token").and_then(Value::as_str).context("the server's answer has no token")?;
    let file = client::login_file().context("there is no folder for it: neither HOME nor XDG_CONFIG_HOME is set")?;
    client::remember(&file, &Credentials { url: url.clone(), token: Some(token.to_owned()) })?;
    eprintln!("logged in at {url} as {name}; the token is in {}", file.display());
    Ok(())
}
