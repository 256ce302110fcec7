//! Who may ask: requests for this machine by a name that is its own, from its own page where they change something, and
//! with the token where there is one.

use std::net::SocketAddr;

use axum::{
    Form,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{Shared, api::Refusal, page};

/// The cookie that a login sets.
const COOKIE: &str = "stemwise";
/// What is seen without a token.
const OPEN: [&str; 3] = ["/login", "/assets/style.css", "/assets/login.css"];

/// Names and token.
pub(super) struct Access {
    address: SocketAddr,
    hosts: Vec<String>,
    /// BLAKE3 of it, which compares in a time that tells nothing.
    token: Option<blake3::Hash>,
}

impl Access {
    pub fn new(address: SocketAddr, hosts: &[String], token: Option<&str>) -> Self {
        Access {
            address,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            token: token.map(|token| blake3::hash(token.as_bytes())),
        }
    }

    /// Whether a `Host` or an origin's authority is this machine. A page elsewhere can make its own name lead here, but
    /// then asks by that name; no name leads elsewhere if it is a number.
    fn is_own(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else {
            return false;
        };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if self.hosts.iter().any(|own| own == &host) || host == "localhost" {
            return true;
        }
        match bare.parse::<std::net::IpAddr>() {
            Ok(ip) => ip.is_loopback() || self.address.ip().is_unspecified() || ip == self.address.ip(),
            Err(_) => false,
        }
    }

    fn is_token(&self, given: &[u8]) -> bool {
        self.token.is_none_or(|token| token == blake3::hash(given))
    }

    /// Whether the cookie is what a login set: the hash of the token, in hexadecimal digits.
    fn is_cookie(&self, given: &str) -> bool {
        let given = blake3::Hash::from_hex(given);
        matches!((self.token, given), (Some(token), Ok(given)) if cookie(token) == given)
    }

    fn may_ask(&self, headers: &HeaderMap) -> bool {
        if self.token.is_none() {
            return true;
        }
        let bearer = headers.get(header::AUTHORIZATION);
        let bearer = bearer.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if bearer.is_some_and(|token| self.is_token(token)) {
            return true;
        }
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut pairs = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == COOKIE && self.is_cookie(value))
    }
}

/// What a cookie holds: not the token's own hash, so that what is stored in a browser is no key to anything else.
fn cookie(token: blake3::Hash) -> blake3::Hash {
    blake3::keyed_hash(token.as_bytes(), b"stemwise login")
}

/// Refuses what must not be asked.
pub(super) async fn check(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = match refused(&shared.access, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    page::guard(response.headers_mut());
    response
}

fn refused(access: &Access, request: &Request) -> Option<Response> {
    let headers = request.headers();
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    let host = text(header::HOST).or_else(|| request.uri().authority().map(Authority::as_str));
    if !host.is_some_and(|host| access.is_own(host)) {
        let message = "this machine is not known by that name: start with --host NAME to let it be";
        return Some(Refusal::new(StatusCode::MISDIRECTED_REQUEST, message).into_response());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let foreign = match (headers.get(header::ORIGIN), text(header::ORIGIN)) {
            (None, _) => text(header::HeaderName::from_static("sec-fetch-site"))
                .is_some_and(|site| !["same-origin", "none"].contains(&site)),
            (Some(_), origin) => {
                let authority = origin.and_then(|origin| origin.split_once("://"));
                !authority.is_some_and(|(_, authority)| access.is_own(authority))
            }
        };
        if foreign {
            let message = "another page may not change anything here";
            return Some(Refusal::new(StatusCode::FORBIDDEN, message).into_response());
        }
    }
    let path = request.uri().path();
    if !OPEN.contains(&path) && !access.may_ask(headers) {
        let page = text(header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
        if page && request.method() == Method::GET {
            return Some(Redirect::to("/login").into_response());
        }
        let message = "a token is needed: as a header, 'Authorization: Bearer TOKEN', or at /login";
        let mut response = Refusal::new(StatusCode::UNAUTHORIZED, message).into_response();
        let bearer = header::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        return Some(response);
    }
    None
}

#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
}

/// Sets the cookie for whoever knows the token.
pub(super) async fn login(State(shared): State<Shared>, Form(login): Form<Login>) -> Response {
    let access = &shared.access;
    let Some(token) = access.token.filter(|_| access.is_token(login.token.as_bytes())) else {
        return match access.token {
            None => Redirect::to("/").into_response(),
            Some(_) => Redirect::to("/login?wrong").into_response(),
        };
    };
    let cookie = format!(
        "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000",
        cookie(token).to_hex()
    );
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

/// Forgets it.
pub(super) async fn logout() -> Response {
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_own() {
        let at = |address: &str, hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            Access::new(address.parse().unwrap(), &hosts, None)
        };
        let here = at("127.0.0.1:8340", &["Music.Home"]);
        for own in [
            "localhost",
            "localhost:8340",
            "127.0.0.1:8340",
            "[::1]:8340",
            "music.home",
            "MUSIC.home:99",
        ] {
            assert!(here.is_own(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8340",
            "192.168.1.5:8340",
            "music.home.evil",
            "localhost:8340@evil.example",
            "a b",
        ] {
            assert!(!here.is_own(foreign), "{foreign}");
        }
        let everywhere = at("0.0.0.0:8340", &[]);
        assert!(everywhere.is_own("192.168.1.5:8340") && !everywhere.is_own("nas:8340"));
    }

    #[test]
    fn a_token_is_asked_for_where_there_is_one() {
        let access = Access::new("127.0.0.1:1".parse().unwrap(), &[], Some("secret"));
        let with = |name: header::HeaderName, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            access.may_ask(&headers)
        };
        let cookie = cookie(blake3::hash(b"secret")).to_hex();
        assert!(with(header::AUTHORIZATION, "Bearer secret"));
        assert!(with(header::COOKIE, &format!("a=b; stemwise={cookie}")));
        let hash = blake3::hash(b"secret").to_hex();
        for (name, value) in [
            (header::AUTHORIZATION, "Bearer secre"),
            (header::AUTHORIZATION, "Bearer secrets"),
            (header::AUTHORIZATION, "Bearer "),
            (header::AUTHORIZATION, "secret"),
            (header::COOKIE, "stemwise=secret"),
            (header::COOKIE, &format!("stemwise={hash}")),
            (header::COOKIE, &format!("other={cookie}")),
            (header::COOKIE, "stemwise="),
        ] {
            assert!(!with(name, value), "{value}");
        }
        assert!(!access.may_ask(&HeaderMap::new()));
        let open = Access::new("127.0.0.1:1".parse().unwrap(), &[], None);
        assert!(open.may_ask(&HeaderMap::new()));
    }
}
