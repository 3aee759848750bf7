// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much HTTP as it takes to ask a registrar's admin interface: GET, one request a connection.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::exit::Exit;

/// The body of `GET {base}{path}`, if the status is 200.
pub(crate) async fn get(base: &str, path: &str, limit: Duration) -> anyhow::Result<Vec<u8>> {
    let bare = || base.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map(|_| base);
    let host = base.strip_prefix("http://").or_else(bare).map(|rest| rest.trim_end_matches('/'));
    let Some(host) = host.filter(|host| !host.is_empty() && !host.contains('/')) else {
        return Err(anyhow!("\"{base}\" is no admin URL: give one like http://127.0.0.1:8650 or 127.0.0.1:8650"))
            .context(Exit::Usage);
    };
    let with_port = if host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:8650")
    };
    match tokio::time::timeout(limit, exchange(&with_port, host, path)).await {
        Ok(result) => body(&result?, base, path),
        Err(_) => Err(anyhow!("the registrar at {base} took longer than {limit:?}")).context(Exit::Timeout),
    }
}

async fn exchange(address: &str, host: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("nothing listens at http://{address}: start rsp-registrar, or give --admin URL"))
        .context(Exit::NoRegistrar)?;
    // Version 1.0: the answer ends with the connection and has no chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn body(answer: &[u8], base: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let head = end.and_then(|end| std::str::from_utf8(&answer[..end]).ok());
    let status = head.and_then(|head| head.split_whitespace().nth(1)?.parse::<u16>().ok());
    match (status, end) {
        (Some(200), Some(end)) => Ok(answer[end + 4..].to_vec()),
        (Some(404), _) => Err(anyhow!("there is no {path} at {base}")).context(Exit::NotFound),
        (Some(status @ (401 | 403)), _) => Err(anyhow!("{base} refuses {path}: status {status}")).context(Exit::Denied),
        (Some(status), _) => bail!("{base} answers {path} with status {status}"),
        (None, _) => bail!("what listens at {base} is no registrar's admin interface: give --admin URL"),
    }
}

/// A hundred thousand pools fit; what answers more is no registrar.
const MAX_ANSWER: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_follows_the_first_empty_line() {
        let answer = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":\r\n\r\n1}";
        assert_eq!(body(answer, "http://r", "/v1/pools").unwrap(), b"{\"a\":\r\n\r\n1}");
    }

    #[test]
    fn other_answers_are_errors_with_their_exit_code() {
        let exit = |answer: &[u8]| Exit::of(&body(answer, "http://r", "/v1/pools").unwrap_err());
        assert_eq!(exit(b"HTTP/1.1 404 Not Found\r\n\r\n"), Exit::NotFound);
        assert_eq!(exit(b"HTTP/1.1 403 Forbidden\r\n\r\n"), Exit::Denied);
        assert_eq!(exit(b"SSH-2.0-OpenSSH_9.2\r\n"), Exit::Failed);
        assert_eq!(exit(b""), Exit::Failed);
    }
}
