// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much HTTP as it takes to ask a registrar's admin interface, and whether a server is well: GET, one request a connection.

use std::fmt;
use std::io;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
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

/// `http://HOST[:PORT][/PATH]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// With the port.
    host: String,
    path: String,
}

impl Url {
    /// The status of `GET`; what follows it is not read.
    pub(crate) async fn status(&self) -> io::Result<u16> {
        let mut stream = TcpStream::connect(&self.host).await?;
        let Url { host, path } = self;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: rsp\r\n\r\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream.take(MAX_STATUS_LINE)).read_line(&mut line).await?;
        let status = line.strip_prefix("HTTP/").and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP"))
    }
}

impl std::str::FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\": give an URL like http://127.0.0.1:8080/health (HTTPS: --check 'curl ..')");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if host.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(wrong());
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        Ok(Url { host, path: path.to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

/// Longest first line of an answer, in bytes.
const MAX_STATUS_LINE: u64 = 4096;
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

    #[tokio::test]
    async fn of_a_url_only_the_status_is_read() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/health?all", listener.local_addr().unwrap()).parse().unwrap();
        let server = async {
            for answer in ["HTTP/1.1 503 Sorry\r\n", "SSH-2.0-OpenSSH_9.2\r\n"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 16];
                stream.read_exact(&mut request).await.unwrap();
                assert_eq!(&request, b"GET /health?all ");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let client = async { (url.status().await.unwrap(), url.status().await.is_err()) };
        assert_eq!(tokio::join!(client, server).0, (503, true));
        assert_eq!("http://[::1]".parse::<Url>().map(|url| url.to_string()), Ok("http://[::1]:80/".to_owned()));
        for wrong in ["https://r1/", "r1:80", "http://", "http:///x", "http://r1/ x"] {
            assert!(wrong.parse::<Url>().is_err(), "{wrong}");
        }
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
