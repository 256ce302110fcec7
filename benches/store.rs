//! What a store of 2,000 tracks of four minutes costs: its index on the disk, opening it, memory.
//!
//! ```text
//! cargo bench --bench store                              in the temporary folder
//! STEMWISE_BENCH_DIR=/mnt/disk cargo bench --bench store elsewhere
//! ```
//!
//! The first 10,000 random excerpts of 3 s fault every page in, the second find what the system has kept of them.
//! Its samples are holes: 212 GB in the folder's listing, nothing on the disk. What is touched of them takes part of
//! the system's page cache all the same, and is counted as the process' file memory, which the system may take back.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs::{self, File},
    hint::black_box,
    path::Path,
    time::Instant,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stemwise::corpus::{Instrument, SoundingStarts, Store};

const TRACKS: u32 = 2000;
const RATE: u64 = 44_100;
const FRAMES: u64 = 240 * RATE;
const QUIET: u64 = 40;
const EXCERPTS: usize = 10_000;
const EXCERPT: usize = 3 * RATE as usize;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = match env::var_os("STEMWISE_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let root = folder.path();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let index = write_store(root, &mut rng)?;
    println!(
        "{TRACKS} tracks of {} s, {QUIET} quiet stretches an instrument",
        FRAMES / RATE
    );
    println!("index on disk             {:8.1} MB", index as f64 / 1e6);

    report("before opening");
    for pass in ["first", "second"] {
        let started = Instant::now();
        let store = Store::open(root)?;
        println!("{pass:6} opening            {:8.1} ms", milliseconds(started));
        assert_eq!(store.tracks().len(), TRACKS as usize);
        report("after opening");
    }

    let store = Store::open(root)?;
    let started = Instant::now();
    let mut starts = 0;
    for track in store.tracks() {
        for instrument in Instrument::ALL {
            starts += SoundingStarts::of(track.quiet(instrument), EXCERPT).map_or(0, |starts| starts.count());
        }
    }
    println!(
        "sounding starts of all    {:8.1} ms ({starts})",
        milliseconds(started)
    );

    for pass in ["first", "second"] {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let started = Instant::now();
        let mut sum = 0i64;
        for _ in 0..EXCERPTS {
            let track = &store.tracks()[rng.random_range(0..store.tracks().len())];
            let instrument = Instrument::ALL[rng.random_range(0..5)];
            let samples = track.samples(instrument).ok_or("every instrument plays")?;
            let start = rng.random_range(0..samples.len() - EXCERPT);
            sum += samples[start..][..EXCERPT]
                .iter()
                .map(|&x| i64::from(x))
                .sum::<i64>();
        }
        black_box(sum);
        println!(
            "{pass:6} {EXCERPTS} excerpts     {:8.1} ms",
            milliseconds(started)
        );
        report("after excerpts");
    }
    Ok(())
}

/// Writes the files that `corpus prepare` would, but for the samples and their hashes; returns the bytes of the index.
fn write_store(root: &Path, rng: &mut ChaCha8Rng) -> Result<usize, Box<dyn Error>> {
    let stride = (2 * FRAMES).next_multiple_of(64);
    fs::create_dir(root.join("train"))?;
    let hex = |bytes: &[u8]| blake3::hash(bytes).to_hex();
    let (mut index, mut entries, mut listed) = (0, Vec::new(), String::new());
    for id in 1..=TRACKS {
        let mut parts = Vec::new();
        for instrument in Instrument::ALL {
            let mut quiet = Vec::new();
            for _ in 0..QUIET {
                let length = rng.random_range(1024..FRAMES / QUIET / 2);
                let gap = rng.random_range(FRAMES / QUIET / 2..FRAMES / QUIET);
                quiet.push(format!("[{gap},{length}]"));
            }
            quiet[0] = "[0,5000]".into();
            parts.push(format!(
                r#"{{"instrument":"{instrument}","clipped":0,"quiet":[{}]}}"#,
                quiet.join(",")
            ));
        }
        let content = format!(
            r#"{{"version":1,"split":"train","id":{id},"rate":{RATE},"frames":{FRAMES},"beat":500000,"pcm":"{}","parts":[{}]}}"#,
            hex(b""),
            parts.join(",")
        );
        let record = format!(r#"{{"source":"{}","content":{content}}}"#, hex(b""));
        let name = format!("train/Track{id:05}");
        let hash = hex(content.as_bytes());
        writeln!(listed, "{name} {hash}")?;
        entries.push(format!(r#"{{"split":"train","id":{id},"hash":"{hash}"}}"#));
        index += record.len();
        fs::write(root.join(name.clone() + ".json"), record)?;
        File::create(root.join(name + ".pcm"))?.set_len(5 * stride)?;
    }
    let hash = hex(format!("stemwise store 1, {RATE} Hz\n{listed}").as_bytes());
    let entries = entries.join(",\n");
    let manifest =
        format!(r#"{{"version":1,"rate":{RATE},"hash":"{hash}","tracks":[{entries}],"left_out":[]}}"#);
    fs::write(root.join("store.json"), &manifest)?;
    Ok(index + manifest.len())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Memory as Linux counts it: the process' own, and pages of mapped files.
fn report(when: &str) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    match (field("RssAnon:"), field("RssFile:")) {
        (Some(own), Some(files)) => {
            println!(
                "  memory {when:18} {:8.1} MB own, {:8.1} MB of files",
                own / 1e3,
                files / 1e3
            );
        }
        _ => println!("  memory {when:18} unknown: no /proc/self/status"),
    }
}
