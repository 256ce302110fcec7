//! `stemwise serve`

use std::{
    env,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use clap::Args;

use super::{
    built_in::library_or,
    device::DeviceArguments,
    interrupt,
    output::{Misuse, name, note, say},
};
use crate::{
    files::{self, IoError},
    folders::cache_folder,
    separate::{Separators, WindowOptions},
    serve::{ServeOptions, StemOptions, serve},
    train::BuiltIn,
};

/// Where a token is found, unless in a file: a command line can be read by others.
const TOKEN: &str = "STEMWISE_TOKEN";
/// How often Ctrl-C is looked for.
const TICK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub struct Arguments {
    /// Folder of a library, made with 'stemwise embed' [default: stemwise/library among the user's data]
    #[arg(value_name = "LIBRARY")]
    library: Option<PathBuf>,
    /// Port to listen at; 0 is any free one
    #[arg(long, value_name = "N", default_value_t = 8340)]
    port: u16,
    /// Address to listen at; any but this machine's own needs a token, in STEMWISE_TOKEN or by --token-file
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// A name that browsers may ask this machine by, as music.home; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// File whose first line is the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A run that separates songs, for their instruments to be heard; several for several instruments [default:
    /// built-in:separator]
    #[arg(long = "separator", value_name = "RUN")]
    separators: Vec<PathBuf>,
    /// Gigabytes that separated songs may take: among the user's caches, or until it ends with --separator
    #[arg(long, value_name = "GB", default_value_t = 4)]
    stems_limit: u64,
    #[command(flatten)]
    device: DeviceArguments,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let stop = interrupt::flag()?;
    interrupt::idle(false);
    // until it ends
    let own = tempfile::tempdir().map_err(IoError::of("create", &env::temp_dir()))?;
    let library = library_or("as argument", arguments.library.as_deref())?;
    let shown = name(&library);
    let options = ServeOptions {
        library,
        address: SocketAddr::new(arguments.bind, arguments.port),
        hosts: arguments.hosts.clone(),
        token: token(arguments)?,
        stems: stems(arguments, own.path(), stop)?,
    };
    let ready = |address: SocketAddr| {
        let page = format!("http://{address}/");
        // who does not read it can ask all the same
        let _ = say(format!("{} is at {page}; Ctrl-C ends", shown));
        if arguments.open && !open(&page) {
            note(format!("no browser was found to open: see {page} in one"));
        }
    };
    serve(options, ready, stopped(stop))?;
    Ok(())
}

/// What separates; `own` is a folder for the stems of models that are not built in.
fn stems(
    arguments: &Arguments,
    own: &Path,
    stop: &'static AtomicBool,
) -> anyhow::Result<Option<StemOptions>> {
    let (models, folder) = match arguments.separators.as_slice() {
        [] if !BuiltIn::THERE => return Ok(None),
        [] => {
            let hash = BuiltIn::Separator.checkpoint()?.hash();
            let folder = cache_folder("stems").unwrap_or_else(|| own.into());
            (vec![BuiltIn::Separator.place()], folder.join(hash))
        }
        runs => (runs.to_vec(), own.into()),
    };
    let device = arguments.device.clone();
    let load = move || {
        let mut separators = Separators::load(&models, &device.open()?, WindowOptions::default())?;
        separators.stop_at(stop);
        Ok(separators)
    };
    Ok(Some(StemOptions {
        folder,
        limit: arguments.stems_limit.saturating_mul(1_000_000_000),
        load: Box::new(load),
    }))
}

async fn stopped(stop: &'static AtomicBool) {
    while !stop.load(Relaxed) {
        tokio::time::sleep(TICK).await;
    }
}

fn token(arguments: &Arguments) -> anyhow::Result<Option<String>> {
    let Some(path) = &arguments.token_file else {
        return Ok(env::var(TOKEN).ok().filter(|token| !token.is_empty()));
    };
    let bytes = files::read(path).map_err(IoError::of("read", path))?;
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(line.to_string())),
        None => Err(Misuse(format!("--token-file {}: its first line is empty", name(path))).into()),
    }
}

/// Whether a program of the system was found that opens the page.
fn open(page: &str) -> bool {
    let (program, before): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else {
        ("xdg-open", &[])
    };
    let mut command = std::process::Command::new(program);
    let quiet = std::process::Stdio::null;
    command
        .args(before)
        .arg(page)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet());
    command.spawn().is_ok()
}
