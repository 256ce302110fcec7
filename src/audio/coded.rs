//! Ogg, MP4, AIFF and CAF: what a library takes apart.
//!
//! Coded music promises little, and every player passes over a block that cannot be decoded. So it is here, as long as
//! there are few.

use std::{fs::File, io, ops::Range};

use symphonia::{
    core::{
        codecs::audio::{AudioDecoder, well_known::CODEC_ID_AAC},
        errors::Error,
        formats::{FormatOptions, FormatReader, Track, TrackType},
        io::MediaSourceStream,
    },
    default::formats::{AiffReader, CafReader, IsoMp4Reader, OggReader},
};

use super::{
    adts::Bands,
    blocks::{Blocks, Fault, Spec, changes, decoder, fit},
    bytes::Window,
    mp4, names,
};

/// Of so many blocks of a coded file one may be broken.
const BROKEN_OF: u64 = 10;
/// So many frames behind the end that a table names may be padding; where more follow, the table is wrong.
const PADDING: u64 = 8192;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Container {
    Ogg,
    Mp4,
    Aiff,
    Caf,
}

pub(super) struct Coded {
    container: Container,
    format: Box<dyn FormatReader>,
    track: u32,
    decoder: Box<dyn AudioDecoder>,
    rate: u32,
    channels: usize,
    /// Frames that the container's tables count. The others count by their bit rate, or tell after the fact.
    promised: Option<u64>,
    /// Frames decoded.
    decoded: u64,
    /// Frames that are music, of those decoded.
    heard: Range<u64>,
    /// What lies behind them.
    behind: Vec<f32>,
    blocks: u64,
    broken: u64,
    bands: Bands,
    /// Decoded to learn rate and channels, and not yet handed out.
    first: Option<Vec<f32>>,
}

impl Coded {
    pub fn open(mut file: File, range: Range<u64>, container: Container, head: &[u8]) -> Result<Self, Fault> {
        let sound = match container {
            Container::Mp4 => mp4::sound(&mut file, range.clone())?,
            _ => None,
        };
        match sound {
            None if container == Container::Mp4 => {
                let reason = "the table of its tracks is missing: it was not recorded or copied to the end";
                return Err(Fault::Damaged(reason.into()));
            }
            Some(sound) if sound == mp4::Sound::default() => {
                return Err(Fault::NotAudio("it is a film without sound".into()));
            }
            _ => {}
        }
        let stream = MediaSourceStream::new(Box::new(Window::new(file, range)?), Default::default());
        let options = FormatOptions::default();
        let opened: Result<Box<dyn FormatReader>, Error> = match container {
            Container::Ogg => OggReader::try_new(stream, options).map(|reader| Box::new(reader) as _),
            Container::Mp4 => IsoMp4Reader::try_new(stream, options).map(|reader| Box::new(reader) as _),
            Container::Aiff => AiffReader::try_new(stream, options).map(|reader| Box::new(reader) as _),
            Container::Caf => CafReader::try_new(stream, options).map(|reader| Box::new(reader) as _),
        };
        let entry = sound.map(|sound| names::sample_entry(&sound.codec));
        let codec = match container {
            Container::Ogg => names::ogg(head),
            _ => entry.unwrap_or("its codec"),
        };
        let format = opened.map_err(|error| match error {
            // a codec that the library does not know yields nothing, and is looked for to the end
            Error::IoError(_) if container == Container::Ogg && codec != "its codec" => {
                Fault::Unsupported(codec.into())
            }
            error => fault(error, codec),
        })?;
        let track = track(format.as_ref(), codec)?;
        let (id, frames, made) = (track.id, track.num_frames, make(track, codec)?);
        let tabled = matches!(container, Container::Mp4 | Container::Aiff | Container::Caf);
        let mut coded = Coded {
            container,
            format,
            track: id,
            decoder: made,
            rate: 0,
            channels: 0,
            promised: frames.filter(|&frames| tabled && frames > 0),
            decoded: 0,
            heard: 0..u64::MAX,
            behind: Vec::new(),
            blocks: 0,
            broken: 0,
            bands: Bands::default(),
            first: None,
        };
        // What a header says of rate and channels is not always what is decoded.
        let mut first = Vec::new();
        if coded.block(&mut first)? {
            coded.first = Some(first);
        }
        if let Some(sound) = sound.filter(|sound| sound.scale > 0) {
            let rate = u128::from(coded.rate);
            let frames = |units: u64| u64::try_from(u128::from(units) * rate / u128::from(sound.scale));
            coded.promised = coded.promised.and_then(|units| frames(units).ok());
            let start = frames(sound.skipped).unwrap_or(0);
            let end = sound.end.and_then(|units| frames(units).ok());
            coded.heard = start..end.into_iter().chain(coded.promised).min().unwrap_or(u64::MAX);
        }
        Ok(coded)
    }

    /// Decodes the next block that can be decoded; false at the end.
    fn block(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return self.end(),
                Err(Error::ResetRequired) => {
                    self.follow()?;
                    continue;
                }
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return self.end();
                }
                Err(error) => return Err(fault(error, "its codec")),
            };
            if packet.track_id != self.track {
                continue;
            }
            self.blocks += 1;
            if self.decoder.codec_params().codec == CODEC_ID_AAC {
                self.bands.check(&packet.data)?;
            }
            let decoded = match self.decoder.decode(&packet) {
                Ok(decoded) => decoded,
                Err(Error::DecodeError(_) | Error::IoError(_)) => {
                    self.broken += 1;
                    continue;
                }
                Err(_) => return Err(Fault::Unsupported(names::codec(self.decoder.codec_params()))),
            };
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            decoded.copy_to_vec_interleaved(samples);
            if samples.is_empty() || channels == 0 {
                continue; // a decoder may need a block to begin with
            }
            if self.channels == 0 {
                (self.rate, self.channels) = (rate, channels);
            }
            if rate != self.rate {
                return Err(changes("sample rate", "Hz", self.rate, rate));
            }
            self.decoded += (samples.len() / channels) as u64;
            fit(samples, channels, self.channels);
            return Ok(true);
        }
    }

    /// Takes up the stream that follows the one that has ended.
    fn follow(&mut self) -> Result<(), Fault> {
        let track = track(self.format.as_ref(), "a second stream in it")?;
        self.decoder = make(track, "a second stream in it")?;
        self.track = track.id;
        Ok(())
    }

    fn end(&self) -> Result<bool, Fault> {
        let (broken, blocks) = (self.broken, self.blocks);
        if broken > blocks / BROKEN_OF {
            return Err(Fault::Damaged(format!(
                "{broken} of its {blocks} blocks cannot be decoded"
            )));
        }
        match self.promised {
            Some(promised) if !self.exact() && self.decoded + PADDING < promised => Err(Fault::Truncated {
                found: self.decoded,
                promised,
            }),
            _ => Ok(false),
        }
    }

    fn exact(&self) -> bool {
        self.container == Container::Aiff
    }
}

impl Blocks for Coded {
    fn spec(&self) -> Spec {
        let promised = self.promised.map(|frames| frames.min(self.heard.end));
        Spec {
            rate: self.rate,
            channels: self.channels,
            frames: promised.map(|frames| frames.saturating_sub(self.heard.start)),
            exact: self.exact(),
        }
    }

    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        match self.first.take() {
            Some(first) => *samples = first,
            None if self.block(samples)? => {}
            None => return Ok(false),
        }
        let frames = (samples.len() / self.channels) as u64;
        let start = self.decoded - frames;
        let inside = |frame: u64| (frame.saturating_sub(start).min(frames)) as usize * self.channels;
        self.behind.extend(samples.drain(inside(self.heard.end)..));
        samples.drain(..inside(self.heard.start).min(samples.len()));
        if self.behind.len() / self.channels > PADDING as usize {
            self.heard.end = u64::MAX;
            samples.append(&mut self.behind);
        }
        Ok(true)
    }

    fn seek(&mut self, _frame: u64) -> Result<Option<u64>, Fault> {
        Ok(None)
    }
}

/// The track that is heard.
fn track<'a>(format: &'a dyn FormatReader, codec: &str) -> Result<&'a Track, Fault> {
    let track = format.default_track(TrackType::Audio);
    track.ok_or_else(|| match format.tracks() {
        [] if codec == "its codec" => Fault::NotAudio("it has no audio track".into()),
        _ => Fault::Unsupported(codec.into()),
    })
}

fn make(track: &Track, codec: &str) -> Result<Box<dyn AudioDecoder>, Fault> {
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| Fault::Unsupported(codec.into()))?;
    let name = match names::codec(parameters) {
        name if name == "its codec" => codec.into(),
        name => name,
    };
    decoder(parameters, &name)
}

/// What a demuxer met.
fn fault(error: Error, codec: &str) -> Fault {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => Fault::header(),
        Error::IoError(error) => Fault::Io(error),
        Error::Unsupported(_) => Fault::Unsupported(codec.into()),
        Error::LimitError(_) => Fault::Damaged("a table in it is too large to be true".into()),
        _ => Fault::Damaged("it is not put together as its format demands".into()),
    }
}
