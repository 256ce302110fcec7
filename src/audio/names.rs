//! What people call the codecs and formats that are not read.

use symphonia::core::codecs::audio::{AudioCodecParameters, well_known::*};

/// The codec, as far as its parameters tell.
pub(super) fn codec(parameters: &AudioCodecParameters) -> String {
    let channels = parameters.channels.as_ref().map(|channels| channels.count());
    let name = match parameters.codec {
        CODEC_ID_AAC => return aac(parameters.extra_data.as_deref(), channels),
        CODEC_ID_OPUS => "Opus with a channel layout of its own",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_VORBIS => "Vorbis of this kind",
        CODEC_ID_FLAC => "FLAC of this kind",
        CODEC_ID_ALAC => "ALAC of this kind",
        CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 => "MPEG audio of this kind",
        CODEC_ID_AC3 => "AC-3",
        CODEC_ID_EAC3 => "E-AC-3",
        CODEC_ID_AC4 => "AC-4",
        CODEC_ID_DCA => "DTS",
        CODEC_ID_TRUEHD => "TrueHD",
        CODEC_ID_WMA => "WMA",
        CODEC_ID_WAVPACK => "WavPack",
        CODEC_ID_MUSEPACK => "Musepack",
        CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        CODEC_ID_TTA => "TTA",
        CODEC_ID_ADPCM_IMA_QT | CODEC_ID_ADPCM_G722 | CODEC_ID_ADPCM_G726 | CODEC_ID_ADPCM_G726LE => "ADPCM",
        _ => "its codec",
    };
    name.into()
}

/// The kind of AAC, by its AudioSpecificConfig if it has one.
fn aac(config: Option<&[u8]>, channels: Option<usize>) -> String {
    let mut bits = Bits(config.unwrap_or_default(), 0);
    let kind = match bits.take(5) {
        31 => 32 + bits.take(6),
        kind => kind,
    };
    if bits.take(4) == 15 {
        bits.take(24);
    }
    let layout = bits.take(4);
    let short = bits.take(1) == 1;
    let name = match kind {
        1 => "AAC Main",
        3 => "AAC of scalable sample rate",
        4 => "AAC with long-term prediction",
        5 => "HE-AAC",
        6 => "AAC Scalable",
        23 => "AAC-LD",
        29 => "HE-AAC v2",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        _ => match (config.map_or(channels, |_| Some(layout as usize)), short) {
            (None | Some(0), _) => "AAC with a channel layout of its own",
            (Some(3..), _) => "AAC with more than two channels",
            (_, true) => "AAC in blocks of 960 samples",
            // what else would have been decoded
            (_, false) => "HE-AAC",
        },
    };
    name.into()
}

/// Bits from the highest on; zeros behind the end.
struct Bits<'a>(&'a [u8], usize);

impl Bits<'_> {
    fn take(&mut self, count: usize) -> u32 {
        (0..count).fold(0, |value, _| {
            let byte = self.0.get(self.1 / 8).copied().unwrap_or(0);
            let bit = byte >> (7 - self.1 % 8) & 1;
            self.1 += 1;
            value << 1 | u32::from(bit)
        })
    }
}

/// The codec of a sample entry of an MP4 file, by its four letters.
pub(super) fn sample_entry(letters: &[u8; 4]) -> &'static str {
    match letters {
        b"mp4a" => "AAC of this kind",
        b"Opus" => "Opus of this kind",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"alac" => "ALAC of this kind",
        b"fLaC" => "FLAC in MP4",
        b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" | b"dtsx" => "DTS",
        b"mlpa" => "TrueHD",
        b"samr" | b"sawb" | b"sawp" => "AMR",
        b"drms" | b"enca" => "music locked by copy protection",
        b"QDM2" | b"QDMC" => "QDesign Music",
        b"ima4" => "ADPCM",
        b"mha1" | b"mhm1" => "MPEG-H",
        _ => "its codec",
    }
}

/// The codec of an Ogg file, by its first page.
pub(super) fn ogg(page: &[u8]) -> &'static str {
    let has = |mark: &[u8]| page.windows(mark.len()).any(|window| window == mark);
    match () {
        () if has(b"OpusHead") => "Opus of this kind",
        () if has(b"Speex   ") => "Speex",
        () if has(b"\x80theora") => "video without music",
        () if has(b"CELT") => "CELT",
        () if has(b"PCM     ") => "PCM in Ogg",
        () => "its codec",
    }
}

/// A format that is known and not read, by a file's first bytes.
pub(super) fn unread(head: &[u8]) -> Option<&'static str> {
    let name = match head {
        [b'M', b'A', b'C', b' ' | b'F', ..] => "Monkey's Audio",
        [b'w', b'v', b'p', b'k', ..] => "WavPack",
        [b'M', b'P', b'+', ..] | [b'M', b'P', b'C', b'K', ..] => "Musepack",
        [b'T', b'T', b'A', b'1' | b'2', ..] => "TTA",
        [b'O', b'F', b'R', b' ', ..] => "OptimFROG",
        [b't', b'B', b'a', b'K', ..] => "TAK",
        [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, ..] => "WMA",
        [b'D', b'S', b'D', b' ', ..] | [b'F', b'R', b'M', b'8', ..] => "DSD",
        [b'#', b'!', b'A', b'M', b'R', ..] => "AMR",
        [b'.', b'R', b'M', b'F', ..] | [b'.', b'r', b'a', 0xFD, ..] => "RealAudio",
        [b'.', b's', b'n', b'd', ..] => "AU",
        [0x1A, 0x45, 0xDF, 0xA3, ..] => "Matroska or WebM",
        [b'F', b'L', b'V', 1, ..] => "Flash video",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => "AVI",
        [0x0B, 0x77, ..] => "AC-3",
        [0x7F, 0xFE, 0x80, 0x01, ..] | [0xFE, 0x7F, 0x01, 0x80, ..] => "DTS",
        [b'a', b'j', b'k', b'g', ..] => "Shorten",
        [b'L', b'A', b'0', b'2'..=b'4', ..] => "LA",
        _ => return None,
    };
    Some(name)
}
