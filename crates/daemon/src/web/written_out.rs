//! Answers in which no name of a database, table or role moves the cursor of a terminal, or turns the direction of writing.
//! Writers to the bucket and owners of databases give such names, and people call pages with curl.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use backup_core::text::{json_text, page_text};

/// Answers are held as a whole before they are sent, as they are without this.
const MAX_BYTES: usize = usize::MAX;

/// Writes out what an answer holds of that, by its kind. Labels of metrics have rules of their own, and are written out
/// as they are made.
pub(super) async fn write_out(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let write: fn(&str) -> String = match kind.split(';').next().unwrap_or_default() {
        "application/json" => json_text,
        "text/html" | "image/svg+xml" => page_text,
        _ => return response,
    };
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BYTES).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let text = write(&String::from_utf8_lossy(&bytes));
    if text.as_bytes() == bytes {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::response::Html;
    use axum::routing::get;
    use backup_core::stop::Stop;
    use backup_core::text::is_unprintable;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::super::{bind, serve};
    use super::*;

    const NAME: &str = "a\u{1b}[2J\u{9b}1A\u{2028}\u{202e}\u{e0041}\r\n\"<b>\\";

    async fn body(port: u16, method: &str, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    #[tokio::test]
    async fn no_name_moves_the_cursor_of_those_who_call_a_page_with_curl() {
        let pages = Router::new()
            .route("/json", get(async || axum::Json(json!({ NAME: [NAME] }))))
            .route("/html", get(async || Html(format!("<p>{}</p>\n", NAME.replace('<', "&lt;")))))
            .route("/plain", get(async || Html("<p>Größe 日本\t1</p>\n")))
            .layer(from_fn(write_out));
        let listener = bind(0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(serve(listener, pages, Stop::default()));
        for path in ["/json", "/html"] {
            let (head, text) = body(port, "GET", path).await;
            let raw = text.chars().find(|one| !matches!(one, '\n' | '\t') && is_unprintable(*one));
            assert!(
                raw.is_none() && head.contains(&format!("content-length: {}", text.len())),
                "{path}: {head}\n{text:?}"
            );
        }
        let (_, text) = body(port, "GET", "/json").await;
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({ NAME: [NAME] }));
        assert_eq!(body(port, "GET", "/plain").await.1, "<p>Größe 日本\t1</p>\n");
        let (head, text) = body(port, "HEAD", "/plain").await;
        assert!(text.is_empty() && head.contains("content-length: 24"), "{head}");
        server.abort();
    }
}
