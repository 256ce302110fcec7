//! What a stem goes through as a whole: amplifier, body, moving loudspeaker. Values as in `patches.toml`.

use std::f32::consts::TAU;

use serde::Deserialize;

use super::{
    draw::row,
    dsp::{OnePole, RATE, Svf, gain},
};

row! {
    /// All of them, in their order.
    Effects {
        tight: Option<f32> = None, drive: Option<f32> = None, bias: f32 = 0.0, peaks: Vec<[f32; 3]> = Vec::new(),
        sway: Option<Sway> = None, cut: Option<f32> = None, cabinet: Option<f32> = None, low_cut: Option<f32> = None,
    }
}

row! {
    /// A delay that moves: chorus, rotating loudspeaker; and a tremolo in time with it.
    Sway {
        rate: f32 = 1.0, delay: f32 = 0.0, depth: f32 = 0.0, dry: f32 = 1.0, wet: f32 = 0.0, tremolo: f32 = 0.0,
    }
}

impl Effects {
    pub fn apply(&self, stem: &mut [f32]) {
        let mut tight = self.tight.map(OnePole::new);
        let input = self.drive.map(gain);
        let peaks = self.peaks.iter().map(|[hz, q, gain]| (Svf::new(*hz, *q), *gain));
        let mut peaks: Vec<(Svf, f32)> = peaks.collect();
        let mut cut = self.cut.map(OnePole::new);
        let mut cabinet = self
            .cabinet
            .map(|hz| [Svf::new(hz, 0.9), Svf::new(1.1 * hz, 0.6)]);
        let mut low_cut = self.low_cut.map(|hz| Svf::new(hz, 0.7));
        // One pass: the filters wait for themselves only, and so run side by side.
        for x in stem.iter_mut() {
            let mut y = *x;
            if let Some(low) = &mut tight {
                y -= low.low(y);
            }
            if let Some(input) = input {
                // A little bias makes even harmonics, as a valve does; the low cut takes DC off.
                y = (input * y + self.bias).tanh();
            }
            y += peaks
                .iter_mut()
                .map(|(peak, gain)| *gain * peak.band(y))
                .sum::<f32>();
            if let Some(low) = &mut cut {
                y = low.low(y);
            }
            if let Some([first, second]) = &mut cabinet {
                y = second.low(first.low(y));
            }
            *x = low_cut.as_mut().map_or(y, |high| high.high(y));
        }
        if let Some(sway) = &self.sway {
            sway.apply(stem);
        }
    }
}

impl Sway {
    fn apply(&self, stem: &mut [f32]) {
        // Holds the longest delay of the tables, some 12 ms.
        const LINE: usize = 1024;
        let mut line = [0f32; LINE];
        let mut phase = 0.0;
        for (i, x) in stem.iter_mut().enumerate() {
            line[i % LINE] = *x;
            let turn = f32::sin(TAU * phase);
            phase += self.rate / RATE;
            phase -= if phase >= 1.0 { 1.0 } else { 0.0 };
            let back = ((self.delay + self.depth * turn) * RATE).clamp(0.0, (LINE - 2) as f32);
            let at = |delay: usize| line[(i + LINE - delay) % LINE];
            let moved = at(back as usize) * (1.0 - back.fract()) + at(back as usize + 1) * back.fract();
            *x = (self.dry * *x + self.wet * moved) * (1.0 - self.tremolo * (0.5 + 0.5 * turn));
        }
    }
}
