//! A library over HTTP: what it answers, whom it refuses, and that it goes on answering.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod refusals;
#[cfg(feature = "weights")]
mod stems;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use client::{Answer, Served};
use serde_json::Value;
use stemwise::{
    corpus::Instrument,
    library::{Content, FileInfo, Header, RunName, Subspace, Tags, Writer},
};
use tempfile::TempDir;

/// Bytes of every song's file.
const BYTES: usize = 1000;

/// A library of `names`, nobody's model's: the n-th song's vectors are all n, and its file holds a thousand bytes.
fn library(folder: &TempDir, names: &[&str]) -> PathBuf {
    let root = folder.path().join("library");
    add(folder, &root, names, 0);
    root
}

fn add(folder: &TempDir, root: &Path, names: &[&str], from: usize) {
    let subspace = |instrument| Subspace {
        instrument,
        dimensions: 2,
    };
    let header = Header {
        format: 1,
        identity: "none".into(),
        runs: vec![RunName {
            folder: "/nowhere".into(),
            recipe: "direct".into(),
            weights: "none".into(),
        }],
        rate: 44_100,
        segment: 44_100,
        hop: 44_100,
        subspaces: Instrument::ALL.map(subspace).to_vec(),
        stems: None,
    };
    let mut writer = Writer::open(root, &header).unwrap();
    for (n, name) in (from..).zip(names) {
        let path = folder.path().join("music").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, song(n)).unwrap();
        // as `embed` names it
        let path = fs::canonicalize(&path).unwrap();
        let file = FileInfo {
            path,
            relative: name.into(),
            size: BYTES as u64,
            modified: 0,
            changed: None,
            inode: None,
        };
        let content = Content {
            hash: id(n),
            seconds: 61.0,
            channel: None,
            presence: None,
            // of the first two songs, what they say of themselves
            tags: (n < 2).then(|| Tags {
                title: Some(format!("Title {n}")),
                artist: Some("One Artist".into()),
                album: Some("<i>Album".into()),
                ..Tags::default()
            }),
        };
        // the last of all sub-spaces goes the other way
        let mut row = vec![n as f32; 10];
        row[8..].fill(-(n as f32));
        writer.add(file, content, Some(&row)).unwrap();
    }
    writer.finish().unwrap();
}

fn song(n: usize) -> Vec<u8> {
    (0..BYTES).map(|i| (i * 7 + n) as u8).collect()
}

fn id(n: usize) -> String {
    format!("{n:064x}")
}

const NAMES: [&str; 6] = [
    "a/First song.flac",
    "a/Second.flac",
    "b/Third.flac",
    "b/Fourth <b>&amp;.flac",
    "b/Größe.flac",
    "c/Last.flac",
];

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let matches = json["matches"].as_array().unwrap();
    let id = |near: &Value| near["song"]["id"].as_str().unwrap().to_string();
    matches.iter().map(id).collect()
}

#[test]
fn songs_are_found_by_name_and_by_instrument() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&library(&folder, &NAMES), &[]);
    let library = served.get("/api/v1/library").json();
    assert_eq!(library["songs"], 6);
    assert_eq!(
        library["instruments"],
        serde_json::json!(["drums", "bass", "piano", "guitar", "residuals"])
    );

    let found = served.get("/api/v1/songs?text=SONG%20first").json();
    assert_eq!(
        (&found["total"], &found["songs"][0]["id"]),
        (&1.into(), &id(0).into())
    );
    let found = served.get("/api/v1/songs?text=gr%C3%B6%C3%9Fe").json();
    assert_eq!(found["songs"][0]["title"], "Größe");
    let found = served.get("/api/v1/songs?text=title%201%20artist%20album").json();
    let song = &found["songs"][0];
    assert_eq!((&found["total"], &song["id"]), (&1.into(), &id(1).into()));
    assert_eq!(
        (&song["title"], &song["artist"], &song["album"]),
        (&"Title 1".into(), &"One Artist".into(), &"<i>Album".into())
    );
    let found = served.get("/api/v1/songs?limit=2&offset=4").json();
    assert_eq!(
        (found["total"].as_u64(), found["songs"].as_array().unwrap().len()),
        (Some(6), 2)
    );
    let one = served.get(&format!("/api/v1/songs/{}", id(5))).json();
    assert_eq!(one["folder"], "c");

    // 1 and 3 are as far from 2; of what is as far, the first path
    let near = |rest: &str| ids(&served.get(&format!("/api/v1/similar?song={}{rest}", id(2))));
    assert_eq!(near("&count=3"), [id(1), id(3), id(0)]);
    let unlike = near("&focus=drums%3D-1&count=1");
    assert_eq!(unlike, [id(5)]);
    assert_eq!(near("&per_folder=1"), [id(1), id(3), id(5)]);
    // of an artist's two, the nearer; who says nothing is nobody's
    assert_eq!(near("&per_artist=1"), [id(1), id(3), id(4), id(5)]);
    assert_eq!(near("&fold=100"), [""; 0]);
    let two = format!("/api/v1/similar?song={},{}&count=2", id(4), id(5));
    assert_eq!(ids(&served.get(&two)), [id(3), id(2)]);
    let answer = served
        .get(&format!("/api/v1/similar?song={}&focus=bass&count=1", id(0)))
        .json();
    let distances = &answer["matches"][0]["instruments"];
    assert_eq!(distances["bass"], answer["matches"][0]["distance"]);
    assert!(distances["residuals"].as_f64().unwrap() > 0.0);

    let list = served
        .get(&format!("/api/v1/playlist.m3u8?song={}&count=2", id(2)))
        .text();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!((lines[0], lines.len()), ("#EXTM3U", 6));
    assert!(Path::new(lines[3]).is_file(), "{list}");
}

#[test]
fn files_are_played_whole_and_in_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&library(&folder, &NAMES), &[]);
    let audio = format!("/api/v1/songs/{}/audio", id(3));
    let whole = served.get(&audio);
    assert_eq!((whole.status, &whole.body), (200, &song(3)));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let part = |range: &str| served.ask("GET", &audio, &[("Range", range)], b"");
    let middle = part("bytes=100-199");
    assert_eq!((middle.status, &middle.body[..]), (206, &song(3)[100..200]));
    assert_eq!(middle.header("content-range"), Some("bytes 100-199/1000"));
    assert_eq!(
        (part("bytes=990-").status, part("bytes=990-").body),
        (206, song(3)[990..].to_vec())
    );
    assert_eq!(part("bytes=-10").body, song(3)[990..].to_vec());
    assert_eq!(part("bytes=1000-").status, 416);
    let head = served.ask("HEAD", &audio, &[], b"");
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("1000"), 0)
    );

    fs::remove_file(folder.path().join("music").join(NAMES[3])).unwrap();
    let gone = served.get(&audio);
    assert_eq!(gone.status, 410);
    assert!(gone.text().contains("not there any more"));
    assert_eq!(served.get(&format!("/api/v1/songs/{}/audio", id(99))).status, 404);
}

#[test]
fn what_is_described_while_it_runs_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let root = library(&folder, &NAMES);
    let served = Served::start(&root, &[]);
    let songs = || served.get("/api/v1/library").json()["songs"].as_u64().unwrap();
    assert_eq!(songs(), 6);
    add(&folder, &root, &["d/New.flac"], 6);
    let started = Instant::now();
    while songs() != 7 {
        assert!(started.elapsed() < Duration::from_secs(20), "it is not seen");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(served.get("/api/v1/songs?text=new").json()["total"], 1);
}

#[test]
fn a_hundred_ask_at_once_and_a_slow_one_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&library(&folder, &NAMES), &[]);
    // begun, and never ended
    let _slow: Vec<_> = (0..20)
        .map(|_| served.send(b"GET /api/v1/library HTTP/1.1\r\nHost: loc"))
        .collect();
    let address = &format!("/api/v1/similar?song={}", id(2));
    let expected = ids(&served.get(address));
    thread::scope(|scope| {
        let asked = (0..100).map(|_| scope.spawn(|| ids(&served.get(address))));
        for answer in asked.collect::<Vec<_>>() {
            assert_eq!(answer.join().unwrap(), expected);
        }
    });
}

/// Every path that the description names is there, and the page asks for no other.
#[test]
fn the_description_is_of_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&library(&folder, &NAMES), &[]);
    let description = served.get("/openapi.json").json();
    let paths = description["paths"].as_object().unwrap();
    let source = include_str!("../../src/serve/mod.rs");
    let routed: Vec<&str> = source
        .split(".route(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| path.starts_with("/api/"))
        .collect();
    assert_eq!(routed.len(), paths.len());
    for path in routed {
        assert!(paths.contains_key(path), "{path} is not described");
        let asked = path.replace("{id}", &id(0)).replace("{instrument}", "drums");
        let asked = match path.contains("similar") || path.contains("playlist") {
            true => format!("{asked}?song={}", id(0)),
            false => asked,
        };
        let answer = served.get(&asked);
        // of a song that nobody separated, no instrument is there
        let separated = path.contains("{instrument}");
        assert_eq!(answer.status, if separated { 404 } else { 200 }, "{asked}");
        if separated {
            assert!(answer.text().contains("not separated"), "{}", answer.text());
            continue;
        }
        let kinds = &paths[path]["get"]["responses"]["200"]["content"];
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap();
        let described = kinds.as_object().unwrap();
        assert!(
            described.contains_key(kind) || described.contains_key("*/*"),
            "{asked}: {kind}"
        );
        // what is promised of an answer's fields holds
        if let Some(schema) = kinds[kind]["schema"].as_object() {
            let name = schema
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|name| name.rsplit('/').next());
            let schema = match name {
                Some(name) => &description["components"]["schemas"][name],
                None => &kinds[kind]["schema"],
            };
            let json = answer.json_or_null();
            for field in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    json.get(field.as_str().unwrap()).is_some(),
                    "{asked} has no {field}"
                );
            }
        }
    }
}

#[test]
fn the_page_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&library(&folder, &NAMES), &[]);
    let page = served.get("/");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let text = page.text();
    for asset in text
        .split("/assets/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert_eq!(served.get(&format!("/assets/{asset}")).status, 200, "{asset}");
    }
    // nothing is loaded from elsewhere, and no style or script stands in the page, where the policy forbids it
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("style="));
    for script in ["app.js", "stems.js"] {
        let script = served.get(&format!("/assets/{script}"));
        assert_eq!(
            script.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        // text becomes text, whatever a song is called
        let script = script.text();
        assert!(
            ![
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval("
            ]
            .iter()
            .any(|way| script.contains(way))
        );
    }
}
