//! Opus (RFC 6716) for the library that takes its containers apart.

use opus_pure::{ChannelLayout, OpusMSDecoder};
use symphonia::core::{
    audio::{AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, GenericAudioBufferRef},
    codecs::{
        CodecInfo,
        audio::{AudioCodecParameters, AudioDecoder, FinalizeResult},
    },
    errors::{Error, Result},
    packet::PacketRef,
};

/// The rate that everything is decoded at, whatever it was recorded at, in Hz.
const RATE: u32 = 48_000;
/// Frames of the longest packet: 120 ms.
const LONGEST: usize = 5760;

/// Its header: RFC 7845, section 5.1, or the box `dOps` of an MP4 file behind the same mark.
struct Head {
    layout: ChannelLayout,
    /// Frames at the beginning that are no music. An MP4 file has an edit list instead.
    skipped: usize,
    gain: f32,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, channels, family) = (*bytes.get(8)?, usize::from(*bytes.get(9)?), *bytes.get(18)?);
        let layout = ChannelLayout::surround(channels, family).ok()?;
        if family != 0 {
            let told = bytes.get(19..)?;
            let counts = [layout.nb_streams as u8, layout.nb_coupled_streams as u8];
            if !told.starts_with(&counts) || !told[2..].starts_with(&layout.mapping) {
                return None;
            }
        }
        let two = |at: usize| [bytes[at], bytes[at + 1]];
        // the box has version 0, and its numbers the other way round
        let (skipped, gain) = match version {
            0 => (0, i16::from_be_bytes(two(16))),
            _ => (u16::from_le_bytes(two(10)), i16::from_le_bytes(two(16))),
        };
        Some(Head {
            layout,
            skipped: skipped.into(),
            gain: 10f32.powf(f32::from(gain) / (20.0 * 256.0)),
        })
    }
}

/// A stream of Opus, from its first packet.
pub(super) struct Opus {
    parameters: AudioCodecParameters,
    decoder: OpusMSDecoder,
    /// Frames that are still to be dropped.
    skipped: usize,
    gain: f32,
    interleaved: Vec<f32>,
    decoded: AudioBuffer<f32>,
}

impl Opus {
    const INFO: CodecInfo = CodecInfo {
        short_name: "opus",
        long_name: "Opus",
        profiles: &[],
    };

    /// `None` where channels lie otherwise than Vorbis has them.
    pub fn new(parameters: &AudioCodecParameters) -> Option<Self> {
        let head = Head::read(parameters.extra_data.as_deref()?)?;
        let channels = head.layout.nb_channels;
        let spec = AudioSpec::new(RATE, parameters.channels.clone()?);
        if spec.channels().count() != channels {
            return None;
        }
        Some(Opus {
            parameters: parameters.clone(),
            decoder: OpusMSDecoder::new(RATE as i32, channels, head.layout.mapping_family).ok()?,
            skipped: head.skipped,
            gain: head.gain,
            interleaved: vec![0.0; LONGEST * channels],
            decoded: AudioBuffer::new(spec, LONGEST),
        })
    }
}

impl AudioDecoder for Opus {
    fn reset(&mut self) {
        // what it knew of the music before is gone; that can only fail for settings that were taken before
        let _ = self.decoder.reset_state();
    }

    fn codec_info(&self) -> &CodecInfo {
        &Self::INFO
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.decoded.clear();
        // no bytes would be made up for from what came before
        let frames = match packet.data {
            [] => return Err(Error::DecodeError("opus: an empty packet")),
            data => self.decoder.decode(data, LONGEST, &mut self.interleaved),
        };
        let frames = frames.map_err(|_| Error::DecodeError("opus: a broken packet"))?;
        self.decoded.render_uninit(Some(frames));
        let channels = self.decoder.channels();
        for (channel, plane) in self.decoded.iter_planes_mut().enumerate() {
            let samples = self.interleaved[channel..].iter().step_by(channels);
            for (decoded, sample) in plane.iter_mut().zip(samples) {
                *decoded = sample * self.gain;
            }
        }
        let skipped = self.skipped.min(frames);
        self.skipped -= skipped;
        let end = (packet.trim_end.get() as usize).min(frames - skipped);
        self.decoded.trim(skipped, end);
        Ok(self.decoded.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.decoded.as_generic_audio_buffer_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of `version` for so many channels; 312 frames are skipped, the gain is 6 dB.
    fn head(version: u8, channels: u8, rest: &[u8]) -> Vec<u8> {
        let (skipped, gain) = match version {
            0 => (312u16.to_be_bytes(), (6 * 256i16).to_be_bytes()),
            _ => (312u16.to_le_bytes(), (6 * 256i16).to_le_bytes()),
        };
        let rate = 48_000u32.to_le_bytes();
        [
            b"OpusHead",
            &[version, channels][..],
            &skipped,
            &rate,
            &gain,
            rest,
        ]
        .concat()
    }

    #[test]
    fn headers_of_ogg_and_mp4() {
        for (version, skipped) in [(1, 312), (0, 0)] {
            let head = Head::read(&head(version, 2, &[0])).unwrap();
            assert_eq!((head.skipped, head.layout.nb_channels), (skipped, 2));
            assert!((head.gain - 1.9953).abs() < 1e-4, "{}", head.gain);
        }
        let surround = [1, 4, 2, 0, 4, 1, 2, 3, 5];
        assert_eq!(Head::read(&head(1, 6, &surround)).unwrap().layout.nb_streams, 4);
        let others = [1, 4, 2, 0, 1, 4, 2, 3, 5];
        assert!(
            Head::read(&head(1, 6, &others)).is_none(),
            "channels in another order"
        );
        assert!(Head::read(&head(1, 3, &[255, 3, 0, 0, 1, 2])).is_none());
        for cut in 0..19 {
            assert!(Head::read(&head(1, 2, &[0])[..cut]).is_none());
        }
    }
}
