//! A library of synthetic songs, served and asked: how long it takes to open, how much memory, how fast it answers.
//!
//! `cargo run --release --example large_library -- 100000`

use std::{
    error::Error,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stemwise::{
    corpus::Instrument,
    library::{Content, FileInfo, Header, RunName, Subspace, Writer},
    serve::{ServeOptions, serve},
};

/// Numbers of an instrument's vector, as those of the model that is built in.
const DIMENSIONS: usize = 64;
const SONGS_OF_A_FOLDER: usize = 12;
const QUESTIONS: usize = 200;
const AT_ONCE: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let songs: usize = std::env::args().nth(1).as_deref().unwrap_or("10000").parse()?;
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    write(folder.path(), songs)?;
    println!(
        "written:  {songs} songs in {:.1} s",
        started.elapsed().as_secs_f64()
    );

    let before = memory();
    let started = Instant::now();
    let address = start(folder.path())?;
    println!("start-up: {:.2} s", started.elapsed().as_secs_f64());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let weights = ["drums=1", "drums=1,bass=-0.5", "piano=0.25,guitar=1,residuals=-1"];
    let mut path = |n: usize| {
        let song = id(random.random_range(0..songs));
        format!(
            "/api/v1/similar?song={song}&count=30&focus={}",
            weights[n % weights.len()]
        )
    };
    let one_by_one = (0..QUESTIONS).map(|n| ask(address, &path(n)));
    told("search, one by one", one_by_one.collect::<Result<_, _>>()?);
    let paths: Vec<String> = (0..AT_ONCE).map(path).collect();
    let at_once = thread::scope(|scope| {
        let asked: Vec<_> = paths
            .iter()
            .map(|path| scope.spawn(move || ask(address, path)))
            .collect();
        let joined = asked.into_iter().map(|asked| {
            asked
                .join()
                .map_err(|_| std::io::Error::other("a client panicked"))?
        });
        joined.collect::<Result<Vec<_>, std::io::Error>>()
    });
    told("search, 100 at once", at_once?);
    let text = (0..50).map(|n| ask(address, &format!("/api/v1/songs?text=song+{n}7&limit=30")));
    told("names, one by one", text.collect::<Result<_, _>>()?);
    println!("memory:   {:.0} MB more than before", (memory() - before) / 1e6);
    Ok(())
}

/// A library in which every song's vectors are drawn, of length one.
fn write(root: &Path, songs: usize) -> Result<(), Box<dyn Error>> {
    let subspaces = Instrument::ALL.map(|instrument| Subspace {
        instrument,
        dimensions: DIMENSIONS,
    });
    let header = Header {
        format: 1,
        identity: "none".into(),
        runs: vec![RunName {
            folder: "none".into(),
            recipe: "contrast".into(),
            weights: "none".into(),
        }],
        rate: 44_100,
        segment: 132_300,
        hop: 132_300,
        subspaces: subspaces.to_vec(),
        stems: None,
    };
    let mut writer = Writer::open(root, &header)?;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    for n in 0..songs {
        let mut row: Vec<f32> = (0..5 * DIMENSIONS)
            .map(|_| random.random::<f32>() - 0.5)
            .collect();
        for part in row.chunks_mut(DIMENSIONS) {
            let length = part.iter().map(|x| x * x).sum::<f32>().sqrt();
            part.iter_mut().for_each(|x| *x /= length);
        }
        let relative = format!("Artist {:05}/Song {n:06}.flac", n / SONGS_OF_A_FOLDER);
        let file = FileInfo {
            path: Path::new("/music").join(&relative),
            relative: relative.into(),
            size: 1,
            modified: 0,
            changed: None,
            inode: None,
        };
        let presence = Some(std::array::from_fn(|_| random.random()));
        writer.add(
            file,
            Content {
                hash: id(n),
                seconds: 200.0,
                channel: None,
                presence,
                tags: None,
            },
            Some(&row),
        )?;
    }
    Ok(writer.finish()?)
}

fn id(n: usize) -> String {
    format!("{n:064x}")
}

/// Serves it on a thread of its own, which ends with the program.
fn start(root: &Path) -> Result<SocketAddr, Box<dyn Error>> {
    let options = ServeOptions {
        library: root.into(),
        address: "127.0.0.1:0".parse()?,
        hosts: Vec::new(),
        token: None,
        stems: None,
    };
    let (ready, address) = mpsc::channel();
    thread::spawn(move || {
        // who asked for it waits
        let told = |address| ready.send(address).unwrap_or_default();
        if let Err(error) = serve(options, told, std::future::pending()) {
            eprintln!("{error}");
        }
    });
    Ok(address.recv()?)
}

/// How long an answer takes.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<Duration> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    match answer.starts_with(b"HTTP/1.1 200") {
        true => Ok(started.elapsed()),
        false => Err(std::io::Error::other(
            String::from_utf8_lossy(&answer).into_owned(),
        )),
    }
}

fn told(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let quantile = |q: f64| times[((times.len() - 1) as f64 * q).round() as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.0} ms, p99 {:.0} ms of {}",
        quantile(0.5),
        quantile(0.99),
        times.len()
    );
}

/// Bytes of this process, mapped files that were read among them.
fn memory() -> f64 {
    let mut system = sysinfo::System::new();
    let Ok(own) = sysinfo::get_current_pid() else {
        return 0.0;
    };
    system.refresh_processes(sysinfo::ProcessesToUpdate::Some(&[own]), true);
    system.process(own).map_or(0.0, |process| process.memory() as f64)
}
