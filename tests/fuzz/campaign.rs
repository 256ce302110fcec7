//! Many inputs: tried in a process of their own, watched, counted, continued where they were left.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Seek, Write},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{
    mutate::input,
    parsers::{PARSERS, Parser},
    trial::{Trial, note_panics},
};

/// Set by whoever ends a campaign early.
pub static STOP: AtomicBool = AtomicBool::new(false);
/// What a worker is to do: parser, first input, input behind the last, folder.
pub const WORK: &str = "FUZZ_WORK";

/// An input that takes longer is ended with its process.
const HANGS: Duration = Duration::from_secs(20);
/// How often a worker says what it did.
const TOLD: Duration = Duration::from_millis(200);
/// Inputs behind which a campaign gives up.
const MOST_FAULTS: usize = 50;

/// What became of inputs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Inputs tried: all below this number.
    pub done: u64,
    pub read: u64,
    pub refused: u64,
    /// Panics that became errors, by their place.
    pub caught: BTreeMap<String, u64>,
    pub seconds: f64,
    /// Most seconds, and the input that took them.
    pub slowest: (f64, u64),
    /// Most bytes, and the input that took them.
    pub largest: (usize, u64),
    /// Inputs, and what must not have happened.
    pub faults: Vec<(u64, String)>,
}

impl Tally {
    fn count(&mut self, at: u64, trial: &Trial) {
        self.done += 1;
        self.read += u64::from(matches!(trial.read, Some(Ok(()))));
        self.refused += u64::from(matches!(trial.read, Some(Err(_))));
        trial.count_caught(&mut self.caught);
        self.seconds += trial.seconds;
        self.slowest = longer(self.slowest, (trial.seconds, at));
        self.largest = longer(self.largest, (trial.bytes, at));
        self.faults.extend(trial.fault().map(|fault| (at, fault)));
    }

    fn add(&mut self, other: Tally) {
        self.done += other.done;
        self.read += other.read;
        self.refused += other.refused;
        for (place, count) in other.caught {
            *self.caught.entry(place).or_default() += count;
        }
        self.seconds += other.seconds;
        self.slowest = longer(self.slowest, other.slowest);
        self.largest = longer(self.largest, other.largest);
        self.faults.extend(other.faults);
    }

    fn ends(&mut self, at: u64, how: String) {
        self.done = at + 1;
        self.faults.push((at, how));
    }
}

fn longer<T: PartialOrd>(a: (T, u64), b: (T, u64)) -> (T, u64) {
    if b.0 > a.0 { b } else { a }
}

// ---------------------------------------------------------------------------------------------- the worker

/// Does what [`WORK`] says, if it is set, and tells on standard output.
pub fn work() {
    let Ok(work) = env::var(WORK) else { return };
    let mut words = work.splitn(4, ' ');
    let mut word = || words.next().unwrap();
    let name = word();
    let parser = PARSERS.iter().find(|parser| parser.name == name).unwrap();
    let range: Range<u64> = word().parse().unwrap()..word().parse().unwrap();
    let folder = PathBuf::from(word());
    let mut place = File::create(folder.join("at")).unwrap();
    let (seeds, reader) = open(parser, &folder.join("files"));
    let _ = reader(&seeds[0]); // what it does at its first use, such as setting a hook, it did
    note_panics(false);
    let (mut tally, mut told) = (Tally::default(), Instant::now());
    let last = range.end;
    for at in range {
        place.rewind().unwrap();
        place.write_all(&at.to_le_bytes()).unwrap();
        let bytes = input(parser.name, &seeds, parser.tokens, at);
        tally.count(at, &Trial::of(&reader, &bytes));
        if told.elapsed() > TOLD || at + 1 == last {
            println!("{}", serde_json::to_string(&std::mem::take(&mut tally)).unwrap());
            told = Instant::now();
        }
    }
}

/// The seeds of a parser and its reader, in a new folder.
pub fn open(parser: &Parser, folder: &Path) -> (Vec<Vec<u8>>, crate::parsers::Reader) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let seeds = (parser.seeds)(folder);
    (seeds, (parser.open)(folder))
}

// ---------------------------------------------------------------------------------------------- its master

/// A new folder, in memory where there is such a place: files are written by the million.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        memory.into()
    } else {
        env::temp_dir()
    };
    TempDir::with_prefix_in("stemwise-fuzz-", place).unwrap()
}

/// Continues a campaign until `count` inputs were tried, many were bad, or [`STOP`] is set. `observe` sees the tally
/// grow.
pub fn run(parser: &Parser, tally: &mut Tally, count: u64, observe: &mut dyn FnMut(&Tally)) {
    let folder = scratch();
    while tally.done < count && tally.faults.len() < MOST_FAULTS && !STOP.load(Relaxed) {
        let Some((at, how)) = attend(parser, tally.done..count, folder.path(), tally, observe) else {
            continue;
        };
        // what it did since it told last is done again
        while tally.done < at && !STOP.load(Relaxed) {
            if attend(parser, tally.done..at, folder.path(), tally, observe).is_some() {
                break;
            }
        }
        if tally.done == at {
            tally.ends(at, how);
            observe(tally);
        }
    }
}

/// Lets a worker try a range; gives the input that ended it before, and how.
fn attend(
    parser: &Parser,
    range: Range<u64>,
    folder: &Path,
    tally: &mut Tally,
    observe: &mut dyn FnMut(&Tally),
) -> Option<(u64, String)> {
    let work = format!(
        "{} {} {} {}",
        parser.name,
        range.start,
        range.end,
        folder.display()
    );
    let mut worker = Command::new(env::current_exe().unwrap())
        .args(["--exact", "worker", "--ignored", "--nocapture"])
        .env(WORK, work)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, told) = channel();
    let output = BufReader::new(worker.stdout.take().unwrap());
    let listener = thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        let tallies = lines.filter_map(|line| serde_json::from_str::<Tally>(&line).ok());
        tallies.for_each(|tally| drop(sender.send(tally)));
    });
    let mut since = (range.start, Instant::now());
    let how = loop {
        match told.recv_timeout(TOLD) {
            Ok(more) => {
                tally.add(more);
                observe(tally);
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = worker.wait().unwrap();
                if !status.success() {
                    thread::sleep(TOLD); // Ctrl-C reaches the worker first
                }
                break format!("its process ends ({status})");
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let at = place(folder).unwrap_or(range.start);
        if at != since.0 {
            since = (at, Instant::now());
        }
        if STOP.load(Relaxed) || since.1.elapsed() > HANGS {
            end(&mut worker);
            break format!("it takes more than {} s", HANGS.as_secs());
        }
    };
    listener.join().unwrap();
    told.try_iter().for_each(|more| tally.add(more));
    let stopped = STOP.load(Relaxed) || tally.done >= range.end;
    (!stopped).then(|| (place(folder).unwrap_or(range.start), how))
}

/// The input that the worker is at.
fn place(folder: &Path) -> Option<u64> {
    let bytes = fs::read(folder.join("at")).ok()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn end(worker: &mut Child) {
    let _ = worker.kill(); // it may have ended by itself
    let _ = worker.wait();
}
