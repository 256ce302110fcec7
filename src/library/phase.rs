//! Channels that cancel one another.

/// Least difference of the highest and lowest sample of a stretch with sound: of 1e-4, full scale being 1.
const SOUND: f32 = 4.0 / 32768.0;
/// By so much the mean of channels may lie below them, in power: 20 dB.
const CANCELLED: f64 = 0.01;

/// Listens to the channels of a file, stretch by stretch.
pub(super) struct Phase {
    channels: usize,
    /// Frames of every stretch, as a fraction: the mean length need not be whole.
    stretch: (u64, u64),
    /// Frames heard.
    frames: u64,
    /// Where the stretch ends.
    end: u64,
    /// Of the channels, in this stretch.
    heard: Vec<Heard>,
    mean: Heard,
    /// Power of the channels up to here.
    power: Vec<f64>,
    /// The one channel that is of interest.
    only: Option<usize>,
    /// Stretches with sound.
    pub sounding: Vec<bool>,
    cancelled: bool,
}

/// What a stretch of a signal is like.
#[derive(Clone, Copy)]
struct Heard {
    count: u64,
    sum: f64,
    squares: f64,
    low: f32,
    high: f32,
}

impl Heard {
    const NOTHING: Self = Heard {
        count: 0,
        sum: 0.0,
        squares: 0.0,
        low: f32::INFINITY,
        high: f32::NEG_INFINITY,
    };

    fn add(&mut self, x: f32) {
        self.count += 1;
        self.sum += f64::from(x);
        self.squares += f64::from(x) * f64::from(x);
        (self.low, self.high) = (self.low.min(x), self.high.max(x));
    }

    /// Sum of the squares of what is no constant: that is not heard.
    fn power(&self) -> f64 {
        match self.count {
            0 => 0.0,
            n => (self.squares - self.sum * self.sum / n as f64).max(0.0),
        }
    }

    fn sounds(&self) -> bool {
        self.high - self.low >= SOUND
    }
}

impl Phase {
    /// For stretches that have `length` samples at `rate` Hz, of a file with `own` Hz. `only` says which channel is
    /// listened to, if it is one.
    pub fn new(channels: usize, only: Option<usize>, own: u32, length: usize, rate: u32) -> Self {
        let mut phase = Phase {
            channels,
            stretch: (length as u64 * u64::from(own), u64::from(rate)),
            frames: 0,
            end: 0,
            heard: vec![Heard::NOTHING; channels],
            mean: Heard::NOTHING,
            power: vec![0.0; channels],
            only,
            sounding: Vec::new(),
            cancelled: false,
        };
        phase.end = phase.end_of(0);
        phase
    }

    fn end_of(&self, stretch: usize) -> u64 {
        let (frames, of) = self.stretch;
        (frames * (stretch as u64 + 1) / of).max(1)
    }

    /// Hears frames, and writes what describes them into `signal`.
    pub fn push(&mut self, frames: &[f32], signal: &mut Vec<f32>) {
        let scale = 1.0 / self.channels as f32;
        for frame in frames.chunks_exact(self.channels) {
            let mean = frame.iter().sum::<f32>() * scale;
            signal.push(self.only.map_or(mean, |channel| frame[channel]));
            self.mean.add(mean);
            self.heard
                .iter_mut()
                .zip(frame)
                .for_each(|(heard, &x)| heard.add(x));
            self.frames += 1;
            if self.frames == self.end {
                self.judge(true);
            }
        }
    }

    /// Ends the last stretch. By less than half of one, nothing is judged but whether it sounds.
    pub fn finish(&mut self) {
        let rest = self.mean.count;
        if rest > 0 {
            let begun = self.sounding.len();
            let whole = self.end - self.frames + rest;
            self.judge(begun == 0 || 2 * rest >= whole);
        }
    }

    fn judge(&mut self, fully: bool) {
        let powers: Vec<f64> = self.heard.iter().map(Heard::power).collect();
        let sounds = match self.only {
            Some(channel) => self.heard[channel].sounds(),
            None => self.heard.iter().any(Heard::sounds),
        };
        let all = powers.iter().sum::<f64>() / self.channels as f64;
        self.cancelled |= fully && sounds && self.mean.power() < CANCELLED * all;
        self.power
            .iter_mut()
            .zip(powers)
            .for_each(|(sum, power)| *sum += power);
        self.sounding.push(sounds);
        self.heard.fill(Heard::NOTHING);
        self.mean = Heard::NOTHING;
        self.end = self.end_of(self.sounding.len());
    }

    /// Whether the channels cancelled one another in any stretch up to here, as far as all of them are of interest.
    pub fn cancelled(&self) -> bool {
        self.only.is_none() && self.cancelled
    }

    /// The channel with the most power up to here; the first of equals.
    pub fn loudest(&self) -> usize {
        let louder = |best: usize, channel: usize| match self.power[channel] > self.power[best] {
            true => channel,
            false => best,
        };
        (0..self.channels).fold(0, louder)
    }
}
