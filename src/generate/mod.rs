//! Corpora that are made: composed from a seed ([`synth`]) or rendered from General MIDI files and SoundFonts
//! ([`render`](mod@render)), and written in the layout that the room [`corpus`](crate::corpus) reads ([`write`](mod@write)).
//!
//! A track is a pure function of what was asked for and of its number, so that a corpus is the same, byte for byte,
//! whatever the number of threads, and an interrupted one is continued. It may know files, audio and the corpus; nothing
//! but the command line, tests and examples knows it. Start reading at `write`, which both end in.

pub mod render;
pub mod synth;
pub mod write;
