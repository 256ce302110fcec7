//! What is refused, and that nothing ends it.

use super::*;
use crate::common::program::{command, refused};

#[test]
fn questions_that_make_no_sense_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&library(&folder, &NAMES), &[]);
    let song = id(2);
    for (path, status, says) in [
        ("/api/v1/similar".to_string(), 400, "song"),
        ("/api/v1/similar?song=".into(), 400, "1 to 100 ids"),
        (
            format!("/api/v1/similar?song={}", vec![id(1); 101].join(",")),
            400,
            "1 to 100 ids",
        ),
        ("/api/v1/similar?song=nothing".into(), 404, "no song 'nothing'"),
        (
            format!("/api/v1/similar?song={song}&focus=flute"),
            400,
            "no instrument 'flute'",
        ),
        (
            format!("/api/v1/similar?song={song}&focus=drums%3Dx"),
            400,
            "a weight is a number",
        ),
        (
            format!("/api/v1/similar?song={song}&focus=drums%3Dinf"),
            400,
            "a weight is a number",
        ),
        (
            format!("/api/v1/similar?song={song}&focus=drums%3D0"),
            400,
            "all weights are 0",
        ),
        (format!("/api/v1/similar?song={song}&count=-1"), 400, "count"),
        (format!("/api/v1/similar?song={song}&fold=NaN"), 400, "fold"),
        (format!("/api/v1/similar?song={song}&colour=red"), 400, "colour"),
        ("/api/v1/songs?limit=many".into(), 400, "limit"),
        ("/api/v1/nothing".into(), 404, "openapi.json"),
        ("/assets/app.css".into(), 404, "nothing here"),
    ] {
        let answer = served.get(&path);
        let text = answer.text();
        assert_eq!(answer.status, status, "{path}: {text}");
        let error = answer.json()["error"].as_str().unwrap_or_default().to_string();
        assert!(error.contains(says), "{path}: {error}");
    }
    assert_eq!(served.ask("DELETE", "/api/v1/songs", &[], b"").status, 405);
}

/// No path leads out of the library, whatever it is written as; nothing that is sent ends the server.
#[test]
fn attacks_reach_nothing_and_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = library(&folder, &NAMES);
    let secret = folder.path().join("secret.txt");
    fs::write(&secret, "a secret").unwrap();
    let mut served = Served::start(&root, &[]);
    let up = [
        "..",
        "%2e%2e",
        "%252e%252e",
        "..%2f..",
        "..%252f..",
        "....//",
        "%c0%ae%c0%ae",
        "..%00",
        "..\\",
    ];
    let places = up.iter().flat_map(|up| {
        let name = "secret.txt";
        [
            format!("/{up}/{name}"),
            format!("/assets/{up}/{name}"),
            format!("/assets/{up}%2f{name}"),
            format!("/api/v1/songs/{up}%2f{name}/audio"),
            format!("/api/v1/songs/{up}/audio"),
            format!("/api/v1/songs/{}%2f{up}%2f{name}/audio", id(0)),
        ]
    });
    let absolute = secret.display().to_string();
    let encoded = absolute.replace('/', "%2f");
    let absolutes = [
        format!("/api/v1/songs/{encoded}/audio"),
        format!("/assets/{encoded}"),
        format!("/{absolute}"),
        format!("/api/v1/songs/{}%00/audio", id(0)),
    ];
    let mut count = 0;
    for path in places.chain(absolutes) {
        let answer = served.get(&path);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("a secret"), "{path}");
        count += 1;
    }
    // a song, or its folder, that is a link by now leads to what the library never held
    #[cfg(unix)]
    for (n, link) in [(0, "a/First song.flac"), (5, "c")] {
        let link = folder.path().join("music").join(link);
        let target = match n {
            0 => secret.clone(),
            _ => {
                fs::write(folder.path().join("Last.flac"), "a secret").unwrap();
                folder.path().to_path_buf()
            }
        };
        let removed = if link.is_dir() {
            fs::remove_dir_all(&link)
        } else {
            fs::remove_file(&link)
        };
        removed.unwrap();
        std::os::unix::fs::symlink(target, &link).unwrap();
        let answer = served.get(&format!("/api/v1/songs/{}/audio", id(n)));
        assert!(
            answer.status == 410 && !answer.text().contains("a secret"),
            "{}",
            link.display()
        );
    }
    let long = "x".repeat(200_000);
    let requests: [Vec<u8>; 10] = [
        b"".to_vec(),
        b"\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [0u8, 255, 1, 2, 3].repeat(5000),
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n").into_bytes(),
        format!("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999\r\n\r\n{long}")
            .into_bytes(),
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"
            .to_vec(),
    ];
    for request in requests {
        // it may be refused before it is sent
        let _ = std::net::TcpStream::connect(&served.address).map(|mut stream| {
            use std::io::{Read, Write};
            let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
            let _ = stream.write_all(&request);
            let _ = stream.read(&mut [0; 64]);
        });
        count += 1;
    }
    assert_eq!(count, 9 * 6 + 4 + 10);
    assert!(served.is_running());
    assert_eq!(served.get("/api/v1/library").status, 200);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(served.ask("POST", "/login", &[form], long.as_bytes()).status, 413);
}

/// Another site's page can neither ask by its own name nor change anything.
#[test]
fn other_pages_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&library(&folder, &NAMES), &["--host", "music.home"]);
    let host = |host: &str| {
        served
            .ask("GET", "/api/v1/library", &[("Host", host)], b"")
            .status
    };
    for own in ["localhost", "localhost:1", "127.0.0.1", "music.home", "[::1]:5"] {
        assert_eq!(host(own), 200, "{own}");
    }
    for other in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "10.0.0.1",
        "",
    ] {
        assert!([400, 421].contains(&host(other)), "{other}");
    }
    // refusals, too, say what browsers may do with them
    let refusal = served.ask("GET", "/", &[("Host", "evil.example")], b"");
    assert_eq!(
        (refusal.status, refusal.header("x-content-type-options")),
        (421, Some("nosniff"))
    );
    let change = |headers: &[(&str, &str)]| served.ask("POST", "/logout", headers, b"").status;
    assert_eq!(change(&[]), 303);
    assert_eq!(change(&[("Origin", "http://localhost:8340")]), 303);
    assert_eq!(change(&[("Origin", "http://evil.example")]), 403);
    assert_eq!(change(&[("Origin", "null")]), 403);
    assert_eq!(change(&[("Sec-Fetch-Site", "cross-site")]), 403);
}

#[test]
fn a_token_opens_by_header_and_by_login() {
    let folder = tempfile::tempdir().unwrap();
    let root = library(&folder, &NAMES);
    let served = Served::in_environment(
        &root,
        &["--bind", "0.0.0.0"],
        &[("STEMWISE_TOKEN", "a long secret")],
    );
    let with = |headers: &[(&str, &str)]| served.ask("GET", "/api/v1/library", headers, b"");
    let shut = with(&[]);
    assert_eq!(
        (shut.status, shut.header("www-authenticate")),
        (401, Some("Bearer"))
    );
    assert_eq!(with(&[("Authorization", "Bearer a long secret")]).status, 200);
    assert_eq!(with(&[("Authorization", "Bearer a long secres")]).status, 401);
    assert_eq!(with(&[("Cookie", "stemwise=a long secret")]).status, 401);
    // a browser is led to where it can enter, and sees nothing before
    let page = served.ask("GET", "/", &[("Accept", "text/html")], b"");
    assert_eq!((page.status, page.header("location")), (303, Some("/login")));
    assert_eq!(served.get("/login").status, 200);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let wrong = served.ask("POST", "/login", &[form], b"token=wrong");
    assert_eq!(
        (wrong.header("set-cookie"), wrong.header("location")),
        (None, Some("/login?wrong"))
    );
    let right = served.ask("POST", "/login", &[form], b"token=a+long+secret");
    let cookie = right.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains("secret"));
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(with(&[("Cookie", cookie)]).status, 200);
}

#[test]
fn what_cannot_be_served_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = library(&folder, &NAMES);
    let root = root.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = command(["serve"]);
        command
            .args(arguments)
            .env_remove("STEMWISE_TOKEN")
            .output()
            .unwrap()
    };
    refused(
        &run(&[root, "--bind", "0.0.0.0", "--port", "0"]),
        1,
        &["token", "STEMWISE_TOKEN"],
    );
    refused(&run(&["/nowhere", "--port", "0"]), 1, &["/nowhere"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&run(&[root, "--port", &port]), 1, &["cannot listen", "--port"]);
    let empty = folder.path().join("token");
    fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    refused(&run(&[root, "--token-file", empty]), 2, &["first line is empty"]);
}
