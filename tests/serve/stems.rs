//! The instruments of a song, over HTTP.

use super::*;
use crate::common::program::{command, done};

/// Seconds that the songs last.
const SECONDS: usize = 1;
const RATE: u32 = 44_100;

/// Writes a song of 16-bit samples in one channel: a tone, and a click every half second.
fn write_song(path: &Path, hertz: f64) {
    let rate = f64::from(RATE);
    let samples = (0..SECONDS * RATE as usize).flat_map(|n| {
        let tone = (n as f64 / rate * hertz * std::f64::consts::TAU).sin() * 6000.0;
        let click = if n % 22_050 < 200 { 9000.0 } else { 0.0 };
        ((tone + click) as i16).to_le_bytes()
    });
    let data: Vec<u8> = samples.collect();
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend([1u16, 1].into_iter().flat_map(u16::to_le_bytes));
    file.extend([RATE, RATE * 2].into_iter().flat_map(u32::to_le_bytes));
    file.extend([2u16, 16].into_iter().flat_map(u16::to_le_bytes));
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    fs::write(path, file).unwrap();
}

/// Asks until a song is ready, or failed.
fn waited(served: &Served, n: usize) -> Value {
    let path = format!("/api/v1/songs/{}/stems", id(n));
    let started = Instant::now();
    loop {
        let status = served.get(&path).json();
        if ["ready", "failed"].contains(&status["state"].as_str().unwrap()) {
            return status;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{status}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// What is heard is what `separate` writes, is kept for the next server, and goes when the limit says so.
#[test]
fn a_song_is_separated_in_the_background_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = library(&folder, &["One.wav", "Two.wav", "noise.wav", "gone.wav"]);
    let music = |name: &str| folder.path().join("music").join(name);
    write_song(&music("One.wav"), 110.0);
    write_song(&music("Two.wav"), 440.0);
    fs::remove_file(music("gone.wav")).unwrap();
    let cache = folder.path().join("cache");
    let cached = [("XDG_CACHE_HOME", cache.to_str().unwrap())];
    let start =
        |limit: &str| Served::in_environment(&root, &["--device", "cpu", "--stems-limit", limit], &cached);
    let post = |served: &Served, n| served.ask("POST", &format!("/api/v1/songs/{}/stems", id(n)), &[], b"");

    let served = start("1");
    let path = format!("/api/v1/songs/{}/stems", id(0));
    assert_eq!(served.get(&path).json()["state"], "none");
    let foreign = served.ask("POST", &path, &[("Origin", "http://evil.example")], b"");
    assert_eq!(
        (foreign.status, &served.get(&path).json()["state"]),
        (403, &"none".into())
    );
    assert_eq!(post(&served, 0).status, 202);
    assert_eq!(post(&served, 2).status, 202);
    assert_eq!((post(&served, 3).status, post(&served, 9).status), (410, 404));
    let ready = waited(&served, 0);
    assert_eq!(
        ready["stems"],
        serde_json::json!(["drums", "bass", "piano", "guitar", "residuals"])
    );

    let out = folder.path().join("separated");
    let mut separate = command(["separate", "--device", "cpu", "--out"]);
    done(&separate.arg(&out).arg(music("One.wav")).output().unwrap());
    for instrument in Instrument::ALL {
        let expected = fs::read(out.join("One").join(format!("{instrument}.wav"))).unwrap();
        let stem = served.get(&format!("{path}/{instrument}"));
        assert!(stem.status == 200 && stem.body == expected, "{instrument}");
        let part = served.ask(
            "GET",
            &format!("{path}/{instrument}"),
            &[("Range", "bytes=8-11")],
            b"",
        );
        assert_eq!((part.status, &part.body[..]), (206, &b"WAVE"[..]));
    }
    // what is no music fails in words, and stops nobody
    let failed = waited(&served, 2);
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["error"].as_str().unwrap().contains("noise.wav"),
        "{failed}"
    );
    for wrong in ["flute", "..%2fdrums", "drums.wav", "used"] {
        assert_eq!(served.get(&format!("{path}/{wrong}")).status, 404, "{wrong}");
    }

    drop(served);
    let served = start("0");
    assert_eq!(post(&served, 0).status, 200);
    post(&served, 1);
    assert_eq!(waited(&served, 1)["state"], "ready");
    let started = Instant::now();
    while served.get(&path).json()["state"] != "none" {
        assert!(started.elapsed() < Duration::from_secs(20), "it is kept");
        thread::sleep(Duration::from_millis(50));
    }
}
