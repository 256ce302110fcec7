//! Threads that hash and decode.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::SyncSender,
    },
};

use super::{
    Content, FileInfo, Header, Tags,
    entry::hash_file,
    song::{Part, hear},
};

/// What a thread has to say about the file of that number.
pub(super) struct Message {
    pub file: usize,
    pub news: News,
}

pub(super) enum News {
    /// The next segment with sound.
    Segment(Vec<i16>),
    /// What was sent so far counts for nothing: the file is heard anew.
    Anew,
    /// All segments were sent.
    End(Content),
    /// Its content is in the library, or is being described.
    Known { hash: String },
    /// It cannot be described.
    Failed { hash: Option<String>, reason: String },
}

/// The work that threads share.
pub(super) struct Work<'a> {
    pub files: &'a [&'a FileInfo],
    pub header: &'a Header,
    /// Contents that are in the library, or that some thread has taken.
    pub taken: Mutex<HashSet<String>>,
    /// The next file to be looked at.
    pub next: AtomicUsize,
    pub stop: &'a AtomicBool,
}

impl Work<'_> {
    /// Takes files until there are none, or nobody listens any more.
    pub fn run(&self, out: &SyncSender<Message>) {
        while !self.stop.load(Relaxed) {
            let file = self.next.fetch_add(1, Relaxed);
            let Some(info) = self.files.get(file) else {
                return;
            };
            let news = match self.file(file, info, out) {
                Some(news) => news,
                None => return,
            };
            if out.send(Message { file, news }).is_err() {
                return;
            }
        }
    }

    /// One file; `None` if the work was stopped in it.
    fn file(&self, file: usize, info: &FileInfo, out: &SyncSender<Message>) -> Option<News> {
        let failed = |hash, reason| Some(News::Failed { hash, reason });
        let hash = match hash_file(&info.path, self.stop) {
            Ok(hash) => hash?,
            Err(error) => return failed(None, format!("cannot be read: {error}")),
        };
        let new = self
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(hash.clone());
        if !new {
            return Some(News::Known { hash });
        }
        let mut send = |part| {
            let news = match part {
                Part::Segment { samples, .. } => News::Segment(samples),
                Part::Anew => News::Anew,
            };
            !self.stop.load(Relaxed) && out.send(Message { file, news }).is_ok()
        };
        let heard = match hear(&info.path, self.header, self.stop, &mut send) {
            Ok(heard) => heard?,
            Err(error) => return failed(Some(hash), error.to_string()),
        };
        let same = match FileInfo::of(info.path.clone(), info.relative.clone()) {
            Ok(now) if now.unchanged(info) => true,
            // it may have been renamed or linked only
            Ok(_) => hash_file(&info.path, self.stop).is_ok_and(|now| now.as_ref() == Some(&hash)),
            Err(_) => false,
        };
        match same {
            true => Some(News::End(Content {
                hash,
                seconds: heard.seconds,
                channel: heard.channel,
                presence: None, // until its segments are described
                tags: Some(Tags::read(&info.path)),
            })),
            false => failed(Some(hash), "it changed while it was read: embed it again".into()),
        }
    }
}
