//! Names that are also words of paths.
//!
//! `POST .../taskInstances/list` lists instances, and `GET .../taskInstances/{task_id}` with a task called `list` asks for that task. A
//! router knows only paths: where one path is a word and another has a parameter in its place, it takes the word, and refuses the methods
//! that only the other has. So a request with such a method has the word's first byte written as an escape before it is routed: it means
//! the same, and is not the word.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use utoipa::openapi::{OpenApi, PathItem};

/// One path that is a word where another has a parameter.
#[derive(Debug)]
struct Alternative {
    segments: Vec<String>,
    /// Which of the segments is the word.
    word: usize,
    /// Those that only the path with the parameter has.
    methods: BTreeSet<&'static str>,
}

/// All of an API.
#[derive(Clone, Debug)]
pub struct Alternatives(Arc<[Alternative]>);

impl Alternatives {
    pub fn of(api: &OpenApi) -> Self {
        let paths: Vec<(Vec<String>, BTreeSet<&'static str>)> =
            api.paths.paths.iter().map(|(path, item)| (segments(path), methods(item))).collect();
        let mut found = Vec::new();
        for (exact, own) in &paths {
            for (general, others) in &paths {
                let Some(word) = word(exact, general) else { continue };
                let methods: BTreeSet<&str> = others.difference(own).copied().collect();
                if !methods.is_empty() {
                    found.push(Alternative { segments: exact.clone(), word, methods });
                }
            }
        }
        Self(found.into())
    }

    /// The request, addressed to the path that has its method.
    pub fn address(&self, mut request: Request) -> Request {
        let path = request.uri().path();
        let given: Vec<&str> = path.split('/').collect();
        let method = request.method().as_str();
        let found = self.0.iter().find(|known| known.methods.contains(method) && fits(&known.segments, &given));
        if let Some(known) = found
            && let Some(uri) = escaped(request.uri(), &given, known.word)
        {
            *request.uri_mut() = uri;
        }
        request
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// Where the one path has a word and the other a parameter, if they differ in nothing else.
fn word(exact: &[String], general: &[String]) -> Option<usize> {
    if exact.len() != general.len() {
        return None;
    }
    let alike = |(one, other): (&String, &String)| one == other || (is_parameter(one) && is_parameter(other));
    let mut different = (0..exact.len()).filter(|at| !alike((&exact[*at], &general[*at])));
    let at = different.next().filter(|at| !is_parameter(&exact[*at]) && is_parameter(&general[*at]))?;
    different.next().is_none().then_some(at)
}

fn fits(known: &[String], given: &[&str]) -> bool {
    known.len() == given.len() && known.iter().zip(given).all(|(known, given)| is_parameter(known) || known == given)
}

fn escaped(uri: &Uri, given: &[&str], word: usize) -> Option<Uri> {
    let rest = given[word].get(1..)?;
    let segment = format!("%{:02X}{rest}", given[word].as_bytes().first()?);
    let mut given = given.to_vec();
    given[word] = &segment;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}{query}", given.join("/"))).ok()?);
    Uri::from_parts(parts).ok()
}

fn methods(item: &PathItem) -> BTreeSet<&'static str> {
    let present = [
        ("GET", item.get.is_some()),
        ("HEAD", item.get.is_some()),
        ("PUT", item.put.is_some()),
        ("POST", item.post.is_some()),
        ("PATCH", item.patch.is_some()),
        ("DELETE", item.delete.is_some()),
    ];
    present.into_iter().filter(|(_, is_there)| *is_there).map(|(method, _)| method).collect()
}
