//! What is taken in as an operator, and what is not.

use airlock_tests::{Api, Database, Refusal, Server, module};
use anyhow::Result;
use reqwest::StatusCode;

use crate::each::on_each;

on_each!(what_is_no_operator_is_refused_and_leaves_nothing, a_version_never_changes);

async fn refused(api: &Api, name: &str, version: &str, bytes: &[u8]) -> Result<Refusal> {
    match api.upload(name, version, bytes.to_vec()).await {
        Ok(answer) => anyhow::bail!("it was accepted: {answer}"),
        Err(error) => error.downcast(),
    }
}

async fn what_is_no_operator_is_refused_and_leaves_nothing(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    let good = module("empty")?;
    let cases: &[(&str, &[u8])] = &[
        ("rubbish", b"#!/bin/sh\necho I am a module"),
        ("nothing", b""),
        ("a core module", b"\0asm\x01\0\0\0"),
        ("a component without exports", b"\0asm\x0d\0\x01\0"),
        ("half a module", good.get(..good.len() / 2).unwrap_or_default()),
    ];

    for (what, bytes) in cases {
        let refusal = refused(&api, "empty", "1.0.0", bytes).await?;
        assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {refusal}");
        assert!(refusal.body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{what}: {refusal}");
    }
    let misnamed = refused(&api, "full", "2.0.0", &good).await?;

    assert_eq!(misnamed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(misnamed.body["errors"].to_string().contains("`empty`"), "{misnamed}");
    assert_eq!(api.get("/api/v2/operators").await?["total_entries"], 0);
    let uploads: Vec<_> = std::fs::read_dir(server.home().join("uploads"))?.collect();
    assert!(uploads.is_empty(), "{uploads:?}");
    let modules: Vec<_> = std::fs::read_dir(server.home().join("modules/sha256"))?.collect();
    assert!(modules.is_empty(), "{modules:?}");
    Ok(())
}

async fn a_version_never_changes(database: Database) -> Result<()> {
    let server = Server::start(database)?;
    let api = server.api()?;
    let first = module("empty")?;
    // The same operator with other bytes: a custom section at the end changes nothing but the digest.
    let mut other = first.clone();
    other.extend([0, 5, 4, b'n', b'o', b't', b'e']);

    let created = api.upload("empty", "1.0.0", first.clone()).await?;
    let again = api.upload("empty", "1.0.0", first).await?;
    let conflict = refused(&api, "empty", "1.0.0", &other).await?;

    assert_eq!(created["digest"], again["digest"]);
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    Ok(())
}
