//! Something on the other side of an HTTP call.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Result;

/// Answers `GET path` with a JSON text, and everything else with 404, for as long as the process lives. Gives the address,
/// `http://127.0.0.1:port`.
///
/// # Errors
/// If no port can be had.
pub fn answer(path: &'static str, body: &'static str) -> Result<String> {
    answer_with(path, move || body)
}

/// As [`answer`], with what there is to say at the time of each request.
///
/// # Errors
/// If no port can be had.
pub fn answer_with(path: &'static str, body: impl Fn() -> &'static str + Send + 'static) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is its own affair.
            let _ = respond(stream, path, body());
        }
    });
    Ok(address)
}

fn respond(mut stream: TcpStream, path: &str, body: &str) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    request.read_line(&mut first)?;
    let mut header = String::new();
    // Up to the empty line; these requests have no body.
    while request.read_line(&mut header)? > 2 {
        header.clear();
    }
    let known = first.starts_with(&format!("GET {path} "));
    let (status, body) = if known { ("200 OK", body) } else { ("404 Not Found", "{}") };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
