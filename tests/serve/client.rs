//! A client that sends what it is told to, and a server to send it to.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::common::program::command;

/// The program, serving until it is dropped.
pub struct Served {
    process: Child,
    pub address: String,
}

impl Served {
    pub fn start(library: &Path, arguments: &[&str]) -> Self {
        Self::in_environment(library, arguments, &[])
    }

    pub fn in_environment(library: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(["serve", "--port", "0"]);
        command.arg(library).args(arguments).stdout(Stdio::piped());
        command.env_remove("STEMWISE_TOKEN");
        // nothing of the user's own
        command
            .env("XDG_CACHE_HOME", library)
            .envs(variables.iter().copied());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("no address in '{line}'"));
        let port = address.rsplit(':').next().unwrap();
        Served {
            process,
            address: format!("127.0.0.1:{port}"),
        }
    }

    pub fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// The answer to a request whose `Host` is the address, unless the headers say another.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        let mut stream = self.send(&[request.as_bytes(), body].concat());
        let mut bytes = Vec::new();
        // a connection that is cut off has given what it has
        let _ = stream.read_to_end(&mut bytes);
        Answer::of(&bytes)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Answer {
    /// 0 of no answer.
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
            .collect();
        let raw = &bytes[bytes.len().min(end + 4)..];
        let chunked = headers
            .iter()
            .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        Answer {
            status: status.unwrap_or(0),
            body: if chunked { unchunked(raw) } else { raw.to_vec() },
            headers,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    pub fn json_or_null(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn unchunked(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|two| two == b"\r\n") {
        let len = usize::from_str_radix(&String::from_utf8_lossy(&raw[..end]), 16).unwrap_or(0);
        let from = end + 2;
        if len == 0 || raw.len() < from + len {
            break;
        }
        body.extend(&raw[from..from + len]);
        raw = &raw[(from + len + 2).min(raw.len())..];
    }
    body
}
